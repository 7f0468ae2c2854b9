from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from betting.config import Config
from betting.runtime.embedded import EmbeddedError, prepare_home, secret_key, stored_secret


def test_a_secret_is_generated_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    secret = stored_secret(home, "admin_password")

    assert stored_secret(home, "admin_password") == secret
    assert stored_secret(home, "secret_key") != secret
    assert len(secret) == 64
    assert stat.S_IMODE((home / "secrets" / "admin_password").stat().st_mode) == 0o600


def test_all_who_ask_first_get_the_same_secret(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: stored_secret(home, "secret_key"), range(64)))

    assert len(found) == 1
    assert [path.name for path in (home / "secrets").iterdir()] == ["secret_key"]


def test_a_configured_signing_key_replaces_the_stored_one(tmp_path: Path) -> None:
    home = tmp_path / "home"

    assert secret_key(Config(home, secret_key="k" * 50)) == "k" * 50
    assert not home.exists()
    assert secret_key(Config(home)) == stored_secret(home, "secret_key")


def test_a_secret_that_cannot_be_stored_is_said_with_what_to_do(tmp_path: Path) -> None:
    home = tmp_path / "home"
    prepare_home(home)
    (home / "secrets").touch()  # for root, no mode is read-only
    with pytest.raises(EmbeddedError, match="set HARDLINE_HOME"):
        stored_secret(home, "secret_key")


def test_a_secret_never_looks_like_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated = iter(["-v", "--help", "swordfish"])
    monkeypatch.setattr("secrets.token_urlsafe", lambda _: next(generated))
    assert stored_secret(tmp_path / "home", "password") == "swordfish"
