"""The throttle before the circuit: fewer calls to a provider whose answers begin to get worse.

A circuit opens on counts: failures in a row, or their share of the latest calls. The throttle
looks at what comes before that, from three signs:

- latency: a one-sided CUSUM of how far each answer lies above the provider's own usual latency,
  in standard deviations of its logarithm. Usual values are learnt, and hardly while it is alarmed;
- errors: a CUSUM of the likelihood that calls fail at the share of a brown-out, not at the usual;
- acceptance: the client-side throttle of Google's SRE book,
  ``max(0, (requests - K * accepts) / (requests + 1))`` over the latest calls, with those that were
  held back among the requests.

A sign becomes a risk from 0 to 1, and the highest decides the share of calls that are held back.
That share has an upper limit: enough calls pass to notice that the provider has recovered. Neither
a probe nor the call after a failure is held back: failures in a row are counted as fast as without.

The state is a few numbers, however many calls it has seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

import msgspec

from streaming.core.breaker import Breaker, CallOutcome
from streaming.core.percentages import percent

ThrottleMode = Literal["off", "shadow", "on"]
"""Whether risks are not assessed, assessed and shown, or also acted upon."""

SHORTEST_SECONDS = 0.001
"""A shorter answer counts as one of this length: a logarithm needs a bound."""


@dataclass(frozen=True, slots=True)
class ThrottlePolicy:
    """The constants of the throttle, chosen on other runs than those that judge it: see ADR 69.

    Attributes:
        learn_calls: answers that the usual latency is learnt from; it counts from then on.
        frozen_fraction: how fast it is learnt during an alarm, of the usual speed: a lasting
            change becomes usual within about a day, an outage does not.
        least_deviation: the smallest standard deviation of log latency that is believed.
        harmless_seconds: an answer that is faster is no sign, however slow it is for its provider.
        allowance: standard deviations above the usual that do not count.
        most_deviations: what a single slow answer counts at most, so that one is no alarm.
        latency_alarm: the sum of deviations at which the risk is 1.
        usual_error_share: the share of failures of a provider in order.
        bad_error_share: the share of failures in a brown-out.
        error_alarm: the sum of log likelihoods at which the risk is 1.
        calm_calls: usual answers in a row, from which on each halves both sums.
        window_calls: the calls that acceptance is of, each weighing less the older it is.
        acceptance: K: requests that one accepted call allows.
        from_score: the risk above which calls are held back.
        most_held: the largest share of calls that is held back.
    """

    learn_calls: int = 60
    frozen_fraction: float = 0.05
    least_deviation: float = 0.3
    harmless_seconds: float = 2.5
    allowance: float = 1.0
    most_deviations: float = 4.0
    latency_alarm: float = 12.0
    usual_error_share: float = 0.05
    bad_error_share: float = 0.3
    error_alarm: float = 9.0
    calm_calls: int = 3
    window_calls: int = 20
    acceptance: float = 2.0
    from_score: float = 0.7
    most_held: float = 0.7

    @property
    def error_weight(self) -> float:
        """The amount that a failure adds to the sum of errors."""
        return math.log(self.bad_error_share / self.usual_error_share)

    @property
    def success_weight(self) -> float:
        """The amount that a success adds to the sum of errors; negative."""
        return math.log((1 - self.bad_error_share) / (1 - self.usual_error_share))


@dataclass(frozen=True, slots=True)
class CallHistory:
    """The throttle's memory of a provider's calls.

    Attributes:
        learnt: answers that the usual latency was learnt from; counted up to `learn_calls`.
        mean: the usual logarithm of the seconds of an answer.
        variance: of that logarithm.
        latest: the logarithm of the seconds of the latest answers, the newest weighing most.
        latency_sum: the CUSUM of latency.
        error_sum: the CUSUM of errors.
        calm: usual answers in a row, counted up to `calm_calls`.
        requests: the latest calls by weight, also those held back.
        accepts: those of them that were answered.
        failures: those of them that failed.
        held: calls that were held back, or would have been where the throttle does not act.
    """

    learnt: int = 0
    mean: float = 0.0
    variance: float = 0.0
    latest: float = 0.0
    latency_sum: float = 0.0
    error_sum: float = 0.0
    calm: int = 0
    requests: float = 0.0
    accepts: float = 0.0
    failures: float = 0.0
    held: int = 0

    @classmethod
    def of(cls, document: Mapping[str, float] | str | None) -> CallHistory:
        """Return a history as it was stored; a new one if nothing was.

        What another release has stored besides is left out.

        >>> CallHistory.of({"calm": 2, "unknown": 1}).calm
        2
        """
        if isinstance(document, str):
            return msgspec.json.decode(document, type=cls)
        return msgspec.convert(document or {}, cls)

    def document(self) -> dict[str, float]:
        """Return the history as JSON has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RiskAssessment:
    """The risk that a provider's calls are about to fail or to be slow.

    Attributes:
        score: 0 where all is as usual, 1 where the signs are as clear as they get.
        reason: the clearest sign, in words; empty where there is none.
        share: the share of calls to hold back.
    """

    score: float = 0.0
    reason: str = ""
    share: float = 0.0


def observe(history: CallHistory, policy: ThrottlePolicy, call: CallOutcome) -> CallHistory:
    """Return the history after a call that was made."""
    if call.kind is not None:
        return replace(
            _counted(history, policy, accepts=0.0, failures=1.0),
            error_sum=min(history.error_sum + policy.error_weight, policy.error_alarm),
            calm=0,
        )
    logarithm = math.log(max(call.seconds, SHORTEST_SECONDS))
    deviation = _deviations(history, policy, logarithm)
    is_usual = deviation <= policy.allowance or call.seconds < policy.harmless_seconds
    calm = min(history.calm + 1, policy.calm_calls) if is_usual else 0
    fading = 0.5 if calm >= policy.calm_calls else 1.0
    return replace(
        _learnt(_counted(history, policy, accepts=1.0, failures=0.0), policy, logarithm),
        latency_sum=_latency_sum(history, policy, deviation, is_usual=is_usual) * fading,
        error_sum=max(history.error_sum + policy.success_weight, 0.0) * fading,
        calm=calm,
    )


def hold(history: CallHistory, policy: ThrottlePolicy) -> CallHistory:
    """Return the history after a call that was held back."""
    counted = _counted(history, policy, accepts=0.0, failures=0.0)
    return replace(counted, held=history.held + 1)


def note_held(history: CallHistory) -> CallHistory:
    """Return the history after a call that was made, but that the throttle would have held back."""
    return replace(history, held=history.held + 1)


def closed(history: CallHistory) -> CallHistory:
    """Return the history after the provider's circuit has closed: its probes have judged it."""
    return replace(
        history, latency_sum=0.0, error_sum=0.0, calm=0, requests=0.0, accepts=0.0, failures=0.0
    )


def assess(history: CallHistory, policy: ThrottlePolicy) -> RiskAssessment:
    """Assess the risk of a provider's next calls.

    >>> assess(CallHistory(), ThrottlePolicy())
    RiskAssessment(score=0.0, reason='', share=0.0)
    """
    latency = history.latency_sum / policy.latency_alarm
    errors = history.error_sum / policy.error_alarm
    refused = _refused_share(history, policy)
    score = max(latency, errors, refused)
    if score <= 0:
        return RiskAssessment()
    above = max(latency, errors) - policy.from_score
    predicted = policy.most_held * max(above, 0.0) / (1 - policy.from_score)
    share = min(max(predicted, refused), policy.most_held)
    is_latency = latency >= max(errors, refused)
    reason = _latency_words(history) if is_latency else _error_words(history)
    return RiskAssessment(min(score, 1.0), reason, share)


def holds_back(assessment: RiskAssessment, breaker: Breaker, chance: float) -> bool:
    """Return True if the next call is to be held back.

    Args:
        assessment: of the provider's calls.
        breaker: its circuit. A circuit that is not closed has its own waits and probes, and one
            that has just seen a failure needs the next call to tell an outage from a blip.
        chance: uniform in [0, 1).

    >>> holds_back(RiskAssessment(1.0, "", 0.5), Breaker(), 0.4)
    True
    >>> holds_back(RiskAssessment(1.0, "", 0.5), Breaker(failures=1), 0.4)
    False
    """
    is_ordinary = breaker.is_automatic and breaker.state == "closed" and not breaker.failures
    return is_ordinary and chance < assessment.share


def _counted(
    history: CallHistory, policy: ThrottlePolicy, *, accepts: float, failures: float
) -> CallHistory:
    kept = 1 - 1 / policy.window_calls
    return replace(
        history,
        requests=history.requests * kept + 1,
        accepts=history.accepts * kept + accepts,
        failures=history.failures * kept + failures,
    )


def _deviations(history: CallHistory, policy: ThrottlePolicy, logarithm: float) -> float:
    """Return how far an answer is above the usual, in standard deviations; 0 until it is learnt."""
    if history.learnt < policy.learn_calls:
        return 0.0
    deviation = max(math.sqrt(history.variance), policy.least_deviation)
    return (logarithm - history.mean) / deviation


def _latency_sum(
    history: CallHistory, policy: ThrottlePolicy, deviation: float, *, is_usual: bool
) -> float:
    counted = min(deviation, 0.0 if is_usual else policy.most_deviations)
    total = history.latency_sum + counted - policy.allowance
    return min(max(total, 0.0), policy.latency_alarm)


def _learnt(history: CallHistory, policy: ThrottlePolicy, logarithm: float) -> CallHistory:
    """Return the history with its usual latency moved towards an answer's."""
    if not history.learnt:
        return replace(history, learnt=1, mean=logarithm, latest=logarithm)
    # A mean of all answers at first, and from then on of about the latest `learn_calls`.
    weight = 1 / min(history.learnt + 1, policy.learn_calls)
    alarm = max(history.latency_sum / policy.latency_alarm, history.error_sum / policy.error_alarm)
    if alarm >= policy.from_score:
        weight *= policy.frozen_fraction
    difference = logarithm - history.mean
    return replace(
        history,
        learnt=min(history.learnt + 1, policy.learn_calls),
        mean=history.mean + weight * difference,
        variance=(1 - weight) * (history.variance + weight * difference**2),
        latest=history.latest + 0.5 * (logarithm - history.latest),
    )


def _refused_share(history: CallHistory, policy: ThrottlePolicy) -> float:
    """Return the share of calls that the SRE book's throttle holds back."""
    excess = history.requests - policy.acceptance * history.accepts
    return max(0.0, excess / (history.requests + 1)) if history.failures >= 1 else 0.0


def _latency_words(history: CallHistory) -> str:
    latest, usual = math.exp(history.latest), math.exp(history.mean)
    return f"answers take {latest:.1f} s, usually {usual:.1f} s"


def _error_words(history: CallHistory) -> str:
    made = history.accepts + history.failures
    return f"{percent(history.failures / max(made, 1.0))} of the latest calls failed"
