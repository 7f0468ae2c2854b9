"""A dead letter as an event for Sentry."""

from __future__ import annotations

import re
from typing import Any

from streaming.core.letters import Letter, fingerprint


def event_of(letter: Letter) -> dict[str, Any]:
    """Return the event in Sentry's own format, with the letter's fingerprint and event id.

    It holds what the letter holds, except its arguments and its body.

    Args:
        letter: redacted, so scrubbed and bounded.

    >>> from streaming.core.letters import Kind
    >>> event = event_of(Letter(kind=Kind.EXCEPTION, task="a.b", exception="builtins.KeyError"))
    >>> event["tags"], event["exception"]["values"][0]["type"]
    ({'kind': 'exception', 'task': 'a.b'}, 'KeyError')
    """
    tags = {
        "kind": letter.kind.value,
        "task": letter.task,
        "queue": letter.queue,
        "provider": letter.provider,
        "worker": letter.worker,
    }
    return {
        "event_id": letter.sentry_event_id,
        "timestamp": letter.at,
        "level": "error",
        "logger": "streaming.deadletters",
        "transaction": letter.task,
        "fingerprint": [fingerprint(letter)],
        "tags": {name: value for name, value in tags.items() if value},
        "contexts": {"letter": {"task_id": letter.task_id, "retries": letter.retries}},
        "exception": {"values": [_exception(letter)]},
        "extra": {"traceback": letter.traceback},
    }


def _exception(letter: Letter) -> dict[str, Any]:
    module, _, name = letter.exception.rpartition(".")
    frames = [
        {
            "abs_path": path,
            "filename": "/".join(path.split("/")[-2:]),
            "lineno": int(line),
            "function": function,
            "context_line": source,
        }
        for path, line, function, source in _FRAME.findall(letter.traceback)
    ]
    raised = {"type": name or letter.kind.value, "module": module, "value": letter.message}
    return {**raised, "stacktrace": {"frames": frames}} if frames else raised


_FRAME = re.compile(r'File "([^"\n]+)", line (\d{1,9}), in ([^\n]+)(?:\n {4}([^\n]+))?')
