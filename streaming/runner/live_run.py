"""A live run: providers are polled, the simulated one among them, until somebody stops it."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from rich.console import Console

from betting.config import Config
from betting.runtime.first_run import Login
from betting.runtime.supervisor import Program
from streaming.runner import processes, setup
from streaming.runner.environment import set_up, supervised, where_to_look
from streaming.runner.interrupts import Interrupts
from streaming.runner.ports import LOOPBACK, is_listening
from streaming.runner.report import RunReport, Stopwatch, final_report
from streaming.runner.run_loop import InterruptedRunError, RunLoop, showing_activity
from streaming.runner.server_watch import watching_servers
from streaming.runner.terminal import Terminal


def run_live(config: Config, console: Console, *, with_simulator: bool) -> RunReport:
    """Run until interrupted.

    Args:
        config: the configuration.
        console: the output for people.
        with_simulator: whether the simulated provider runs and is polled.

    Raises:
        AlreadyRunningError, PortError, EmbeddedError: as `environment.set_up` does.
        RunError: a console did not come up.
    """
    listeners = [(config.web.host, config.web.port), (config.web.host, config.web.flower_port)]
    if with_simulator:
        listeners.append((LOOPBACK, config.web.simulator_port))
    with (
        Interrupts() as interrupts,
        set_up(config, listeners) as login,
        Terminal(console) as terminal,
    ):
        setup.disable_simulator()
        stopwatch = Stopwatch.start()
        stages = _stages(config, login, with_simulator=with_simulator)
        with supervised(stages, config, interrupts, terminal) as supervisor:
            watching = watching_servers(config, terminal)
            activity = showing_activity(terminal, config)
            loop = RunLoop(supervisor, interrupts, terminal, watching, activity)
            with suppress(InterruptedRunError):
                loop.wait_until(
                    lambda: all(is_listening(*at) for at in listeners),
                    "The web server, Flower or the simulator",
                )
                if with_simulator:
                    loop.do(partial(setup.enable_simulator, config.web))
                terminal.say(
                    where_to_look(
                        config,
                        login,
                        is_terminal=terminal.is_terminal,
                        with_simulator=with_simulator,
                    )
                )
                loop.wait_for_ever()
        terminal.say("Stopped. The next run goes on from here.")
        return final_report(stopwatch.facts)


def _stages(config: Config, login: Login, *, with_simulator: bool) -> list[list[Program]]:
    key = setup.simulator_key(config.home)
    return [
        # Ended last, so that the polls under way get their answers.
        [processes.simulator(config, key)] if with_simulator else [],
        [*processes.value_workers(config), *processes.pollers(config, key)],
        processes.consoles(config, login.password),
    ]
