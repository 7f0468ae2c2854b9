"""Models of what the stream did, and of the state it keeps about providers and subscribers."""

from streaming.models.alert import Alert, AlertSubscriber, AlertTopic
from streaming.models.baseline import BaselineSnapshot
from streaming.models.circuit import (
    Circuit,
    CircuitMode,
    CircuitState,
    CircuitTransition,
    Risk,
    plan_of,
    risk_of,
)
from streaming.models.deadletter import (
    ActionKind,
    ActionOutcome,
    DeadLetter,
    DeadLetterAction,
    DeadLetterEviction,
    DeadLetterOccurrence,
    LetterKind,
    LetterStatus,
)
from streaming.models.feed_circuit import FeedCircuit
from streaming.models.health import HealthSnapshot, HealthStatus
from streaming.models.poll import NOT_REQUESTED, PollOutcome, PollRun
from streaming.models.subscriber import (
    DeliveryOutcome,
    DeliveryRun,
    SubscriberRecord,
    WebhookSubscriber,
)

__all__ = [
    "NOT_REQUESTED",
    "ActionKind",
    "ActionOutcome",
    "Alert",
    "AlertSubscriber",
    "AlertTopic",
    "BaselineSnapshot",
    "Circuit",
    "CircuitMode",
    "CircuitState",
    "CircuitTransition",
    "DeadLetter",
    "DeadLetterAction",
    "DeadLetterEviction",
    "DeadLetterOccurrence",
    "DeliveryOutcome",
    "DeliveryRun",
    "FeedCircuit",
    "HealthSnapshot",
    "HealthStatus",
    "LetterKind",
    "LetterStatus",
    "PollOutcome",
    "PollRun",
    "Risk",
    "SubscriberRecord",
    "WebhookSubscriber",
    "plan_of",
    "risk_of",
]
