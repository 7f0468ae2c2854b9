from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from betting.config import get_config
from betting.models import Bookmaker, Event, Outcome, Sport
from streaming.core.results import Reported
from streaming.retention.delete_events import erase_events
from tests.support import rows
from valuation.models import IN_PLAY, SUSPICIOUS, Edge, Result
from valuation.results.graded_edges import graded_edges
from valuation.results.grading import Grade
from valuation.results.importing import import_results

pytestmark = pytest.mark.django_db


@pytest.fixture
def board() -> rows.Board:
    board = rows.make_board((2.0, 1.9), (1.9, 2.0))
    Sport.objects.filter(pk=board.event.sport_id).update(key="soccer_epl")
    for name, outcome in zip(("Manchester United", "Fulham"), board.outcomes, strict=True):
        Outcome.objects.filter(pk=outcome.pk).update(name=name)
    Event.objects.filter(pk=board.event.pk).update(home="Manchester United", away="Fulham")
    return replace(board, event=Event.objects.get(pk=board.event.pk))


def say(*arguments: object) -> str:
    out = StringIO()
    call_command("results", *map(str, arguments), stdout=out)
    return out.getvalue()


def scores_file(path: Path, event: Event, **more: object) -> Path:
    """An answer of The Odds API's `/scores` about an event."""
    game = {
        "id": "not-known",
        "sport_key": event.sport.key,
        "sport_title": "any",
        "commence_time": event.commence_time.isoformat(),
        "completed": True,
        "home_team": event.home,
        "away_team": event.away,
        "scores": [{"name": event.home, "score": "3"}, {"name": event.away, "score": "1"}],
        "last_update": event.commence_time.isoformat(),
    } | more
    path.write_text(json.dumps([game]))
    return path


def test_a_result_joins_the_event_of_the_same_teams_at_the_same_time(
    board: rows.Board, tmp_path: Path
) -> None:
    scores = [{"name": "Man Utd FC", "score": "3"}, {"name": "Fulham", "score": "1"}]
    named = {"home_team": "Man Utd FC", "scores": scores}
    said = say("import", scores_file(tmp_path / "a.json", board.event, **named))
    assert said.startswith("1 written, 0 known already, 0 doubtful, 0 of events")
    result = Result.objects.get()
    assert (result.event_id, result.home_score, result.away_score) == (board.event.pk, 3, 1)


def test_the_same_result_again_changes_nothing_and_another_one_raises_the_version(
    board: rows.Board, tmp_path: Path
) -> None:
    path = scores_file(tmp_path / "a.json", board.event)
    say("import", path)
    assert say("import", path).startswith("0 written, 1 known already")
    assert Result.objects.get().version == 1
    corrected = [
        {"name": board.event.home, "score": "3"},
        {"name": board.event.away, "score": "3"},
    ]
    say("import", scores_file(path, board.event, scores=corrected))
    result = Result.objects.get()
    assert (result.version, result.away_score) == (2, 3)


def test_with_home_and_away_swapped_nothing_is_written(board: rows.Board, tmp_path: Path) -> None:
    swapped = {"home_team": board.event.away, "away_team": board.event.home}
    said = say("import", scores_file(tmp_path / "a.json", board.event, **swapped))
    assert "1 doubtful" in said
    assert f"doubtful: {board.event.away} v {board.event.home}" in said
    assert not Result.objects.exists()


@pytest.mark.parametrize(
    "more",
    [
        {"completed": False},
        {"home_team": "Somebody", "away_team": "Else"},
        {"commence_time": "2001-01-01T00:00:00Z"},
    ],
)
def test_what_is_not_over_or_of_no_known_event_is_left_out(
    board: rows.Board, tmp_path: Path, more: dict[str, object]
) -> None:
    assert say("import", scores_file(tmp_path / "a.json", board.event, **more)).startswith("0 wri")
    assert not Result.objects.exists()


def test_a_file_that_is_no_answer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"message": "quota"}')
    with pytest.raises(CommandError, match=r"a\.json cannot be read"):
        say("import", tmp_path / "a.json")


def test_edges_get_the_profit_of_their_opening_price(board: rows.Board, tmp_path: Path) -> None:
    Edge.objects.update(opened_price=2.2, opened_probability=0.5, warnings=[])
    say("import", scores_file(tmp_path / "a.json", board.event))
    graded = graded_edges("bookmaker")
    assert [*graded.grade] == [Grade.WON, Grade.LOST]  # home won: the first edge is at home
    assert graded.profit.tolist() == pytest.approx([1.2, -1.0])
    assert graded.ev.tolist() == pytest.approx([0.1, 0.1])
    assert "2" in say("edges", "--by", "sport")


def test_an_edge_at_an_exchange_of_contracts_pays_their_fee(
    board: rows.Board, tmp_path: Path
) -> None:
    """A contract at 0.40 costs 0.4168 with its fee and pays 1."""
    Edge.objects.update(opened_price=2.5, opened_probability=0.45, warnings=[])
    Bookmaker.objects.update(commission=0.07, fee_model="contract")
    say("import", scores_file(tmp_path / "a.json", board.event))
    graded = graded_edges("bookmaker")
    assert graded.profit.tolist() == pytest.approx([1 / 0.4168 - 1, -1.0])
    assert graded.ev.tolist() == pytest.approx([0.45 / 0.4168 - 1] * 2)


def test_an_edge_that_was_still_open_at_the_start_is_graded(board: rows.Board) -> None:
    """The valuation at the start marks it as in play."""
    start = board.event.commence_time
    Result.objects.create(
        event=board.event, status="final", home_score=3, away_score=1, source="hand"
    )
    before, in_play = Edge.objects.order_by("id")
    Edge.objects.filter(pk=before.pk).update(
        opened_at=start - timedelta(hours=1), warnings=[IN_PLAY]
    )
    Edge.objects.filter(pk=in_play.pk).update(
        opened_at=start + timedelta(minutes=1), warnings=[IN_PLAY]
    )
    assert [*graded_edges("bookmaker").grade] == [Grade.WON]

    # In a replay all edges open after their start; those from before it have a close.
    Edge.objects.update(opened_at=start + timedelta(days=900))
    assert [*graded_edges("bookmaker").grade] == []
    rows.make_edge_closing(before)
    assert [*graded_edges("bookmaker").grade] == [Grade.WON]


def test_doubtful_edges_are_not_graded(board: rows.Board) -> None:
    Result.objects.create(event=board.event, status="void", source="hand")
    Edge.objects.update(warnings=[SUSPICIOUS], advised=0)
    assert [*graded_edges("bookmaker").grade] == []


def test_a_claimed_ev_counts_the_pushes_that_the_close_expects(board: rows.Board) -> None:
    Edge.objects.update(opened_price=2.2, opened_probability=0.5, warnings=[])
    Result.objects.create(event=board.event, status="void", source="hand")
    rows.make_edge_closing(Edge.objects.earliest("id"), opened_ev=0.08)
    assert graded_edges("bookmaker").ev.tolist() == pytest.approx([0.08, 0.1])


def test_a_void_event_returns_all_stakes(board: rows.Board, tmp_path: Path) -> None:
    Edge.objects.update(warnings=[])
    say("import", scores_file(tmp_path / "a.json", board.event))
    for _ in range(2):
        assert say("void", board.event.pk) == f"{board.event}: void\n"
    assert Result.objects.get().version == 2
    assert graded_edges("kind").profit.tolist() == [0, 0]


def test_an_event_that_does_not_exist_is_not_void() -> None:
    with pytest.raises(CommandError, match="no event 7"):
        say("void", 7)


def test_edges_are_listed_without_any() -> None:
    assert "all" in say("edges")


def test_a_final_result_has_scores(board: rows.Board) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Result.objects.create(event=board.event, status="final", source="hand")


def test_a_result_goes_with_its_event(board: rows.Board) -> None:
    Result.objects.create(event=board.event, status="void", source="hand")
    erase_events([board.event.pk])
    assert not Result.objects.exists()


def test_a_result_that_a_file_confirms_is_the_files_from_then_on(
    board: rows.Board, tmp_path: Path
) -> None:
    event, matching = board.event, get_config().matching
    polled = Reported(
        "the_odds_api", event.sport.key, event.commence_time, event.home, event.away, 3, 1
    )
    import_results([polled], matching, replaces_others=False)
    start = event.commence_time.astimezone(ZoneInfo("Europe/London"))
    season = tmp_path / "season.csv"
    season.write_text(
        f"Date,Time,HomeTeam,AwayTeam,FTHG,FTAG\n{start:%d/%m/%Y,%H:%M},Man United,Fulham,3,1\n"
    )
    assert say("import", season).startswith("0 written, 1 known already")

    import_results([replace(polled, away_score=2)], matching, replaces_others=False)
    result = Result.objects.get()
    assert (result.away_score, result.version) == (1, 1)
    assert result.source != polled.source


def test_a_file_of_football_data_is_read_too(board: rows.Board, tmp_path: Path) -> None:
    start = board.event.commence_time.astimezone(ZoneInfo("Europe/London"))
    path = tmp_path / "season.csv"
    path.write_text(
        f"Date,Time,HomeTeam,AwayTeam,FTHG,FTAG\n{start:%d/%m/%Y,%H:%M},Man United,Fulham,0,2\n"
    )
    assert say("import", path).startswith("1 written")
    assert Result.objects.get().away_score == 2
