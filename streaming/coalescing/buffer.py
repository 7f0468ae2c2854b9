"""The coalescing buffer: markets that changed, waiting in Redis for their batch.

Everything here is a hint (see "The database is the truth" in docs/architecture.md): a flushed
Redis, a dropped entry or a marker that outlives its message delays a valuation until the
sweeper finds the market, and loses nothing.

Keys, all with an expiry:

* ``hardline:buffer:<shard>`` hash, market id → changes since the last drain;
* ``hardline:buffer:<shard>:changes`` their sum;
* ``hardline:buffer:<shard>:traces`` list, the log traces they belong to, newest first;
* ``hardline:buffer:<shard>:since`` when the first of them came, by Redis's clock in milliseconds;
* ``hardline:scheduled:<market id>`` a recompute of the market is on its way;
* ``hardline:first:answers`` the answers with changes within the current window;
* ``hardline:first:<market id>`` the market was not quiet within the last window.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import cast

from redis.commands.core import Script

from betting.db.redis import redis_client
from betting.logs.context import MAX_TRACES
from streaming.core.coalesce import CoalescePolicy

DROPPED = "hardline:buffer:dropped"

_SCHEDULED = "hardline:scheduled:"
_FIRST = "hardline:first:"

# Counts an answer within its window. Returns the markets that were quiet in the last one; none at
# all when the window has had its answers. In a large answer each market's window begins anew.
_CLAIM_FIRST = """
local answers = redis.call('INCR', KEYS[1])
if answers == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
local first = {}
if answers > tonumber(ARGV[2]) then return first end
for i = 5, #ARGV do
  local key, is_quiet = ARGV[1] .. ARGV[i], false
  if ARGV[4] == '1' then
    is_quiet = not redis.call('SET', key, '1', 'PX', ARGV[3], 'GET')
  else
    is_quiet = redis.call('SET', key, '1', 'NX', 'PX', ARGV[3])
  end
  if is_quiet then first[#first + 1] = tonumber(ARGV[i]) end
end
return first
"""

# Adds hints to one shard. Returns {changes before, changes after, hints dropped}.
_PUSH = """
local held = redis.call('HLEN', KEYS[1])
local before = tonumber(redis.call('GET', KEYS[2]) or '0')
local added, dropped = 0, 0
local first = 5 + tonumber(ARGV[4])
for i = first, #ARGV, 2 do
  local market, changes = ARGV[i], tonumber(ARGV[i + 1])
  if held < tonumber(ARGV[1]) or redis.call('HEXISTS', KEYS[1], market) == 1 then
    if redis.call('HINCRBY', KEYS[1], market, changes) == changes then held = held + 1 end
    added = added + changes
  else
    dropped = dropped + 1
  end
end
local after = redis.call('INCRBY', KEYS[2], added)
for i = first - 1, 5, -1 do
  redis.call('LREM', KEYS[3], 0, ARGV[i])
  redis.call('LPUSH', KEYS[3], ARGV[i])
end
redis.call('LTRIM', KEYS[3], 0, ARGV[3] - 1)
if before == 0 then
  local time = redis.call('TIME')
  redis.call('SET', KEYS[4], time[1] * 1000 + math.ceil(time[2] / 1000), 'PX', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
redis.call('PEXPIRE', KEYS[3], ARGV[2])
if dropped > 0 then redis.call('INCRBY', KEYS[5], dropped) end
return {before, after, dropped}
"""

# Empties one shard and marks its markets as scheduled.
# Returns {changes, markets drained, ms since the first came, {trace ids …}, and the ids of the
# markets that were not scheduled before …}.
_DRAIN = """
local markets = redis.call('HKEYS', KEYS[1])
local changes = tonumber(redis.call('GET', KEYS[2]) or '0')
local traces = redis.call('LRANGE', KEYS[3], 0, -1)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local since = tonumber(redis.call('GET', KEYS[4]) or now)
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
local drained = {changes, #markets, math.max(0, now - since), traces}
for _, market in ipairs(markets) do
  if redis.call('SET', ARGV[1] .. market, '1', 'NX', 'PX', ARGV[2]) then
    drained[#drained + 1] = tonumber(market)
  end
end
return drained
"""


class Flush(Enum):
    """When a shard's batch is due."""

    NOW = "now"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Batch:
    """The changes that a drain took out of a shard.

    Attributes:
        market_ids: markets to recompute; those with a recompute on its way are left out.
        changes: changes since the last drain.
        markets: how many markets they belong to.
        waited_ms: how long ago the first of them came.
        trace_ids: the log traces that the changes belong to, newest first; of many, only the newest
            are kept.
    """

    market_ids: list[int]
    changes: int
    markets: int
    waited_ms: int = 0
    trace_ids: tuple[str, ...] = ()


@cache
def _script(source: str) -> Script:
    return redis_client().register_script(source)


def _keys(shard: int) -> list[str]:
    buffer = f"hardline:buffer:{shard}"
    details = [f"{buffer}:{name}" for name in ("changes", "traces", "since")]
    return [buffer, *details, DROPPED]


def claim_first(changes: Mapping[int, int], policy: CoalescePolicy) -> set[int]:
    """Return the markets of an answer that are valued at once: those that were quiet.

    A market is quiet if none of its changes went at once within the last window; further changes
    wait for their batch. Where an answer's changes fill a batch, it is quiet only if it has not
    been in such an answer within the last window either: many markets that go on changing together
    are valued once a window. What follows `CoalescePolicy.first_answers` answers within a window
    is a burst, which waits as a whole.

    Args:
        changes: market id → number of its changes, at least 1 each.
        policy: the bounds.
    """
    if not changes or not policy.window_ms:
        return set()
    fills_batch = sum(changes.values()) >= policy.batch_changes
    bounds = (policy.first_answers, policy.window_ms, int(fills_batch))
    arguments: list[int | str] = [_FIRST, *bounds, *changes]
    claimed = _script(_CLAIM_FIRST)(keys=[f"{_FIRST}answers"], args=arguments)
    return set(cast("list[int]", claimed))


def push(
    changes: Mapping[int, int], policy: CoalescePolicy, trace_ids: Sequence[str] = ()
) -> dict[int, Flush]:
    """Add changed markets to their shards.

    Args:
        changes: market id → number of its changes, at least 1 each.
        policy: batch bounds.
        trace_ids: the log traces that the changes belong to, newest first.

    Returns:
        The shards whose flush this push makes due: at once when a batch filled up, after the
        batch window when the shard was empty.
    """
    by_shard: dict[int, list[int]] = defaultdict(list)
    for market_id, count in changes.items():
        by_shard[market_id % policy.shards] += (market_id, count)
    due: dict[int, Flush] = {}
    for shard, pairs in by_shard.items():
        before, after = _push(shard, pairs, policy, trace_ids)
        if before // policy.batch_changes != after // policy.batch_changes:
            due[shard] = Flush.NOW
        elif before == 0 < after:
            due[shard] = Flush.LATER
    return due


def push_to(
    shard: int, changes: Mapping[int, int], policy: CoalescePolicy, trace_ids: Sequence[str] = ()
) -> bool:
    """Add changed markets to one shard, which is flushed at a set time however full it is.

    Args:
        shard: the shard.
        changes: market id → number of its changes, at least 1 each.
        policy: batch bounds.
        trace_ids: the log traces that the changes belong to, newest first.

    Returns:
        True if the shard was empty, so that its flush has to be sent.
    """
    pairs = [number for pair in changes.items() for number in pair]
    before, after = _push(shard, pairs, policy, trace_ids)
    return before == 0 < after


def _push(
    shard: int, pairs: Sequence[int], policy: CoalescePolicy, trace_ids: Sequence[str]
) -> tuple[int, int]:
    """Add pairs of a market and its changes to a shard; return its changes before and after."""
    arguments: list[int | str] = [
        policy.buffer_max_markets,
        _buffer_ttl_ms(policy),
        MAX_TRACES,
        len(trace_ids),
        *trace_ids,
        *pairs,
    ]
    before, after, _dropped = cast("list[int]", _script(_PUSH)(keys=_keys(shard), args=arguments))
    return before, after


def _buffer_ttl_ms(policy: CoalescePolicy) -> int:
    """Return how long hints wait for a flush whose message was lost, until the sweep's turn."""
    return max(2_000, 8 * policy.window_ms)


def drain(shard: int, policy: CoalescePolicy) -> Batch:
    """Empty a shard in one step and mark its markets as scheduled."""
    changes, markets, waited_ms, traces, *market_ids = cast(
        "tuple[int, int, int, list[bytes], *tuple[int, ...]]",
        _script(_DRAIN)(keys=_keys(shard)[:4], args=[_SCHEDULED, policy.marker_ttl_ms]),
    )
    trace_ids = tuple(trace.decode() for trace in traces)
    return Batch(market_ids, changes, markets, waited_ms, trace_ids)


def clear_scheduled(market_ids: Iterable[int]) -> None:
    """Forget that recomputes are on their way.

    Before the quotes are read, never after: a change that comes in between must be able to
    schedule the next one.
    """
    keys = [f"{_SCHEDULED}{market_id}" for market_id in market_ids]
    if keys:
        redis_client().unlink(*keys)


def pending_markets(policy: CoalescePolicy) -> int:
    """Return the number of markets that wait in all shards."""
    return sum(redis_client().hlen(_keys(shard)[0]) for shard in range(policy.slot_shards.stop))


def dropped_hints() -> int:
    """Return the number of hints that found their shard full, since Redis was set up."""
    return int(cast("bytes | None", redis_client().get(_keys(0)[-1])) or 0)


def first_within(key: str, window_ms: int) -> bool:
    """Return True if nobody has claimed `key` within the window; asking claims it.

    A window of 0 claims nothing: the result is always True.
    """
    if window_ms == 0:
        return True
    return bool(redis_client().set(f"hardline:asked:{key}", "1", nx=True, px=window_ms))
