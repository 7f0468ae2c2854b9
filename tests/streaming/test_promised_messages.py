"""Messages of the release before are understood, by name and arguments (docs/upgrading.md)."""

from __future__ import annotations

import inspect

import pytest
from django.conf import settings

from betting.celery import app
from betting.config import CHECKOUT

PROMISED: dict[str, tuple[str, ...]] = {
    "streaming.tick": (),
    "streaming.poll_provider": ("provider_id",),
    "streaming.send_score_polls": (),
    "streaming.poll_scores": ("provider_id", "sport"),
    "streaming.coalesce_line_changes": ("shard",),
    "streaming.sweep": (),
    "streaming.quarantine": ("provider_id",),
    "streaming.deliver": ("subscriber", "delivery_id", "events"),
    "streaming.send_alerts": (),
    "streaming.check_health": (),
    "streaming.prune": (),
    "streaming.store_spooled_letters": (),
    "streaming.send_replays": (),
    "streaming.replay_payload": (
        "provider", "path", "params", "status", "content_type", "received_at", "packed", "adapter",
        "generation",
    ),
    "valuation.recompute_markets": ("market_ids", "trigger"),
}  # fmt: skip
"""The name of each task → the arguments that its messages have, in their order.

A line may go, or lose an argument, one release after no message has it any more.
"""


@pytest.fixture(scope="module", autouse=True)
def _tasks() -> None:
    app.loader.import_default_modules()


@pytest.mark.parametrize(("name", "arguments"), PROMISED.items(), ids=PROMISED)
def test_a_message_of_the_release_before_is_understood(
    name: str, arguments: tuple[str, ...]
) -> None:
    signature = inspect.signature(app.tasks[name].run)
    assert tuple(signature.parameters)[: len(arguments)] == arguments
    signature.bind(**dict.fromkeys(arguments))  # nothing else is required


def test_every_task_of_ours_is_promised() -> None:
    ours = {name for name in app.tasks if name.startswith(("streaming.", "valuation."))}
    assert ours == set(PROMISED)


def test_every_promised_task_has_its_queue() -> None:
    assert set(PROMISED) == set(settings.CELERY_TASK_ROUTES)


def test_the_document_names_every_promised_task() -> None:
    document = (CHECKOUT / "docs" / "upgrading.md").read_text("utf-8")
    assert [name for name in PROMISED if f"`{name}`" not in document] == []
