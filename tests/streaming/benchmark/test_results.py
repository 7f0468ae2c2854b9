"""The results of a benchmark: ratios, their comparison, and the report."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from streaming.benchmark.compare import Spread
from streaming.benchmark.results import charts
from streaming.benchmark.results.document import Curve, Measurement, Result, ResultError, decode
from streaming.benchmark.results.markdown import put_into, report, summary
from streaming.benchmark.results.measures import MEASURES
from streaming.benchmark.results.ratios import ITSELF, TOLERANCE, judge, ratios
from tests.support.benchmarks import a_burst, a_result

Rates = tuple[float, ...]
RATES = st.tuples(*[st.floats(1, 1e6)] * 3)


def test_a_ratio_is_made_of_figures_of_the_same_round() -> None:
    (ratio,) = ratios(a_burst([200, 900, 800], [100, 300, 200]))
    assert (ratio.case, ratio.against) == ("5 markets", "naive")
    assert ratio.spread == Spread(3.0, 2.0, 4.0)


@given(RATES, RATES, st.floats(0.1, 10))
def test_a_machine_of_another_speed_has_the_same_ratios(
    hardline: Rates, naive: Rates, speed: float
) -> None:
    slower = a_burst([rate * speed for rate in hardline], [rate * speed for rate in naive])
    (verdict,) = judge(a_burst(hardline, naive), slower)
    assert not verdict.is_worse
    assert not verdict.is_better


@given(RATES, RATES)
def test_a_ratio_below_all_rounds_and_the_tolerance_is_worse(hardline: Rates, naive: Rates) -> None:
    before = a_burst(hardline, naive)
    low = ratios(before)[0].spread.low
    for part, is_worse in ((1 - 2 * TOLERANCE, True), (1 - TOLERANCE / 2, False)):
        (verdict,) = judge(before, a_burst([low * part], [1.0]))
        assert verdict.is_worse is is_worse


def a_saturday(*latencies_ms: float, processor: str = "a processor") -> Result:
    """A result in which a kick-off takes ten times as long as play, in each round."""
    result = a_result(
        [
            Measurement("match-day", case, "hardline", number, {"p95_ms": ms * times})
            for case, times in (("in play", 1), ("kick-off", 10))
            for number, ms in enumerate(latencies_ms, 1)
        ]
    )
    return structs.replace(result, machine=structs.replace(result.machine, processor=processor))


def test_a_saturday_that_is_slower_in_all_its_parts_is_worse() -> None:
    before = a_saturday(40.0, 50.0, 55.0)

    slower = judge(before, a_saturday(80.0, 90.0))
    same = judge(before, a_saturday(50.0, 58.0))

    worse = {(each.after.case, each.after.against) for each in slower if each.is_worse}
    assert worse == {("in play", ITSELF), ("kick-off", ITSELF)}
    assert len(same) == 3
    assert not any(each.is_worse or each.is_better for each in same)


def test_figures_of_another_kind_of_machine_are_not_compared() -> None:
    verdicts = judge(a_saturday(50.0), a_saturday(90.0, processor="another"))

    assert [(each.after.case, each.after.against) for each in verdicts] == [("kick-off", "in play")]
    assert not verdicts[0].is_worse


def test_growth_is_compared_with_the_smallest_case() -> None:
    measured = [
        Measurement("grow", case, "hardline", 1, {"changes_per_second": rate})
        for case, rate in (("10 quotes", 1_000.0), ("100 quotes", 900.0))
    ]
    (ratio,) = ratios(a_result(measured))
    assert (ratio.case, ratio.against, ratio.spread.median) == ("100 quotes", "10 quotes", 0.9)


def test_a_figure_without_a_better_way_or_of_nothing_has_no_ratio() -> None:
    figures = {"changes": 50.0, "wrong_fair_prices": 0.0, "p95_ms": 0.0}
    measured = [Measurement("burst", "5 markets", who, 1, figures) for who in ("hardline", "naive")]
    assert ratios(a_result(measured)) == []


def test_a_result_reads_as_it_was_written_and_others_are_refused() -> None:
    result = a_burst([1.0], [2.0])
    assert decode(msgspec.json.encode(result)) == result
    with pytest.raises(ResultError, match="not the result of a benchmark"):
        decode(b"{}")
    other = msgspec.structs.replace(result, schema=99)
    with pytest.raises(ResultError, match="schema 99"):
        decode(msgspec.json.encode(other))


def test_a_report_has_the_figures_and_each_picture_it_shows() -> None:
    result = a_burst([900, 1_000], [100, 100])
    curves = [Curve("soak", "p95_ms", "hardline", 1, [(5.0, 20.0), (10.0, 30.0)])]
    made = report(a_result(result.measurements, curves))
    assert "| 5 markets | naive | 9.5 × (9 … 10) |" in made.text
    assert "| 5 markets | hardline | 950 (900 … 1,000) |" in made.text
    assert set(made.pictures) == {"burst-changes_per_second.svg", "soak-p95_ms-curve.svg"}
    assert "![burst-changes_per_second](burst-changes_per_second.svg)" in made.text


@pytest.mark.parametrize(("load", "is_said"), [(0.5, False), (0.51, True)])
def test_each_page_says_that_the_machine_was_not_idle(load: float, is_said: bool) -> None:
    burst = a_burst([900.0], [100.0])
    loaded = structs.replace(burst, machine=structs.replace(burst.machine, load=load))

    for page in (report(loaded).text, summary(loaded, "docs/benchmarks")):
        assert ("**The machine was not idle before the run: take the" in page) is is_said


def test_figures_take_the_place_of_earlier_ones() -> None:
    begin = "<!-- figures: written by `manage.py benchmark publish` -->"
    document = f"# Title\n\n{begin}\nold\n<!-- end of figures -->\nend\n"
    once = put_into(document, "new\n")
    assert "old" not in once
    assert once.endswith("\nend\n")
    assert put_into(once, "new") == once
    with pytest.raises(ValueError, match="no place"):
        put_into("# Title", "new")


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1),
        st.dictionaries(st.sampled_from(["naive", "hardline"]), st.floats(1e-6, 1e9), min_size=1),
        min_size=1,
        max_size=3,
    )
)
def test_bars_are_well_formed_and_inside_the_picture(
    cases: dict[str, dict[str, float]],
) -> None:
    spreads = {
        case: {name: Spread(value, value / 2, value * 2) for name, value in figures.items()}
        for case, figures in cases.items()
    }
    picture = ET.fromstring(charts.bars("a & b", "ms", spreads))
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    for line in picture.iter("{http://www.w3.org/2000/svg}line"):
        assert 0 <= float(line.attrib["x1"]) <= float(line.attrib["x2"]) <= width
        assert 0 <= float(line.attrib["y1"]) <= float(line.attrib["y2"]) <= height


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e9)), min_size=1, max_size=20).map(sorted)
)
def test_a_curve_is_well_formed_and_inside_the_picture(points: list[tuple[float, float]]) -> None:
    picture = ET.fromstring(charts.curve("title", "seconds", "ms", {"a": points}))
    (line,) = picture.iter("{http://www.w3.org/2000/svg}polyline")
    for place in line.attrib["points"].split():
        x, y = map(float, place.split(","))
        assert 0 <= x <= float(picture.attrib["width"])
        assert 0 <= y <= float(picture.attrib["height"])


def test_the_keys_of_measures_differ() -> None:
    assert len({measure.key for measure in MEASURES}) == len(MEASURES)
