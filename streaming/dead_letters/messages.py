"""Letters made of what Celery and kombu hold when something fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from kombu.message import Message

from streaming.core.letters import Kind, Letter
from streaming.dead_letters.exception_info import Description, describe

REPLAY_HEADER = "hardline_replay"
"""The message header that holds the `DeadLetterAction` by which a message was sent again."""


class _Headers(msgspec.Struct):
    """The headers without which a message makes a worker fail instead of its task."""

    id: str
    task: str
    retries: int | None = 0
    timelimit: tuple[float | None, float | None] | None = None


_NO_ARGUMENTS: tuple[Any, ...] = ([], {}, None)
_Payload = tuple[list[Any], dict[str, Any], dict[str, Any] | None]


def letter_of_request(
    request: Mapping[str, Any], kind: Kind, exception_info: Description
) -> Letter:
    """Return the letter of a task that a worker had begun, or was about to.

    Args:
        request: Celery's request dictionary: the message's headers, with its arguments.
        kind: how it ended.
        exception_info: the description of the exception.
    """
    delivery = request.get("delivery_info") or {}
    return Letter(
        kind=kind,
        task=str(request.get("task") or ""),
        args=list(request.get("args") or ()),
        kwargs=dict(request.get("kwargs") or {}),
        queue=str(delivery.get("routing_key") or ""),
        exception=exception_info.exception,
        message=exception_info.message,
        traceback=exception_info.traceback,
        task_id=str(request.get("id") or ""),
        retries=request.get("retries") or 0,
        worker=str(request.get("hostname") or ""),
        replay=replay_of(request),
    )


def letter_of_message(message: Message, kind: Kind, error: Exception, worker: str) -> Letter:
    """Return the letter of a message that never became a task.

    It holds the arguments where they can be decoded, else the body's text.
    """
    headers = _mapping(message.headers)
    exception_info = describe(error)
    try:
        args, kwargs, _ = msgspec.convert(message.payload, _Payload)
    except Exception:  # noqa: BLE001 - a body of any origin; it is kept as it is
        args, kwargs, body = [], {}, body_text(message.body)
    else:
        body = ""
    retries = headers.get("retries")
    return Letter(
        kind=kind,
        task=str(headers.get("task") or ""),
        args=args,
        kwargs=kwargs,
        is_complete=not body,
        body=body,
        queue=str(_mapping(message.delivery_info).get("routing_key") or ""),
        exception=exception_info.exception,
        message=exception_info.message,
        traceback=exception_info.traceback,
        task_id=str(headers.get("id") or ""),
        retries=retries if isinstance(retries, int) else 0,
        worker=worker,
        replay=replay_of(headers),
    )


def fault_of(message: Message) -> Exception | None:
    """Return what is wrong with a message that Celery cannot handle; None for a sound one.

    A body that cannot be decoded at all is no fault here: Celery has a callback for it.
    """
    try:
        msgspec.convert(message.headers, _Headers)
        msgspec.convert(_payload_of(message), _Payload)
    except msgspec.ValidationError as error:
        return error
    return None


def _payload_of(message: Message) -> Any:
    try:
        return message.payload
    except Exception:  # noqa: BLE001 - a body of any origin
        return _NO_ARGUMENTS


def replay_of(headers: Mapping[str, Any]) -> int | None:
    """Return the id of the replay that a message is, if it is one."""
    action = headers.get(REPLAY_HEADER)
    return action if isinstance(action, int) else None


def _mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is a mapping, else an empty one: kombu checks no header."""
    return value if isinstance(value, Mapping) else {}


def body_text(body: object) -> str:
    """Return a body of any type as text."""
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body).decode("utf-8", "replace")
    try:
        return str(body)
    except RecursionError:
        return "(nested too deeply to be shown)"
