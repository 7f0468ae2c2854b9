from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import pytest
from msgspec import Meta as Setting

from betting.config.env import build, parse_env_file, read, variables


@dataclass(frozen=True)
class Engine:
    """An engine.

    Attributes:
        boost_seconds: at the shaft,
            in seconds.
        fuels: what it burns.
        cylinders: no setting.
    """

    boost_seconds: Annotated[int, Setting(ge=1, le=500)] = 100
    fuels: Annotated[tuple[str, ...], Setting()] = ("petrol",)
    cylinders: int = 4


@dataclass(frozen=True)
class Car:
    """A car.

    Attributes:
        plate: its number.
        engine: what drives it.
    """

    plate: Annotated[str, Setting()] = field(
        default="", metadata={"env": "PLATE", "is_secret": True}
    )
    engine: Engine = field(default_factory=Engine)


def test_variables_are_named_and_described_by_the_tree() -> None:
    plate, boost, fuels = variables(Car, "CAR_")

    assert (plate.name, plate.path, plate.is_secret) == ("PLATE", "plate", True)
    assert (boost.name, boost.path, boost.default) == (
        "CAR_ENGINE_BOOST_SECONDS",
        "engine.boost_seconds",
        100,
    )
    assert (boost.limits, boost.unit) == ((1, 500), "s")
    assert fuels.limits is None
    assert boost.description == "at the shaft, in seconds."
    assert fuels.description == "what it burns."


def test_values_build_the_tree_and_the_rest_keeps_its_defaults() -> None:
    values, problems = read(
        variables(Car, "CAR_"), {"CAR_ENGINE_FUELS": "petrol, alcohol,", "PLATE": "B 7"}
    )
    assert problems == {}
    assert build(Car, values) == Car("B 7", Engine(100, ("petrol", "alcohol")))


def test_a_value_is_never_both_read_and_a_problem() -> None:
    values, problems = read(variables(Car, "CAR_"), {"CAR_ENGINE_BOOST_SECONDS": "900"})
    assert values == {}
    assert problems == {
        "engine.boost_seconds": "CAR_ENGINE_BOOST_SECONDS: 900 is not between 1 and 500"
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1", {"A": "1"}),
        ("  A = 1  ", {"A": "1"}),
        ("A=x=y", {"A": "x=y"}),
        ("A='b c'", {"A": "b c"}),
        ("# A=1", {}),
        ("not an assignment", {}),
        ("A=", {"A": ""}),
    ],
)
def test_the_lines_of_an_env_file(text: str, expected: dict[str, str]) -> None:
    assert parse_env_file(text) == expected
