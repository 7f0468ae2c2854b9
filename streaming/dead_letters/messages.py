"""Letters made of what Celery, kombu and Python hold when something fails."""

from __future__ import annotations

from collections.abc import Mapping
from traceback import format_exception
from typing import Any, TypedDict

import msgspec
from celery.utils.serialization import UnpickleableExceptionWrapper
from kombu.message import Message

from streaming.core.letters import Kind, Letter

REPLAY_HEADER = "hardline_replay"
"""The message header that holds the `DeadLetterAction` by which a message was sent again."""


class ExceptionInfo(TypedDict):
    """The fields of a letter that an exception fills.

    Attributes:
        exception: its class, dotted.
        message: what it says.
        traceback: as text, its causes included.
    """

    exception: str
    message: str
    traceback: str


def exception_info(error: BaseException, traceback: str = "") -> ExceptionInfo:
    """Return a letter's fields about an exception, even about one whose own `str` fails.

    Args:
        error: the exception.
        traceback: its traceback, where that came from another process.

    >>> exception_info(KeyError("market"), traceback="…")
    {'exception': 'builtins.KeyError', 'message': "'market'", 'traceback': '…'}
    """
    return {
        "exception": _class_name(error),
        "message": _message(error),
        "traceback": traceback or _traceback(error),
    }


def _class_name(error: BaseException) -> str:
    if isinstance(error, UnpickleableExceptionWrapper):  # it came from another process
        return f"{error.exc_module}.{error.exc_cls_name}"
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as fault:  # noqa: BLE001 - an exception of any origin may fail in any way
        return f"(its message cannot be read: {type(fault).__name__})"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(format_exception(error))
    except Exception as fault:  # noqa: BLE001 - the same
        return f"(its traceback cannot be read: {type(fault).__name__})"


class _Headers(msgspec.Struct):
    """The headers without which a message makes a worker fail instead of its task."""

    id: str
    task: str
    retries: int | None = 0
    timelimit: tuple[float | None, float | None] | None = None


_Payload = tuple[list[Any], dict[str, Any], dict[str, Any] | None]


def message_error(message: Message) -> Exception | None:
    """Return what is wrong with a message that Celery cannot handle; None for a valid one.

    A body that cannot be decoded at all is no error here: Celery has a callback for it.
    """
    try:
        msgspec.convert(message.headers, _Headers)
        try:
            payload = message.payload
        except Exception:  # noqa: BLE001 - a body of any origin
            return None
        msgspec.convert(payload, _Payload)
    except msgspec.ValidationError as error:
        return error
    return None


def letter_of_request(request: Mapping[str, Any], kind: Kind, info: ExceptionInfo) -> Letter:
    """Return the letter of a task that a worker had begun, or was about to.

    Args:
        request: Celery's request dictionary: the message's headers, with its arguments.
        kind: how it ended.
        info: the fields about the exception.
    """
    delivery = request.get("delivery_info") or {}
    return Letter(
        kind=kind,
        task=str(request.get("task") or ""),
        args=list(request.get("args") or ()),
        kwargs=dict(request.get("kwargs") or {}),
        queue=str(delivery.get("routing_key") or ""),
        task_id=str(request.get("id") or ""),
        retries=request.get("retries") or 0,
        worker=str(request.get("hostname") or ""),
        replay=replay_of(request),
        **info,
    )


def letter_of_message(message: Message, kind: Kind, error: Exception, worker: str) -> Letter:
    """Return the letter of a message that never became a task.

    It holds the arguments where they can be decoded, else the body's text.
    """
    headers = _mapping(message.headers)
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
        task_id=str(headers.get("id") or ""),
        retries=retries if isinstance(retries, int) else 0,
        worker=worker,
        replay=replay_of(headers),
        **exception_info(error),
    )


def letter_of_envelope(content: object, queue: str, error: Exception) -> Letter:
    """Return the letter of an item of a queue that is not a message.

    Args:
        content: what it is, as far as it could be read.
        queue: where it lay; empty if that is unknown.
        error: why it is not a message.
    """
    headers = _mapping(_mapping(content).get("headers"))
    return Letter(
        kind=Kind.UNDECODABLE,
        task=str(headers.get("task") or ""),
        task_id=str(headers.get("id") or ""),
        queue=queue,
        body=body_text(content),
        is_complete=False,
        **exception_info(error),
    )


def replay_of(headers: Mapping[str, Any]) -> int | None:
    """Return the id of the replay that a message is, if it is one."""
    action = headers.get(REPLAY_HEADER)
    return action if isinstance(action, int) else None


def body_text(body: object) -> str:
    """Return a body of any type as text."""
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body).decode("utf-8", "replace")
    try:
        return str(body)
    except RecursionError:
        return "(nested too deeply to be shown)"


def _mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is a mapping, else an empty one: kombu checks no header."""
    return value if isinstance(value, Mapping) else {}
