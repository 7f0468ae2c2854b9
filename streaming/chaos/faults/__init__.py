"""The faults that there are, by name."""

from __future__ import annotations

from streaming.chaos.faults import (
    machine,
    messages,
    points,
    postgres,
    programs,
    providers,
    receiver,
    redis,
)
from streaming.chaos.faults.base import Fault

FAULTS = {
    fault.kind.name: fault
    for fault in (
        *programs.FAULTS,
        *machine.FAULTS,
        *redis.FAULTS,
        *postgres.FAULTS,
        *providers.FAULTS,
        *receiver.FAULTS,
        *messages.FAULTS,
        *points.FAULTS,
    )
}

__all__ = ["FAULTS", "Fault"]
