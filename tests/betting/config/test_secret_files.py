from __future__ import annotations

from pathlib import Path

import pytest

from betting.config import load
from betting.config.env import ConfigError
from betting.config.secret_files import secret_text
from streaming.core.failures import PermanentFailure
from streaming.providers.base import Secret

HOME = {"HARDLINE_HOME": "/srv/hardline"}
URL = "postgresql://ana:swordfish@db/odds"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "database_url"
    path.write_text(f"{URL}\n", encoding="utf-8")
    return path


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(HOME | environ)
    return caught.value.problems


def test_a_secret_is_read_from_the_file_that_is_named(file: Path) -> None:
    assert load(HOME | {"DATABASE_URL_FILE": str(file)}).database_url == URL


def test_every_secret_setting_may_be_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("0123456789abcdef0123456789abcdef", encoding="utf-8")
    environ = {
        "HARDLINE_SECRET_KEY_FILE": str(path),
        "HARDLINE_HEALTH_TOKEN_FILE": str(path),
        "HARDLINE_SIMULATOR_KEY_FILE": str(path),
    }
    assert load(HOME | environ).secret_key == "0123456789abcdef0123456789abcdef"


def test_a_value_and_a_file_contradict_each_other(file: Path) -> None:
    found = problems({"DATABASE_URL": URL, "DATABASE_URL_FILE": str(file)})
    assert found == ("DATABASE_URL and DATABASE_URL_FILE are both set: remove one of them",)


def test_a_file_that_is_missing_is_named_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "none"
    assert problems({"REDIS_URL_FILE": str(path)}) == (
        f"REDIS_URL_FILE: {path} cannot be read: No such file or directory",
    )


def test_a_bad_value_in_a_file_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("swordfish", encoding="utf-8")
    (problem,) = problems({"HARDLINE_SECRET_KEY_FILE": str(path)})
    assert problem == "HARDLINE_SECRET_KEY: must have at least 32 characters"


def test_a_file_of_a_setting_that_is_no_secret_is_unknown(file: Path) -> None:
    (problem,) = problems({"HARDLINE_WEB_PORT_FILE": str(file)})
    assert problem.startswith("HARDLINE_WEB_PORT_FILE: unknown")


def test_a_file_that_is_not_text_is_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ValueError, match="cannot be read: it is not UTF-8"):
        secret_text("DATABASE_URL", {"DATABASE_URL_FILE": str(path)})


def test_a_providers_key_is_read_at_each_poll(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    monkeypatch.setenv("HARDLINE_KEY_ODDS_FILE", str(path))
    for key in ("first", "second"):
        path.write_text(key, encoding="utf-8")
        secret = Secret.from_environment("HARDLINE_KEY_ODDS")
        assert secret is not None
        assert secret.value == key


def test_a_providers_key_whose_file_is_missing_opens_its_circuit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARDLINE_KEY_ODDS_FILE", str(tmp_path / "none"))
    with pytest.raises(PermanentFailure) as caught:
        Secret.from_environment("HARDLINE_KEY_ODDS")
    assert caught.value.code == "key_missing"
    assert caught.value.remedy.startswith("Correct HARDLINE_KEY_ODDS_FILE for the workers.")
