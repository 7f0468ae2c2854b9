from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from betting.config.env import build, parse_env_file, read, variables


@dataclass(frozen=True)
class Engine:
    """An engine.

    Attributes:
        power_watts: at the shaft,
            in watts.
        fuels: what it burns.
    """

    power_watts: int = 100
    fuels: tuple[str, ...] = ("petrol",)


@dataclass(frozen=True)
class Car:
    """A car.

    Attributes:
        plate: its number.
        engine: what drives it.
    """

    plate: str = field(default="", metadata={"env": "PLATE", "is_secret": True})
    engine: Engine = field(default_factory=Engine)


def test_variables_are_named_and_described_by_the_tree() -> None:
    plate, power, fuels = variables(Car, "CAR_")

    assert (plate.name, plate.path, plate.is_secret) == ("PLATE", "plate", True)
    assert (power.name, power.path, power.default) == (
        "CAR_ENGINE_POWER_WATTS",
        "engine.power_watts",
        100,
    )
    assert power.description == "at the shaft, in watts."
    assert fuels.description == "what it burns."


def test_values_build_the_tree_and_the_rest_keeps_its_defaults() -> None:
    values, problems = read(
        variables(Car, "CAR_"), {"CAR_ENGINE_FUELS": "petrol, alcohol,", "PLATE": "B 7"}, {}
    )
    assert problems == {}
    assert build(Car, values) == Car("B 7", Engine(100, ("petrol", "alcohol")))


def test_a_value_is_never_both_read_and_a_problem() -> None:
    values, problems = read(
        variables(Car, "CAR_"), {"CAR_ENGINE_POWER_WATTS": "900"}, {"engine.power_watts": (1, 500)}
    )
    assert values == {}
    assert problems == {
        "engine.power_watts": "CAR_ENGINE_POWER_WATTS: 900 is not between 1 and 500"
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
