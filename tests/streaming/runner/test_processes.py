from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from betting.config import Config, WebConfig, load
from betting.runtime.supervisor import Program
from streaming.runner.processes import (
    ROLES,
    consoles,
    node_name,
    nodes,
    pollers,
    simulator,
    value_workers,
)

CONFIG = Config(home=Path("/srv/hardline"))
SECRET = "swordfish"


def everything() -> list[Program]:
    return [
        simulator(CONFIG, SECRET),
        *value_workers(CONFIG),
        *pollers(CONFIG, SECRET),
        *consoles(CONFIG, SECRET),
    ]


def option(program: Program, name: str) -> str:
    return program.command[program.command.index(name) + 1]


def test_every_queue_has_its_worker() -> None:
    workers = [program for program in everything() if "worker" in program.command]
    queues = {program.name: option(program, "--queues") for program in workers}
    assert queues == {
        "worker-io": "poll",
        "worker-deliver": "deliver",
        "worker-value": "coalesce,valuation",
        "worker-major": "major",
    }


def test_secrets_are_on_no_command_line() -> None:
    holders = {program.name for program in everything() if SECRET in str(dict(program.environ))}
    assert holders == {"simulator", "worker-io", "flower"}
    assert not any(SECRET in argument for program in everything() for argument in program.command)


def test_the_project_is_checked_once_and_not_by_every_process() -> None:
    assert {program.environ["CELERY_SKIP_CHECKS"] for program in everything()} == {"1"}


def test_checkouts_on_one_broker_have_workers_of_different_names() -> None:
    other = replace(CONFIG, home=Path("/srv/other"))
    assert set(nodes(CONFIG)).isdisjoint(nodes(other))
    assert nodes(CONFIG) == [option(program, "--hostname") for program in value_workers(CONFIG)]


def test_a_workers_name_is_the_same_at_every_start() -> None:
    assert node_name("worker-io", CONFIG.home) == node_name("worker-io", CONFIG.home)


def test_the_web_server_listens_where_the_run_says() -> None:
    moved = replace(CONFIG, web=WebConfig(host="::1", port=9000))
    web, _ = consoles(moved, SECRET)
    assert load(web.environ).web.host == "::1"
    assert load(web.environ).web.port == 9000


def test_a_role_is_what_a_run_supervises_without_its_secrets() -> None:
    roles = {name: role(CONFIG) for name, role in ROLES.items()}
    assert {program.name: program.command for program in everything()} == {
        name: program.command for name, program in roles.items()
    }
    assert not any(SECRET in str(dict(program.environ)) for program in roles.values())
