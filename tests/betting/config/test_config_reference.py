from __future__ import annotations

import re

from betting.config import CHECKOUT, known_variables, load
from betting.config.env import parse_env_file
from betting.config.reference import MOST_SET, env_example, with_tables


def test_the_env_example_has_every_setting_with_its_default_and_no_other() -> None:
    # After a change to a setting: manage.py configuration --write
    assert (CHECKOUT / ".env.example").read_text() == env_example()


def test_the_documentation_has_every_setting_with_its_default_and_no_other() -> None:
    document = (CHECKOUT / "docs" / "configuration.md").read_text()

    assert with_tables(document) == document


def test_every_setting_is_described() -> None:
    assert [variable.name for variable in known_variables() if not variable.description] == []


def test_the_env_example_with_all_its_lines_made_active_is_the_default_configuration() -> None:
    active = re.sub(r"^# ([A-Z_]+=)", r"\1", env_example(), flags=re.MULTILINE)
    environ = parse_env_file(active)

    assert environ.keys() == {variable.name for variable in known_variables()}
    assert load(environ) == load({})


def test_the_env_example_opens_with_the_ten_settings_set_most_often() -> None:
    names = re.findall(r"^# ([A-Z_]+)=", env_example(), flags=re.MULTILINE)

    assert len(MOST_SET) == 10
    assert tuple(names[:10]) == MOST_SET


def test_there_are_no_more_settings_than_a_person_can_read_through() -> None:
    # docs/adr/0034-fewer-settings.md: what no operator turns is a constant.
    assert len(known_variables()) <= 76
