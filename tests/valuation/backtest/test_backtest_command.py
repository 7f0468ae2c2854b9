from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from django.core.management import CommandError, call_command

from betting.models import Bookmaker, BookmakerWeight
from tests.valuation.backtest.seasons import write_season
from valuation.models import Revaluation


@pytest.fixture
def season(tmp_path: Path) -> Path:
    return write_season(tmp_path / "2021.csv", 2021)


def say(*arguments: object) -> str:
    out = StringIO()
    call_command("backtest", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_it_compares_the_shipped_policies_and_writes_three_files(
    season: Path, tmp_path: Path
) -> None:
    said = say("--results", season, "--out", tmp_path / "out")
    assert "CLV, pinnacle judges" in said
    assert "200 matches of 2021/22" in said
    document = json.loads((tmp_path / "out" / "backtest.json").read_bytes())
    assert [policy["name"] for policy in document["policies"]][-1] == "default"
    assert "| default | 200 |" in (tmp_path / "out" / "backtest.md").read_text()
    chart = ET.fromstring((tmp_path / "out" / "backtest.svg").read_text())
    assert len(chart.findall("{http://www.w3.org/2000/svg}polyline")) == 3


def test_policies_of_ones_own_replace_the_shipped_ones(season: Path) -> None:
    said = say("--results", season, "--policy", "mine; min_books=2", "--policy", "other")
    assert "mine" in said
    assert "default" not in said


@pytest.mark.django_db
def test_adopted_weights_have_a_mean_of_1_and_value_the_markets_again(
    season: Path, tmp_path: Path
) -> None:
    Bookmaker.objects.create(key="pinnacle", title="Pinnacle")
    Bookmaker.objects.create(key="elsewhere", title="Elsewhere")
    other = write_season(tmp_path / "2022.csv", 2022)
    said = say("--results", season, other, "--learn-weights", "--adopt")
    assert "learnt from 400 matches of 2021/22, 2022/23" in said
    weight = BookmakerWeight.objects.get()
    assert (weight.bookmaker.key, weight.family, weight.kind) == ("pinnacle", "soccer", "h2h")
    assert weight.weight > 2
    assert weight.evidence.startswith("learnt from 400 matches of 2021/22, 2022/23; mean squared")
    assert Bookmaker.objects.get(key="pinnacle").weight == 1
    assert Revaluation.objects.get().bookmaker.key == "pinnacle"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("Date,HomeTeam\n", "no column AwayTeam, FTHG, FTAG"),
        ("Date,HomeTeam,AwayTeam,FTHG,FTAG\n", "no match with a result"),
        ("Date,HomeTeam,AwayTeam,FTHG,FTAG\n1.8.21,A,B,1,0\n", "line 2"),
        ("Date,HomeTeam,AwayTeam,FTHG,FTAG\n01/08/21,A,B,1,0\n", "no prices of 'pinnacle'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_what_is_wrong(
    tmp_path: Path, content: str, problem: str
) -> None:
    path = tmp_path / "odd.csv"
    path.write_text(content)
    with pytest.raises(CommandError, match=problem):
        say("--results", path)


def test_weights_are_adopted_only_if_they_are_learnt(season: Path) -> None:
    with pytest.raises(CommandError, match="needs --learn-weights"):
        say("--results", season, "--adopt")
