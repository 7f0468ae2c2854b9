"""Alerts from the rows to a real receiver: what is sent, to whom, once, and what never is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfoNotFoundError

import pytest
from django.db import OperationalError

from betting.config import Config, get_config
from betting.models import Event, Quote
from streaming.alerts import carrier, edges, operations, outbox
from streaming.alerts.outbox import MOST_LISTED
from streaming.core.notifications import AlertDue, to_message
from streaming.dead_letters.capture import record_letter
from streaming.models import Alert, AlertSubscriber, DeadLetter, DeliveryRun, SubscriberRecord
from streaming.notifications import apprise_service
from streaming.notifications.bus import Message
from streaming.notifications.delivery import Delivery, Fate, deliver
from tests.support import rows
from tests.support.logs import lines_of
from tests.support.receiver import Receiver
from tests.support.sessions import in_another_session
from valuation.models import Edge

# A letter is stored in a transaction of its own.
pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "s3cretToken"


@dataclass
class Desk:
    """A subscriber to alerts whose service is a receiver of ours, and the messages on their way."""

    receiver: Receiver
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    waiting: list[Message] = field(default_factory=list)

    def add(self, **fields: Any) -> AlertSubscriber:
        address = self.receiver.url.removeprefix("http://").split("/")[0]
        values = {"url": f"json://{address}/{SECRET}", "created_at": self.now}
        return rows.make_alert_subscriber(**{**values, **fields})

    def look(self, seconds: float = 0) -> int:
        """Let some time pass and look for what is due."""
        self.now += timedelta(seconds=seconds)
        return outbox.send_due(self.now)

    def carry(self) -> list[Fate]:
        """Make the deliveries that wait."""
        waiting, self.waiting = self.waiting, []
        return [self.deliver(message) for message in waiting]

    def deliver(self, message: Message) -> Fate:
        return deliver(Delivery(*message), config(), record_letter, lambda: self.now)

    def texts(self) -> list[str]:
        """What the receiver took: title and text."""
        found = []
        for post in self.receiver.taken():
            body = json.loads(post.body)
            found.append(f"{body['title']} {body['message']}".strip())
        return found


def config(**bus: Any) -> Config:
    usual = get_config()
    return replace(usual, bus=replace(usual.bus, **{"allow_private_networks": True, **bus}))


@pytest.fixture
def desk(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk(receiver)

    def to_desk(messages: list[Message]) -> None:
        desk.waiting.extend(messages)

    monkeypatch.setattr(outbox, "send_messages", to_desk)
    return desk


def an_edge(**fields: Any) -> Edge:
    """An open edge of +10 % that enough bookmakers vouch for; its event starts in an hour."""
    board = rows.make_board(voices=3)
    soon = datetime.now(UTC) + timedelta(minutes=61)
    type(board.event).objects.filter(pk=board.event.pk).update(commence_time=soon)
    elm = rows.make_bookmaker(title="Elm")
    quote = rows.make_quote(board.outcomes[0], board.feed, 2.0, bookmaker=elm)
    return rows.make_edge(quote, **{"opened_at": datetime.now(UTC), **fields})


def test_an_edge_is_sent_once_in_the_words_of_the_board(desk: Desk) -> None:
    desk.add()
    edge = an_edge()
    assert desk.look() == 1
    assert desk.carry() == [Fate.DELIVERED]
    event = edge.market.event
    (text,) = desk.texts()
    assert text.startswith(f"+10.0 % {edge.quote.outcome.name} to win at Elm 2.00 ")
    assert f"{event.home} v {event.away}" in text
    assert "starts in 1 h. Fair 1.82, stake 2.0 % of the bankroll." in text

    assert desk.look(600) == 0
    assert len(desk.texts()) == 1


def test_an_edge_that_was_sent_and_closes_is_followed_by_one_message(desk: Desk) -> None:
    desk.add()
    edge = an_edge()
    desk.look()
    desk.carry()
    rows.close(edge)
    assert desk.look(5) == 1
    desk.carry()
    assert desk.texts()[1].startswith("Hardline Gone: ")
    assert "at Elm 2.00" in desk.texts()[1]
    assert desk.look(600) == 0


def test_an_edge_that_closes_before_it_was_sent_is_never_sent(desk: Desk) -> None:
    desk.add()
    edge = an_edge()
    desk.look()
    rows.close(edge)
    assert desk.carry() == [Fate.NEEDLESS]
    assert desk.look(600) == 0
    assert not desk.receiver.posts
    assert not Alert.objects.exists()


def test_an_edge_that_stands_no_more_when_it_is_sent_is_sent_when_it_stands_again(
    desk: Desk,
) -> None:
    desk.add(min_ev=0.05)
    edge = an_edge()
    desk.look()
    Edge.objects.filter(pk=edge.pk).update(ev=0.01)
    assert desk.carry() == [Fate.NEEDLESS]
    assert desk.look(5) == 0
    Edge.objects.filter(pk=edge.pk).update(ev=0.06)
    assert desk.look(5) == 1
    assert desk.carry() == [Fate.DELIVERED]


def test_a_message_that_is_lost_or_repeated_changes_nothing(desk: Desk) -> None:
    desk.add()
    an_edge()
    desk.look()
    (message,) = desk.waiting
    desk.waiting.clear()  # the broker lost it
    assert desk.look(outbox.LOST_SECONDS - 1) == 0
    assert desk.look(2) == 1
    assert desk.waiting[0][:2] == message[:2]
    assert desk.carry() == [Fate.DELIVERED]
    assert desk.deliver(message) is Fate.NEEDLESS  # it was only late
    assert desk.look(outbox.LOST_SECONDS + 1) == 0
    assert len(desk.receiver.posts) == 1


def test_a_message_that_is_late_and_its_copy_are_not_sent_at_the_same_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.add()
    an_edge()
    desk.look()
    desk.look(outbox.LOST_SECONDS + 1)  # the message waits in a long queue
    late, copy = desk.waiting
    sent: list[object] = []
    fates: list[Fate] = []

    def send(*message: object) -> None:
        sent.append(message)
        if len(sent) == 1:
            fates.append(in_another_session(lambda: desk.deliver(copy)))

    monkeypatch.setattr(apprise_service, "send", send)
    assert desk.deliver(late) is Fate.DELIVERED
    assert fates == [Fate.WAITING]
    assert desk.deliver(copy) is Fate.NEEDLESS
    assert len(sent) == 1


def test_a_message_that_is_lost_again_and_again_is_given_up_after_a_day(desk: Desk) -> None:
    desk.add()
    an_edge()
    desk.look()
    (claimed_at,) = Alert.objects.values_list("claimed_at", flat=True)
    last_chance = claimed_at + timedelta(days=outbox.LOST_DAYS, seconds=-1)
    while desk.now + timedelta(hours=1) < last_chance:
        assert desk.look(3_600) == 1
        assert desk.look(outbox.LOST_SECONDS - 1) == 0
    desk.now = last_chance
    assert desk.look() == 1
    assert desk.look(outbox.LOST_SECONDS + 1) == 0
    assert Alert.objects.get().claimed_at == claimed_at


def test_a_message_that_is_sent_again_takes_no_digest_s_place(desk: Desk) -> None:
    desk.now = desk.now.replace(minute=0, second=0, microsecond=0)
    desk.add(digest_minutes=15)
    an_edge()
    assert desk.look(15 * 60) == 1
    desk.waiting.clear()  # the broker lost it
    an_edge()
    assert desk.look(15 * 60) == 2  # it again, and the next digest
    assert desk.look(5) == 0


@pytest.mark.parametrize(
    "rules",
    [
        {"sports": ["tennis_atp"]},
        {"bookmakers": ["oak"]},
        {"min_ev": 0.11},
        {"max_ev": 0.09},
        {"min_books": 6},
        {"start_hours": 0.5},
        {"timing": "in_play"},
        {"wants_edges": False, "wants_operations": True},
        {"enabled": False},
    ],
)
def test_what_a_subscriber_does_not_want_is_not_sent(desk: Desk, rules: dict[str, Any]) -> None:
    desk.add(**rules)
    an_edge()
    assert desk.look() == 0


@pytest.mark.parametrize("warning", ["outlier", "suspicious", "contradicted"])
def test_a_doubtful_edge_is_not_sent(desk: Desk, warning: str) -> None:
    desk.add()
    an_edge(warnings=[warning], advised=0.0)
    assert desk.look() == 0


@pytest.mark.parametrize(
    "better",
    [
        {"is_started": True},
        {"warnings": ["suspicious"], "advised": 0.0},
        {"quote_status": "suspended"},
    ],
)
def test_better_edges_that_are_not_sent_hold_up_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, better: dict[str, Any]
) -> None:
    monkeypatch.setattr(edges, "JUDGED_AT_ONCE", 2)
    desk.add(timing="pre_match")
    better = {"is_started": False, "quote_status": "active", **better}
    is_started, quote_status = better.pop("is_started"), better.pop("quote_status")
    for _ in range(5):
        edge = an_edge(ev=0.2, peak_ev=0.2, **better)
        Quote.objects.filter(pk=edge.quote_id).update(status=quote_status)
        if is_started:
            Event.objects.filter(pk=edge.market.event_id).update(
                commence_time=desk.now - timedelta(minutes=1)
            )
    wanted = an_edge(ev=0.03)
    assert desk.look() == 1
    assert Alert.objects.get().edge_id == wanted.pk


def test_a_look_claims_the_best_edges_that_stand_and_the_next_one_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edges, "JUDGED_AT_ONCE", 2)
    desk.add()
    found = [an_edge(ev=ev) for ev in (0.02, 0.05, 0.05, 0.03)]
    desk.look()
    claimed = Alert.objects.order_by("id").values_list("edge_id", flat=True)
    assert list(claimed) == [found[1].pk, found[2].pk]
    desk.look()
    assert list(claimed.all())[2:] == [found[3].pk, found[0].pk]


def test_a_digest_lists_the_best_edges_counts_the_others_and_comes_once(desk: Desk) -> None:
    desk.now = desk.now.replace(minute=0, second=0, microsecond=0)
    desk.add(digest_minutes=15)
    for number in range(MOST_LISTED + 2):
        an_edge(ev=0.02 + number / 1_000)
    assert desk.look(14 * 60) == 0
    assert desk.look(60) == 1
    desk.carry()
    (text,) = desk.texts()
    assert text.startswith("Hardline: 12 new edges +3.1 % ")
    assert text.count(" at Elm ") == MOST_LISTED
    assert text.endswith("And 2 more on the board.")

    an_edge()
    assert desk.look(14 * 60) == 0  # a quarter that has had its digest
    assert desk.look(60) == 1


def test_quiet_hours_hold_everything_back_and_end_with_what_still_stands(desk: Desk) -> None:
    desk.now = datetime.now(UTC).replace(hour=2)
    desk.add(quiet_from=time(23), quiet_to=time(7), time_zone="UTC")
    gone, *_ = [an_edge(opened_at=desk.now) for _ in range(3)]
    assert desk.look() == 0
    rows.close(gone)
    desk.now = desk.now.replace(hour=7)
    assert desk.look() == 1
    desk.carry()
    (text,) = desk.texts()
    assert text.startswith("Hardline: 2 new edges")


def test_many_at_once_are_one_message(desk: Desk) -> None:
    desk.add()
    for _ in range(outbox.MOST_A_MINUTE + 1):
        an_edge()
    assert desk.look() == 1
    assert desk.carry() == [Fate.DELIVERED]


def test_a_minute_has_few_messages_however_much_happens(desk: Desk) -> None:
    desk.add()
    messages = 0
    for _ in range(12):
        an_edge()
        an_edge()
        messages += desk.look(5)
        desk.carry()
    assert messages == outbox.MOST_A_MINUTE
    assert desk.look(60) == 1
    assert desk.carry() == [Fate.DELIVERED]
    assert sum(text.count(" at Elm ") for text in desk.texts()) >= MOST_LISTED


def test_many_that_are_gone_are_counted_as_well(desk: Desk) -> None:
    desk.add()
    sent = [an_edge() for _ in range(MOST_LISTED)]
    desk.look()
    desk.carry()
    desk.look(60)
    more = [an_edge() for _ in range(2)]
    desk.look(60)
    desk.carry()
    for edge in [*sent, *more]:
        rows.close(edge)
    assert desk.look(60) == 1
    desk.carry()
    text = desk.texts()[-1]
    assert text.count("Gone: ") == MOST_LISTED
    assert text.endswith("And 2 more gone.")


def test_a_failing_service_is_suppressed_and_a_replay_sends_what_still_stands(desk: Desk) -> None:
    subscriber = desk.add()
    four = [an_edge() for _ in range(4)]
    desk.receiver.status = 503
    assert desk.look() == 4
    assert desk.carry() == [Fate.FAILED, Fate.FAILED, Fate.FAILED, Fate.HELD]
    record = SubscriberRecord.objects.get(subscriber=subscriber.key)
    assert record.last_error == "The service answered 503."
    assert record.suppressed_until is not None
    assert desk.look(outbox.LOST_SECONDS + 1) == 0  # the letters have them

    rows.close(four[0])
    desk.receiver.status = 204
    letters = DeadLetter.objects.order_by("id")
    assert {letter.kind for letter in letters} == {"delivery"}
    fates = [desk.deliver(tuple(letter.args)) for letter in letters]
    assert fates == [Fate.NEEDLESS, *[Fate.DELIVERED] * 3]
    assert len(desk.texts()) == 3
    everything = [
        *letters.values(),
        *DeliveryRun.objects.values(),
        *SubscriberRecord.objects.values(),
    ]
    assert SECRET not in repr(everything)


def test_a_test_message_is_sent_at_any_time(desk: Desk) -> None:
    subscriber = desk.add(enabled=False, quiet_from=time(0), quiet_to=time(23, 59))
    assert carrier.test(subscriber, config()) is None
    assert desk.texts() == ["Hardline This is a test."]


def take_snapshot(desk: Desk, status: str, since: datetime, after_seconds: float = 0) -> None:
    desk.now += timedelta(seconds=after_seconds)
    check = {"status": status, "since": since.isoformat(), "output": "no answer"}
    rows.make_health_snapshot(taken_at=desk.now, checks={"redis": check})


def test_a_failing_check_is_sent_when_it_has_settled_and_when_it_passes_again(desk: Desk) -> None:
    desk.add(wants_edges=False, wants_operations=True)

    failed = desk.now
    take_snapshot(desk, "fail", failed)
    assert desk.look(10) == 0
    assert desk.look(20) == 0  # nobody has looked at the check since
    take_snapshot(desk, "fail", failed)
    assert desk.look() == 1
    desk.carry()
    assert desk.texts()[0].startswith("Hardline Health: redis fails since ")
    assert desk.texts()[0].endswith(": no answer")
    passed = desk.now
    take_snapshot(desk, "pass", passed, after_seconds=60)
    assert desk.look() == 0  # not two messages within five minutes
    take_snapshot(desk, "pass", passed, after_seconds=300)
    assert desk.look() == 1


def test_a_snapshot_that_is_too_old_to_be_trusted_is_not_sent(desk: Desk) -> None:
    desk.add(wants_edges=False, wants_operations=True)
    failed = desk.now
    take_snapshot(desk, "fail", failed, after_seconds=60)
    assert desk.look(3_600) == 0  # whether it still fails nobody knows
    take_snapshot(desk, "fail", failed)
    assert desk.look() == 1


def test_a_cause_of_dead_letters_is_sent_first_and_then_hourly_with_its_count(desk: Desk) -> None:
    desk.add(wants_edges=False, wants_operations=True)
    rows.make_dead_letter(last_seen=desk.now - timedelta(days=1), fingerprint="older")
    letter = rows.make_dead_letter(last_seen=desk.now)
    rows.make_dead_letter(last_seen=desk.now, kind="delivery", args=["alert:x", "1", []])
    assert desk.look() == 1
    desk.carry()
    assert desk.texts() == [
        "Hardline New dead letters: valuation.recompute_markets: LookupError: no market"
    ]
    DeadLetter.objects.filter(pk=letter.pk).update(
        count=9, last_seen=desk.now + timedelta(minutes=30)
    )
    assert desk.look(59 * 60) == 0
    assert desk.look(60) == 1
    desk.carry()
    assert desk.texts()[1].startswith("Hardline 9 times by now: ")


def test_a_cause_of_which_letters_were_discarded_is_not_sent_again(desk: Desk) -> None:
    desk.add(wants_edges=False, wants_operations=True)
    rows.make_dead_letter(last_seen=desk.now, count=5)
    newest = rows.make_dead_letter(last_seen=desk.now, count=1)
    assert desk.look() == 1
    desk.carry()
    DeadLetter.objects.filter(pk=newest.pk).update(status="discarded", discard_reason="known")
    assert desk.look(7_200) == 0


def test_causes_beyond_the_most_of_one_look_are_sent_by_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "MAX_CAUSES", 1)
    desk.add(wants_edges=False, wants_operations=True)
    rows.make_dead_letter(last_seen=desk.now, fingerprint="one", task="one.task")
    rows.make_dead_letter(last_seen=desk.now, fingerprint="two", task="two.task")
    assert [desk.look(), desk.look(1), desk.look(1)] == [1, 1, 0]
    desk.carry()
    for _ in range(2):  # both fail on, and the one that has waited longer is the next
        DeadLetter.objects.update(last_seen=desk.now)
        assert desk.look(3_600) == 1
        desk.carry()
    named = [text.split(": ")[1] for text in desk.texts()]
    assert named[2:] in (["one.task", "two.task"], ["two.task", "one.task"])


def test_a_subscriber_that_fails_holds_up_no_other_and_the_failure_is_raised(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("first", "last"):
        desk.add(name=name, quiet_from=time(1), quiet_to=time(2), time_zone="Nowhere/Atall")
    desk.add(name="middle")
    an_edge()
    with pytest.raises(ZoneInfoNotFoundError):
        desk.look()
    assert [message[0] for message in desk.waiting] == ["alert:middle"]
    failed = [line["event"] for line in lines_of(caplog.records) if line["status"] == "failed"]
    assert failed == [f"alerts are not sent to alert:{name}" for name in ("first", "last")]


def test_operators_are_told_of_health_where_edges_cannot_be_looked_at(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = desk.add(wants_operations=True)
    take_snapshot(desk, "fail", desk.now - timedelta(minutes=1))

    def too_slow(*_args: object) -> None:
        raise OperationalError("canceling statement due to statement timeout")

    monkeypatch.setattr(outbox, "new_edges", too_slow)
    with pytest.raises(OperationalError, match="statement timeout"):
        desk.look()
    assert [message[0] for message in desk.waiting] == [both.key]
    assert Alert.objects.get().about == "redis"


def test_a_message_holds_only_alerts_of_its_own_subscriber(desk: Desk) -> None:
    ours, others = (desk.add(wants_edges=False, wants_operations=True) for _ in range(2))
    alert = rows.make_alert(others, text="Health: not for you")
    (due,) = to_message([AlertDue(id=uuid4(), occurred_at=desk.now, alerts=(alert.pk,))])
    assert desk.deliver((ours.key, str(uuid4()), [due])) is Fate.NEEDLESS
    assert not desk.receiver.posts
    alert.refresh_from_db()
    assert alert.sent_at is None


def test_a_replay_sends_no_state_that_a_later_alert_has_replaced(desk: Desk) -> None:
    subscriber = desk.add(wants_edges=False, wants_operations=True)
    checks = {"redis": ("fails", "passes"), "broker": ("fails",)}
    alerts = [
        rows.make_alert(subscriber, about=check, state=state, text=f"Health: {check} {state}")
        for check, states in checks.items()
        for state in states
    ]
    letters = [
        rows.make_alert(subscriber, topic="letters", about="cause", state=times, text=times)
        for times in ("Once", "9 times")
    ]
    # Another subscriber's alerts, and those on another topic, replace nothing.
    rows.make_alert(desk.add(), about="broker", state="passes")
    rows.make_alert(subscriber, topic="letters", about="broker", state="1")
    notification = AlertDue(
        id=uuid4(), occurred_at=desk.now, alerts=tuple(each.pk for each in [*alerts, *letters])
    )
    message = (subscriber.key, str(uuid4()), to_message([notification]))
    assert desk.deliver(message) is Fate.DELIVERED
    (text,) = desk.texts()
    assert text == "Hardline: 3 alerts Health: redis passes\nHealth: broker fails\n9 times"
