"""Providers, circuits, polls, recomputes and dead letters."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from betting.models import Clock, Feed, FeedBookmaker, Provider
from streaming.core.poll_plan import Estimate, PollPlan
from streaming.core.texts import one_line
from streaming.models import (
    ActionKind,
    ActionOutcome,
    Circuit,
    CircuitMode,
    CircuitState,
    CircuitTransition,
    DeadLetter,
    DeadLetterAction,
    FeedCircuit,
    LetterKind,
    LetterStatus,
    PollOutcome,
    PollRun,
    Risk,
)
from streaming.polling.feed_circuits import MAX_FEED_CHARS
from valuation.models import RecomputeRun, RecomputeTrigger

MAX_REASON_CHARS = 300


class RiskSerializer(serializers.Serializer[Risk]):
    """The risk that a provider's next calls fail or are slow, by its throttle."""

    score = serializers.FloatField(help_text="0: as usual; 1: as clear as the signs get")
    reason = serializers.CharField(help_text="the clearest sign; empty where there is none")
    share = serializers.FloatField(help_text="of the polls that the throttle holds back, 0 to 1")
    held = serializers.IntegerField(help_text="polls held back so far, or that would have been")
    is_acting = serializers.BooleanField(help_text="false: polls are made all the same")


class WaitSerializer(serializers.Serializer[Estimate]):
    """The mean waits of changes for a poll, at one distance from the start."""

    span = serializers.CharField(help_text="the time to the start")
    changes = serializers.FloatField(help_text="old ones count less than 1")
    even_seconds = serializers.FloatField(help_text="at even intervals")
    adaptive_seconds = serializers.FloatField(help_text="by the plan")


class PollPlanSerializer(serializers.Serializer[PollPlan]):
    """The adaptive interval after the last poll, beside the even one, and why."""

    seconds = serializers.FloatField(help_text="after the last poll")
    even_seconds = serializers.FloatField(help_text="at even intervals")
    reason = serializers.CharField()
    saved = serializers.FloatField(help_text="polls saved, or that would have been")
    is_acting = serializers.BooleanField(help_text="false: polls come at even intervals")
    waits = WaitSerializer(many=True, source="estimates", help_text="by estimate, nearest first")


class CircuitStateSerializer(serializers.Serializer[Circuit]):
    """The state of a circuit: whether the provider is polled, and if not why."""

    state = serializers.ChoiceField(choices=CircuitState.choices)
    mode = serializers.ChoiceField(choices=CircuitMode.choices)
    since = serializers.DateTimeField(
        allow_null=True,
        help_text="when the outage began; once the circuit has closed, when it ended",
    )
    failures = serializers.IntegerField(help_text="in a row")
    recent = serializers.CharField(help_text="the latest calls: . good, s slow, f failed")
    retry_at = serializers.DateTimeField(allow_null=True, help_text="the next probe")
    pause_until = serializers.DateTimeField(
        allow_null=True, help_text="before then the provider does not want to be asked"
    )
    reason = serializers.CharField()
    advice = serializers.CharField(help_text="what a person has to do")
    risk = RiskSerializer(
        allow_null=True, help_text="null before the first call, and while CIRCUIT_THROTTLE is off"
    )


class CircuitSerializer(CircuitStateSerializer):
    """A circuit's state with its provider."""

    id = serializers.IntegerField()
    provider = serializers.CharField(source="provider.key")


class FeedCircuitSerializer(serializers.Serializer[FeedCircuit]):
    """The circuit of a feed: open while polls leave the feed out."""

    id = serializers.IntegerField()
    provider = serializers.CharField(source="provider.key")
    feed = serializers.CharField()
    state = serializers.ChoiceField(choices=["closed", "open"])
    since = serializers.DateTimeField(
        allow_null=True, help_text="when it began to fail; once it has closed, when that ended"
    )
    failures = serializers.IntegerField(help_text="in a row")
    retry_at = serializers.DateTimeField(allow_null=True, help_text="when it is asked again")
    reason = serializers.CharField()
    advice = serializers.CharField(help_text="what a person has to do")


class TransitionSerializer(serializers.Serializer[CircuitTransition]):
    """One change of a circuit."""

    id = serializers.IntegerField()
    provider = serializers.CharField(source="provider.key")
    feed = serializers.CharField(help_text="whose circuit; empty for the provider's own")
    at = serializers.DateTimeField()
    from_state = serializers.ChoiceField(choices=CircuitState.choices)
    to_state = serializers.ChoiceField(choices=CircuitState.choices)
    mode = serializers.ChoiceField(choices=CircuitMode.choices)
    reason = serializers.CharField()
    advice = serializers.CharField()
    retry_at = serializers.DateTimeField(allow_null=True)
    actor = serializers.CharField(help_text="who; empty when the calls decided")


class ProviderSerializer(serializers.Serializer[Provider]):
    """A provider. Of its API key, only the name of the variable that holds it is shown."""

    id = serializers.IntegerField()
    key = serializers.CharField()
    adapter = serializers.CharField()
    sports = serializers.ListField(child=serializers.CharField())
    markets = serializers.ListField(child=serializers.CharField())
    event_markets = serializers.ListField(child=serializers.CharField())
    regions = serializers.ListField(child=serializers.CharField())
    bookmakers = serializers.ListField(child=serializers.CharField())
    api_key_env = serializers.CharField()
    interval_seconds = serializers.FloatField()
    paced_interval_seconds = serializers.FloatField(allow_null=True)
    stale_after_seconds = serializers.FloatField()
    clock = serializers.ChoiceField(choices=Clock.choices)
    enabled = serializers.BooleanField()
    next_poll_at = serializers.DateTimeField(allow_null=True)
    quota_remaining = serializers.FloatField(allow_null=True)
    quota_used = serializers.FloatField(allow_null=True)
    quota_resets_at = serializers.DateTimeField(allow_null=True)
    plan = PollPlanSerializer(
        source="circuit.plan",
        allow_null=True,
        help_text="null before the first poll, and while POLL_ADAPTIVE is off",
    )
    circuit = CircuitStateSerializer(allow_null=True, help_text="null before it is first polled")


class FeedSerializer(serializers.Serializer[Feed]):
    """One request of a provider, and when it was last answered."""

    id = serializers.IntegerField()
    provider = serializers.CharField(source="provider.key")
    key = serializers.CharField()
    observed_at = serializers.DateTimeField()
    generation = serializers.IntegerField()


class FeedBookSerializer(serializers.Serializer[FeedBookmaker]):
    """A bookmaker within a feed, and until when its prices are trusted."""

    id = serializers.IntegerField()
    provider = serializers.CharField(source="feed.provider.key")
    feed = serializers.IntegerField(source="feed_id")
    bookmaker = serializers.CharField(source="bookmaker.key")
    confirmed_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    silent_since = serializers.DateTimeField(allow_null=True)
    lagging_markets = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="markets that the provider last looked at before the bookmaker's others",
    )
    lagging_ats = serializers.ListField(
        child=serializers.DateTimeField(), help_text="when it looked at each of them"
    )
    stale_markets = serializers.ListField(
        child=serializers.IntegerField(), help_text="markets whose prices are too old to be valued"
    )


class LeftOutSerializer(serializers.Serializer[dict[str, object]]):
    """The records of an answer that were left out for one reason, with the first as a sample."""

    reason = serializers.CharField()
    count = serializers.IntegerField()
    place = serializers.CharField(help_text="where the first stands in the answer")
    message = serializers.CharField(help_text="what is wrong with the first")


class PollRunSerializer(serializers.Serializer[PollRun]):
    """One request to a provider, and its outcome."""

    id = serializers.IntegerField()
    provider = serializers.CharField(source="provider.key")
    feed = serializers.CharField()
    started_at = serializers.DateTimeField()
    outcome = serializers.ChoiceField(choices=PollOutcome.choices)
    failure_kind = serializers.CharField()
    failure_code = serializers.CharField()
    failure_message = serializers.CharField()
    failure_advice = serializers.CharField()
    http_status = serializers.IntegerField(allow_null=True)
    duration_ms = serializers.FloatField()
    response_bytes = serializers.IntegerField()
    quotes_seen = serializers.IntegerField()
    changes = serializers.IntegerField()
    left_out = serializers.IntegerField(help_text="records of the answer that could not be read")
    left_out_reasons = LeftOutSerializer(many=True)
    texts_cleaned = serializers.IntegerField(
        help_text="texts from which control and direction characters were removed"
    )


class RecomputeRunSerializer(serializers.Serializer[RecomputeRun]):
    """One recompute message."""

    id = serializers.IntegerField()
    trigger = serializers.ChoiceField(choices=RecomputeTrigger.choices)
    finished_at = serializers.DateTimeField()
    duration_ms = serializers.FloatField()
    markets = serializers.IntegerField(help_text="markets asked for")
    valued = serializers.IntegerField(help_text="markets valued; the rest was up to date")
    edges_opened = serializers.IntegerField()
    edges_closed = serializers.IntegerField()
    latency_ms_median = serializers.FloatField(allow_null=True)
    latency_ms_max = serializers.FloatField(allow_null=True)


class LetterSerializer(serializers.Serializer[DeadLetter]):
    """A dead letter: work that failed for good."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=LetterKind.choices)
    task = serializers.CharField()
    queue = serializers.CharField()
    provider = serializers.CharField()
    feed = serializers.CharField(help_text="of the provider; empty where it is about none")
    is_complete = serializers.BooleanField(help_text="whether all of the arguments were kept")
    exception = serializers.CharField()
    message = serializers.CharField()
    fingerprint = serializers.CharField()
    count = serializers.IntegerField()
    first_seen = serializers.DateTimeField()
    last_seen = serializers.DateTimeField()
    status = serializers.ChoiceField(choices=LetterStatus.choices)
    discard_reason = serializers.CharField()
    last_replay_outcome = serializers.ChoiceField(
        choices=ActionOutcome.choices, allow_null=True, help_text="null before a replay has ended"
    )
    last_replay_ended_at = serializers.DateTimeField(allow_null=True)
    last_replay_error = serializers.CharField(allow_null=True, help_text="what it failed of")


class LetterActionSerializer(serializers.Serializer[DeadLetterAction]):
    """An action on a dead letter, and its outcome."""

    id = serializers.IntegerField()
    action = serializers.ChoiceField(choices=ActionKind.choices)
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    reason = serializers.CharField()
    sent_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    outcome = serializers.ChoiceField(choices=ActionOutcome.choices)
    error = serializers.CharField(help_text="what a replay failed of")


class WholeLetterSerializer(LetterSerializer):
    """A dead letter with its arguments, traceback and latest actions."""

    args = serializers.JSONField()
    kwargs = serializers.JSONField()
    body = serializers.CharField()
    traceback = serializers.CharField()
    task_id = serializers.CharField()
    retries = serializers.IntegerField()
    worker = serializers.CharField()
    actions = LetterActionSerializer(many=True, source="latest_actions")


class ReasonSerializer(serializers.Serializer[Any]):
    """The reason of an action, which is stored with the action and its user."""

    reason = serializers.CharField(max_length=MAX_REASON_CHARS)

    def validate_reason(self, reason: str) -> str:
        """Return the reason as one line that has visible text."""
        words = one_line(reason, MAX_REASON_CHARS)
        if not words:
            raise serializers.ValidationError("Enter a reason.")
        return words


class ResetSerializer(ReasonSerializer):
    """The reason of a reset, and the feed whose circuit alone is reset."""

    feed = serializers.CharField(
        required=False,
        max_length=MAX_FEED_CHARS,
        help_text="only this feed of the provider; without it the provider and all of its feeds",
    )
