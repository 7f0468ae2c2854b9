from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import pytest
from msgspec import structs

from streaming.chaos.deliveries import Deliveries, Played, judged
from streaming.chaos.document import SeedResult
from streaming.chaos.receiver import Receipt
from streaming.chaos.soundness import Arrivals, Ends, unsound_letters
from streaming.chaos.witness import Seen
from streaming.core.letters import Kind, Letter, redacted

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORKER = 17
FAILED = Seen("failed", "7d1e", NOON, WORKER, "streaming.tick", retries=2)
END = uuid5(NAMESPACE_OID, "7d1e:2")
NOTHING = Ends(kinds={}, counted=0, answers=0, samples=0, missed=0)
ONE = Ends(kinds={END: "exception"}, counted=1, answers=0, samples=0, missed=0)


def unsound(
    ends: Ends,
    *seen: Seen,
    earlier: Sequence[UUID] = (),
    alive: Sequence[int] = (WORKER,),
    may_lack: bool = False,
) -> list[str]:
    return unsound_letters(seen, ends, earlier, alive, may_lack=may_lack)


def ends_of(kind: str, number: int, **counts: int) -> Ends:
    kinds = {uuid5(NAMESPACE_OID, str(each)): kind for each in range(number)}
    fields: dict[str, Any] = {"answers": 0, "samples": 0, "missed": 0, **counts}
    return Ends(kinds=kinds, counted=number, **fields)


def test_a_failure_is_found_by_the_id_of_its_letter() -> None:
    letter = Letter(kind=Kind.EXCEPTION, task="streaming.tick", task_id="7d1e", retries=2)
    assert UUID(redacted(letter, NOON, "").id) == END
    assert unsound(ONE, FAILED) == []


def test_a_failure_seen_twice_has_one_letter() -> None:
    assert unsound(ONE, FAILED, FAILED) == []


def test_a_failure_without_a_letter_is_unsound_unless_its_worker_ended() -> None:
    assert unsound(NOTHING, FAILED) == ["no letter of the failure of streaming.tick at 12:00:00"]
    assert unsound(NOTHING, FAILED, alive=()) == []


def test_a_letter_of_a_failure_that_no_worker_saw_is_unsound_unless_it_is_an_earlier_one() -> None:
    assert unsound(ONE) == ["a letter of no failure that a worker saw: exception"]
    assert unsound(ONE, earlier=[END]) == []


def test_a_failure_that_is_counted_twice_is_unsound() -> None:
    twice = Ends(kinds=ONE.kinds, counted=2, answers=0, samples=0, missed=0)
    assert unsound(twice, FAILED) == ["letters count 2 failures, there were 1"]


@pytest.mark.parametrize("letters", [0, 2])
def test_each_unreadable_answer_and_each_missed_delivery_has_one_letter(letters: int) -> None:
    for kind, counted in (("payload", "answers"), ("delivery", "missed")):
        assert unsound(ends_of(kind, 1, **{counted: 1})) == []
        assert len(unsound(ends_of(kind, letters, **{counted: 1}))) == 1


def test_a_worker_that_ended_may_have_left_no_letter_of_a_row_but_never_two() -> None:
    assert unsound(ends_of("delivery", 0, missed=1), may_lack=True) == []
    assert len(unsound(ends_of("delivery", 2, missed=1), may_lack=True)) == 1


def test_records_that_were_left_out_of_an_answer_may_have_letters_of_their_own() -> None:
    assert unsound(ends_of("payload", 3, answers=1, samples=2)) == []


ID = UUID(int=1)
LATER = NOON + timedelta(seconds=1)
SENT = Seen("sent", str(ID), NOON, WORKER)
TAKEN = Receipt(str(ID), NOON)
ON_RECORD = Arrivals({ID: NOON + timedelta(milliseconds=5)}, ())
NO_END = Arrivals({}, ())
SEED = SeedResult(7, (), (), 1.0, 900, (), {}, (), {}, 9.0)


def judge(
    deliveries: Deliveries, *losing: bool, began: Sequence[datetime] = (NOON,)
) -> Sequence[SeedResult]:
    flags = losing or (False,) * len(began)
    played = [
        Played(at, structs.replace(SEED, seed=number), loses)
        for number, (at, loses) in enumerate(zip(began, flags, strict=True))
    ]
    return judged(played, deliveries, NOON + timedelta(seconds=20))


def test_a_delivery_that_was_taken_and_recorded_is_sound() -> None:
    (result,) = judge(Deliveries([SENT], [TAKEN], ON_RECORD))
    assert (result.unsound, result.deliveries, result.repeated) == ((), 1, 0)


def test_a_delivery_without_an_end_is_lost_unless_it_has_a_letter() -> None:
    (lost,) = judge(Deliveries([SENT], [], NO_END))
    assert lost.unsound == (f"delivery {ID} was sent, and lost",)
    (put_aside,) = judge(Deliveries([SENT], [], Arrivals({}, {ID})))
    assert not put_aside.unsound


@pytest.mark.parametrize(("seconds", "excused"), [(30, True), (90, False)])
def test_a_fault_that_loses_messages_excuses_those_that_were_under_way(
    seconds: int, excused: bool
) -> None:
    began = (NOON, NOON + timedelta(seconds=seconds))
    before, _ = judge(Deliveries([SENT], [], NO_END), False, True, began=began)
    assert bool(before.unsound) is not excused


def test_a_worker_that_ended_loses_one_delivery_at_most() -> None:
    other = Seen("sent", str(UUID(int=2)), NOON, WORKER)
    ended = structs.replace(SEED, restarts={"worker-deliver": 1})
    both = Deliveries([SENT, other], [], NO_END)
    (result,) = judged([Played(NOON, ended, loses_messages=False)], both, LATER)
    assert result.unsound == (f"delivery {other.id} was sent, and lost",)


def test_a_delivery_is_repeated_until_its_arrival_is_on_record_and_not_after() -> None:
    again = Receipt(str(ID), LATER)
    cut_off = Arrivals({ID: LATER + timedelta(milliseconds=5)}, ())
    (sound,) = judge(Deliveries([SENT], [TAKEN, again], cut_off))
    assert (sound.unsound, sound.deliveries, sound.repeated) == ((), 2, 1)
    (needless,) = judge(Deliveries([SENT], [TAKEN, again], ON_RECORD))
    assert needless.unsound == (f"delivery {ID} was sent again after it had arrived",)


def test_what_was_received_once_was_not_sent_again_whatever_the_clocks_say() -> None:
    late = Receipt(str(ID), LATER)
    (result,) = judge(Deliveries([SENT], [late], ON_RECORD))
    assert result.unsound == ()


def test_an_arrival_on_record_was_received() -> None:
    (result,) = judge(Deliveries([SENT], [], ON_RECORD))
    assert result.unsound == (f"delivery {ID} is on record as arrived, and was not received",)


def test_what_is_wrong_is_told_of_the_seed_in_which_it_happened() -> None:
    late = Deliveries([Seen("sent", str(ID), LATER, WORKER)], [], NO_END)
    first, second = judge(late, began=(NOON, LATER))
    assert not first.unsound
    assert second.unsound
