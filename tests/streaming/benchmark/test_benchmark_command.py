"""`manage.py benchmark` as people and programs meet it; test_benchmark.py runs it."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from django.core.management import CommandError, call_command

from streaming.benchmark.health.recording import Episode, Recorder, Recording
from streaming.benchmark.health.recording import encode as encode_recording
from streaming.benchmark.plan import QUICK, USUAL, Plan
from streaming.benchmark.results.document import Result
from streaming.core.health import check
from streaming.management.benchmark_actions import runs, scaling
from streaming.management.commands.benchmark import Command
from tests.support.benchmarks import a_burst


def written(path: Path, result: Result) -> str:
    path.write_bytes(msgspec.json.encode(result))
    return str(path)


def planned(*words: str) -> Plan:
    parser = Command().create_parser("manage.py", "benchmark")
    return runs.plan_of(vars(parser.parse_args(["run", *words])))


def test_ratios_within_the_spread_end_well(tmp_path: Path) -> None:
    out = io.StringIO()
    before = written(tmp_path / "a", a_burst([900, 1_000, 1_100], [100, 100, 100]))
    after = written(tmp_path / "b", a_burst([480, 500, 510], [50, 50, 50]))
    call_command("benchmark", "compare", before, after, stdout=out)
    assert "the same" in out.getvalue()


def test_a_ratio_below_the_spread_is_named_and_the_exit_is_not_zero(tmp_path: Path) -> None:
    out = io.StringIO()
    before = written(tmp_path / "a", a_burst([900, 1_000, 1_100], [100, 100, 100]))
    after = written(tmp_path / "b", a_burst([400, 500, 510], [100, 100, 100]))
    with pytest.raises(CommandError, match="1 of 1 ratios are worse"):
        call_command("benchmark", "compare", before, after, stdout=out)
    assert "WORSE" in out.getvalue()


def test_results_without_a_common_ratio_say_nothing_about_each_other(tmp_path: Path) -> None:
    burst = written(tmp_path / "a", a_burst([1.0], [1.0]))
    with pytest.raises(CommandError, match="no ratio in common"):
        call_command("benchmark", "compare", burst, written(tmp_path / "b", a_burst([], [])))


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Copies of the README and the document, which the command takes for them."""
    copies = tmp_path / "start.md", tmp_path / "README.md"
    for name, copy in zip(("README", "DOCUMENT"), copies, strict=True):
        copy.write_bytes(getattr(runs, name).read_bytes())
        monkeypatch.setattr(runs, name, copy)
    return copies


def test_figures_are_published_into_the_document_beside_their_charts(
    tmp_path: Path, pages: tuple[Path, Path]
) -> None:
    readme, document = pages
    (tmp_path / "old.svg").touch()
    result = written(tmp_path / "result.json", a_burst([900.0], [100.0]))
    call_command("benchmark", "publish", result, stdout=io.StringIO())
    assert "| 5 markets | naive | 9 × |" in document.read_text("utf-8")
    assert [each.name for each in tmp_path.glob("*.svg")] == ["burst-changes_per_second.svg"]
    assert "| naive | 100 |" in readme.read_text("utf-8")
    assert "(docs/benchmarks/burst-changes_per_second.svg)" in readme.read_text("utf-8")


def test_the_readme_warns_of_figures_that_the_document_warns_of() -> None:
    in_readme, in_document = (
        "The machine was not idle" in page.read_text("utf-8")
        for page in (runs.README, runs.DOCUMENT)
    )
    assert in_readme == in_document


def test_a_result_without_bursts_is_not_published(tmp_path: Path, pages: tuple[Path, Path]) -> None:
    before = [page.read_bytes() for page in pages]
    result = written(tmp_path / "result.json", a_burst([], []))
    with pytest.raises(CommandError, match="no burst"):
        call_command("benchmark", "publish", result, stdout=io.StringIO())
    assert [page.read_bytes() for page in pages] == before


def test_the_usual_plan_is_taken_where_nothing_is_given() -> None:
    assert planned() == Plan()
    assert planned().profiles == USUAL
    assert planned("--quick") == QUICK


def test_what_is_given_replaces_the_usual() -> None:
    plan = planned("burst", "grow", "--sizes=5,10_0", "--rounds=2", "--contenders=hardline,floor")
    assert plan.profiles == ("burst", "grow")
    assert (plan.sizes, plan.rounds, plan.contenders) == ((5, 100), 2, ("hardline", "floor"))
    assert planned("--during-burst").during_burst == 10_000
    assert planned("--during-burst", "500").during_burst == 500


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--contenders=fast"], "fast: not among"),
        (["--contenders=naive"], "hardline has to be among them"),
        (["--sizes=0"], "not a whole number above 0"),
        (["sprint"], "sprint"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(words: list[str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        planned(*words)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C as soon as anything is measured."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("run_benchmark", "run_plan"):
        monkeypatch.setattr(runs, name, interrupt)
    for name in ("run_scaling", "run_scaling_plan"):
        monkeypatch.setattr(scaling, name, interrupt)


@pytest.mark.usefixtures("interrupted")
@pytest.mark.parametrize("words", [["run", "--quick"], ["costs"], ["machines"]])
def test_an_interruption_is_reported_with_the_shells_code(words: list[str]) -> None:
    with pytest.raises(CommandError, match="everything it made is removed") as ended:
        call_command("benchmark", *words)
    assert ended.value.returncode == 130


@pytest.mark.usefixtures("interrupted")
@pytest.mark.parametrize("words", [["trial", "{}"], ["scaling-trial", '{"kind": "costs"}']])
def test_an_interrupted_measuring_process_leaves_the_report_to_its_parent(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("benchmark", *words, "--out", "result.json")
    assert ended.value.code == 130


def test_the_throttle_is_compared_on_the_seeds_that_are_asked_for() -> None:
    shown = []
    for _ in range(2):
        out = io.StringIO()
        options = {"first": 3, "seeds": 1, "interval": 300.0}
        call_command("benchmark", "throttle", stdout=out, **options)
        shown.append(out.getvalue())

    assert shown[0] == shown[1]
    assert "| healthy day | 0 → 0 of 1 |" in shown[0]
    assert "| hard down | 1 → 1 of 1 |" in shown[0]


def test_scores_of_health_are_compared_on_scripts_or_on_recordings(tmp_path: Path) -> None:
    out = io.StringIO()
    call_command("benchmark", "health", stdout=out, first=3, seeds=1)
    assert "| slow leak | 1 over 3 d and 6 h | 1 of 1 |" in out.getvalue()
    assert "| healthy | 90 % used (warns) | – |" in out.getvalue()

    file = tmp_path / "recording.json"
    recorder = Recorder()
    for second in range(1, 9):
        late = check("beat", 40.0 if second > 4 else 1.0, (5.0, 30.0), "seconds", "")
        recorder.add(float(second), [late])
    episode = Episode("beat stopped", "fault", 4.5, 8.0, recorder.looks())
    file.write_bytes(encode_recording(Recording(1, "a machine", 1.0, (episode,))))
    out = io.StringIO()
    call_command("benchmark", "health", file, file, stdout=out)
    assert "| weighted score | 100, 1; 100, 1 | 2 of 2 |" in out.getvalue()
    assert "| beat stopped | 0, 0 |" in out.getvalue()


@pytest.mark.parametrize("text", ["{}", "no JSON"])
def test_two_recordings_are_needed_and_nothing_else(tmp_path: Path, text: str) -> None:
    file = tmp_path / "recording.json"
    file.write_text(text)

    with pytest.raises(CommandError, match="two recordings"):
        call_command("benchmark", "health", file)
    with pytest.raises(CommandError, match="no recording"):
        call_command("benchmark", "health", file, file)
