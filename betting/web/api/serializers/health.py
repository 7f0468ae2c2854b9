"""The health now and before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from streaming.core.health import runbook
from streaming.core.outlook import read
from streaming.models import HealthSnapshot, HealthStatus


class CheckSerializer(serializers.Serializer[Any]):
    """One check, as `streaming.health.report.described` has it, with its name."""

    name = serializers.CharField()
    status = serializers.ChoiceField(choices=HealthStatus.choices)
    since = serializers.DateTimeField(
        allow_null=True, help_text="when it got this status; null where that is not recorded"
    )
    since_at_least = serializers.BooleanField(
        source="sinceAtLeast", default=False, help_text="it may have got it before `since`"
    )
    observed = serializers.FloatField(
        source="observedValue", allow_null=True, help_text="null where it is not known"
    )
    unit = serializers.CharField(source="observedUnit")
    warn_from = serializers.FloatField(
        source="warnFrom", allow_null=True, help_text="null where it never warns"
    )
    fail_from = serializers.FloatField(
        source="failFrom", allow_null=True, help_text="null where it never fails"
    )
    detail = serializers.CharField(source="output")
    runbook = serializers.SerializerMethodField(help_text="where it says what to do")

    def get_runbook(self, told: Mapping[str, Any]) -> str:
        """Return the check's section of the runbook."""
        return runbook(told["name"])


class AdaptiveSerializer(serializers.Serializer[Any]):
    """Decisions of adaptive windows in this hour and the one before."""

    changes = serializers.IntegerField(help_text="a market that an answer changed a little each")
    recomputes = serializers.IntegerField(help_text="that the decisions come to")
    fixed_recomputes = serializers.IntegerField(
        source="fixedRecomputes",
        help_text="that fixed windows sent meanwhile; 0 while COALESCE_ADAPTIVE is on",
    )
    mean_wait_ms = serializers.FloatField(source="meanWaitMs", help_text="of a change")


class WeightedSerializer(serializers.Serializer[Any]):
    """The score weighted by consequence; nothing acts upon it."""

    score = serializers.IntegerField(help_text="0 to 100")
    reason = serializers.CharField(help_text="what decides it; empty where every check passes")


class HealthSerializer(serializers.Serializer[Any]):
    """The health of the whole system."""

    status = serializers.ChoiceField(choices=HealthStatus.choices, help_text="the worst of all")
    score = serializers.IntegerField(
        help_text="0 to 100: the part of the worst group that is well; below 50 where a check fails"
    )
    trend = serializers.FloatField(
        allow_null=True, help_text="points of the score an hour, over the past hour"
    )
    weighted = WeightedSerializer()
    burn_rates = serializers.DictField(
        source="burnRates",
        child=serializers.DictField(child=serializers.FloatField()),
        help_text="objective → window → how many times faster than allowed misses come",
    )
    exhausted = serializers.DictField(
        child=serializers.DateTimeField(),
        help_text="resource → when it will have run out, as its trend goes",
    )
    notes = serializers.ListField(
        child=serializers.CharField(), help_text="what is not well, the worst first"
    )
    adaptive = AdaptiveSerializer(
        allow_null=True, help_text="null where nothing was counted, as COALESCE_ADAPTIVE=off has it"
    )
    checks = serializers.SerializerMethodField()

    @extend_schema_field(CheckSerializer(many=True))
    def get_checks(self, told: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return all checks, in their order."""
        return _checks({name: check for name, (check,) in told["checks"].items()})


class HealthSnapshotSerializer(serializers.Serializer[HealthSnapshot]):
    """The health of the whole system at one moment."""

    id = serializers.IntegerField()
    taken_at = serializers.DateTimeField()
    status = serializers.ChoiceField(choices=HealthStatus.choices)
    score = serializers.IntegerField()


class WholeHealthSnapshotSerializer(HealthSnapshotSerializer):
    """A health snapshot with all checks."""

    checks = serializers.SerializerMethodField()
    weighted = serializers.SerializerMethodField(
        help_text="null of a snapshot from before there was one"
    )

    @extend_schema_field(WeightedSerializer(allow_null=True))
    def get_weighted(self, snapshot: HealthSnapshot) -> dict[str, Any] | None:
        """Return the weighted score of the time."""
        outlook = read(snapshot.outlook)
        return None if outlook is None else {"score": outlook.score, "reason": outlook.reason}

    @extend_schema_field(CheckSerializer(many=True))
    def get_checks(self, snapshot: HealthSnapshot) -> list[dict[str, Any]]:
        """Return all checks, in their order."""
        return _checks(snapshot.checks)


def _checks(told: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    named = [{"name": name, **check} for name, check in told.items()]
    return list(CheckSerializer(named, many=True).data)
