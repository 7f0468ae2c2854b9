"""The statements of an ingest: recording a feed's answer, and applying what it says."""

from __future__ import annotations

from streaming.core.movement import IS_MAJOR
from streaming.core.staleness import PACED_TRUST

# A complete answer admits its feed to the provider's generation. An incremental one only adds to a
# complete one of this generation.
TOUCH_FEED = f"""
WITH provider AS MATERIALIZED (
    SELECT id, generation, clock = 'wall' AS is_live, stale_after_seconds,
           GREATEST(stale_after_seconds, {PACED_TRUST} * paced_interval_seconds)
               AS continuous_seconds,
           -- A worker whose clock runs ahead must not make everybody else's answers old.
           CASE clock WHEN 'wall' THEN LEAST(%(received_at)s, clock_timestamp())
                      ELSE %(received_at)s END AS received_at
    FROM betting_provider WHERE id = %(provider)s
),
before AS MATERIALIZED (
    SELECT id, observed_at, generation FROM betting_feed
    WHERE provider_id = %(provider)s AND key = %(key)s
),
touched_feed AS (
    INSERT INTO betting_feed AS feed (provider_id, key, observed_at, generation)
    SELECT id, %(key)s, received_at, CASE WHEN %(is_complete)s THEN generation ELSE 0 END
    FROM provider WHERE generation = COALESCE(%(generation)s::bigint, generation)
    ON CONFLICT (provider_id, key) DO UPDATE
    SET observed_at = excluded.observed_at,
        generation = GREATEST(feed.generation, excluded.generation)
    WHERE feed.observed_at <= excluded.observed_at
      AND (%(is_complete)s OR feed.generation = (SELECT generation FROM provider))
    RETURNING id, generation
)
SELECT COALESCE(touched_feed.id, before.id, 0),
       touched_feed.generation IS NOT DISTINCT FROM provider.generation,
       COALESCE(before.generation, 0) < provider.generation,
       provider.is_live, (SELECT value FROM betting_names_epoch), provider.received_at,
       before.observed_at, provider.stale_after_seconds, provider.continuous_seconds,
       set_config('plan_cache_mode', %(plan_cache_mode)s, true)
FROM provider LEFT JOIN touched_feed ON true LEFT JOIN before ON true
"""  # noqa: S608 - a constant of ours

_CLOSED_MARKETS = """
SELECT m.id FROM betting_event e JOIN betting_market m ON m.event_id = e.id
WHERE e.id = ANY (%(bound_events)s::bigint[]) AND e.status = 'ended'
"""

# The columns of `streaming.ingest.comparison.Offered`.
OFFERED = f"""
SELECT COALESCE(array_agg(id), '{{}}'), COALESCE(array_agg(outcome_id), '{{}}'),
       COALESCE(array_agg(bookmaker_id::bigint), '{{}}'),
       COALESCE(array_agg(side = 'lay'), '{{}}'), COALESCE(array_agg(price), '{{}}'),
       COALESCE(array_agg(status = 'active'), '{{}}'), ARRAY({_CLOSED_MARKETS})
FROM betting_quote WHERE feed_id = %(feed)s AND status <> 'suspended'
"""  # noqa: S608 - a constant of ours

# Of a complete answer it is given only what `streaming.ingest.comparison` has found to differ.
APPLY = f"""
WITH incoming AS MATERIALIZED (
    SELECT outcome_id, market_id, bookmaker_id, CASE WHEN is_lay THEN 'lay' ELSE 'back' END AS side,
           NULLIF(price, 'NaN') AS price,  -- none: no longer offered
           to_timestamp(NULLIF(source_seconds, 'NaN')) AS source_at, is_confirmed, lead_seconds,
           -- When the provider looked, as `streaming.ingest.confirmations` takes it.
           LEAST(CASE WHEN %(stamps_confirm)s THEN to_timestamp(NULLIF(source_seconds, 'NaN')) END,
                 %(received_at)s) AS looked_at
    FROM unnest(
        %(outcomes)s::bigint[], %(markets)s::bigint[], %(bookmakers)s::bigint[],
        %(lays)s::boolean[], %(prices)s::float8[], %(source_seconds)s::float8[],
        %(confirmed)s::boolean[], %(leads)s::float8[]
    ) AS i (outcome_id, market_id, bookmaker_id, is_lay, price, source_seconds, is_confirmed,
            lead_seconds)
    WHERE market_id NOT IN ({_CLOSED_MARKETS})
),

-- The events that the provider owns: a listed one takes its names, start and state from the
-- answer; a started one that a complete list leaves out has ended. An event that has been closed by
-- later answers than this one, which came before its start, is closed again: `closed_for` is then
-- no start.
listed AS (
    UPDATE betting_event e
    SET sport_id = %(sport)s, home = v.home, away = v.away, commence_time = v.commence_time,
        status = v.status,
        closed_for = CASE WHEN e.closed_for > %(received_at)s
                          AND v.commence_time > %(received_at)s
                          THEN %(received_at)s ELSE e.closed_for END
    FROM (
        SELECT *, CASE WHEN commence_time <= %(received_at)s THEN 'live' ELSE 'scheduled' END
            AS status
        FROM unnest(
            %(owned_events)s::bigint[], %(homes)s::text[], %(aways)s::text[],
            %(commence_times)s::timestamptz[]
        ) AS u (id, home, away, commence_time)
    ) AS v
    WHERE e.id = v.id AND (%(is_list)s OR e.status <> 'ended')
      AND ((e.sport_id, e.home, e.away, e.commence_time, e.status)
        IS DISTINCT FROM (%(sport)s, v.home, v.away, v.commence_time, v.status)
        OR e.closed_for > %(received_at)s)
),
reopened AS (
    UPDATE betting_event e SET closed_for = %(received_at)s
    WHERE e.id = ANY (%(events)s::bigint[])
      AND e.closed_for > %(received_at)s AND e.commence_time > %(received_at)s
      AND NOT (e.id = ANY (%(owned_events)s::bigint[]) AND (%(is_list)s OR e.status <> 'ended'))
),
ended AS (
    UPDATE betting_event e SET status = 'ended'
    WHERE %(is_list)s AND %(is_complete)s
      AND e.sport_id = %(sport)s AND e.status <> 'ended' AND e.commence_time <= %(received_at)s
      AND e.id <> ALL (%(events)s::bigint[])
      AND %(provider)s = (
          SELECT a.provider_id FROM betting_eventalias a WHERE a.event_id = e.id
          ORDER BY a.id LIMIT 1
      )
    RETURNING e.id
),

-- What the answer says otherwise than the quotes do, and whether that is taken: then it is new. Ids
-- are drawn here, so that history can name them. A quote that is quarantined belongs to whichever
-- feed offers it again, and so does a suspended one, but for those of another provider that looked
-- before it was suspended. An active one is left to its provider unless that one has looked at it
-- much earlier: two that relay one bookmaker and disagree would take it from each other at every
-- poll. What is said of a bookmaker that the answer does not confirm changes nothing.
differing AS MATERIALIZED (
    SELECT COALESCE(q.id, nextval(pg_get_serial_sequence('betting_quote', 'id'))) AS quote_id,
           i.outcome_id, i.market_id, i.bookmaker_id, i.side, i.price, i.source_at, i.looked_at,
           q.price AS old_price, q.status AS old_status, q.feed_id AS holder_id,
           LEAST(q.source_at, q.changed_at) AS priced_at,
           q.id IS NULL OR q.changed_at <= %(received_at)s AND (
               q.status = 'quarantined'
               OR q.status = 'suspended' AND (
                   -- Who looked before it was taken off cannot know that it was. Two clocks tell
                   -- nothing of each other.
                   i.looked_at >= q.changed_at
                   OR q.feed_id NOT IN (
                       SELECT feed.id FROM betting_feed feed
                       JOIN betting_provider other ON other.id = feed.provider_id
                       JOIN betting_provider guest
                         ON guest.id = %(provider)s AND guest.clock = other.clock
                       WHERE other.id <> guest.id
                   )
               )
               OR q.status = 'active' AND (
                   q.feed_id IN (SELECT id FROM betting_feed WHERE provider_id = %(provider)s)
                   OR i.looked_at > (
                       SELECT COALESCE(lagging.at, known.confirmed_at, feed.observed_at)
                           + make_interval(secs => GREATEST(
                               i.lead_seconds, 1.5 * guest.interval_seconds,
                               1.5 * guest.paced_interval_seconds
                           ))
                       FROM betting_feed feed
                       JOIN betting_provider owner ON owner.id = feed.provider_id
                       -- By the guest's own times alone: a holder that is seldom asked must not
                       -- keep a direct feed out. The interval counts until the looks have taught
                       -- more.
                       -- The times of a recording say nothing of those that pass now.
                       JOIN betting_provider guest
                         ON guest.id = %(provider)s AND guest.clock = owner.clock
                       LEFT JOIN betting_feedbook known
                         ON known.feed_id = feed.id AND known.bookmaker_id = q.bookmaker_id
                       LEFT JOIN LATERAL unnest(known.lagging_markets, known.lagging_ats)
                         AS lagging (market_id, at) ON lagging.market_id = q.market_id
                       WHERE feed.id = q.feed_id
                   )
               )
           ) AS is_taken
    FROM incoming i
    LEFT JOIN betting_quote q
      ON q.outcome_id = i.outcome_id AND q.bookmaker_id = i.bookmaker_id AND q.side = i.side
    WHERE i.price IS NOT NULL AND i.is_confirmed
      AND (q.id IS NULL OR q.status <> 'active' OR q.price <> i.price)
),
-- What this feed says of other providers' quotes that they are not changed to. Two clocks tell
-- nothing of each other.
rival AS MATERIALIZED (
    SELECT d.quote_id, d.market_id, d.price, d.looked_at, d.priced_at
    FROM differing d
    JOIN betting_feed held ON held.id = d.holder_id
    JOIN betting_provider holder ON holder.id = held.provider_id
    JOIN betting_provider guest
      ON guest.id = %(provider)s AND guest.id <> holder.id AND guest.clock = holder.clock
    WHERE d.is_taken IS NOT TRUE AND d.old_status = 'active'
),
-- What it no longer offers: this feed's quotes that it takes back, those that it leaves out though
-- it is complete, and everything that anyone quotes on an event that has ended.
silent AS MATERIALIZED (
    SELECT q.id AS quote_id, q.outcome_id, q.market_id, q.bookmaker_id, q.side, q.price,
           (SELECT m.event_id FROM betting_market m WHERE m.id = q.market_id)
               IN (SELECT id FROM ended) AS has_ended
    FROM betting_quote q WHERE q.id = ANY (%(unlisted)s::bigint[])
    UNION ALL
    SELECT q.id, q.outcome_id, q.market_id, q.bookmaker_id, q.side, q.price, false
    FROM incoming i
    JOIN betting_quote q
      ON q.outcome_id = i.outcome_id AND q.bookmaker_id = i.bookmaker_id AND q.side = i.side
    WHERE i.price IS NULL AND NOT %(is_complete)s AND q.feed_id = %(feed)s
      AND q.status <> 'suspended' AND q.changed_at <= %(received_at)s
    UNION ALL
    SELECT q.id, q.outcome_id, q.market_id, q.bookmaker_id, q.side, q.price, true
    FROM ended
    JOIN betting_market m ON m.event_id = ended.id
    JOIN betting_quote q ON q.market_id = m.id AND q.status <> 'suspended'
    WHERE q.feed_id <> %(feed)s
),

opened AS (
    INSERT INTO betting_quote
        (id, outcome_id, market_id, bookmaker_id, side, feed_id, price, status, source_at,
         changed_at)
    SELECT quote_id, outcome_id, market_id, bookmaker_id, side, %(feed)s, price, 'active',
           source_at, %(received_at)s
    FROM differing WHERE old_status IS NULL
),
rewritten AS (
    UPDATE betting_quote q
    SET feed_id = %(feed)s, price = d.price, status = 'active', source_at = d.source_at,
        changed_at = %(received_at)s
    FROM differing d WHERE q.id = d.quote_id AND d.is_taken AND d.old_status IS NOT NULL
),
suspended AS (
    UPDATE betting_quote q
    SET status = 'suspended', changed_at = GREATEST(q.changed_at, %(received_at)s)
    FROM silent s WHERE q.id = s.quote_id
),

-- The history. A name that loses exactly one point and gains exactly one has moved: one change.
step AS (
    SELECT quote_id, outcome_id, market_id, bookmaker_id, side, old_price, price AS new_price,
           source_at,
           CASE WHEN old_status IS NULL THEN 'opened' WHEN old_status <> 'active' THEN 'resumed'
                ELSE 'price' END AS kind,
           -- What comes back from quarantine has been there all the time: no point was gained.
           old_status IS NULL OR old_status = 'suspended' AS is_gain
    FROM differing WHERE is_taken
    UNION ALL
    SELECT quote_id, outcome_id, market_id, bookmaker_id, side, price, NULL, NULL,
           CASE WHEN has_ended THEN 'ended' ELSE 'suspended' END, false
    FROM silent
),
paired AS (
    SELECT step.*, o.point,
           count(*) FILTER (WHERE is_gain) OVER same_name = 1
               AND count(*) FILTER (WHERE kind = 'suspended') OVER same_name = 1 AS has_moved,
           max(old_price) FILTER (WHERE kind = 'suspended') OVER same_name AS left_price,
           max(o.point) FILTER (WHERE kind = 'suspended') OVER same_name AS left_point
    FROM step JOIN betting_outcome o ON o.id = step.outcome_id
    WHERE o.id = ANY (ARRAY(SELECT outcome_id FROM step))
    WINDOW same_name AS (PARTITION BY step.market_id, bookmaker_id, side, o.name)
),
change AS (
    SELECT quote_id, market_id, 'point' AS kind, left_price AS old_price, new_price,
           left_point AS old_point, point AS new_point, source_at
    FROM paired WHERE has_moved AND is_gain
    UNION ALL
    SELECT quote_id, market_id, kind, old_price, new_price, NULL, NULL, source_at
    FROM paired
    WHERE NOT has_moved OR kind IN ('price', 'ended') OR kind = 'resumed' AND NOT is_gain
),
classified AS MATERIALIZED (
    SELECT quote_id, market_id, kind, old_price, new_price, old_point, new_point, source_at,
           abs(new_price - old_price) / old_price AS price_change,
           CASE WHEN {IS_MAJOR} THEN 'major' ELSE 'minor' END AS classification
    FROM change
),
history AS (
    INSERT INTO betting_linechange
        (quote_id, market_id, kind, old_price, new_price, old_point, new_point, movement,
         classification, source_at, received_at)
    SELECT quote_id, market_id, kind,
           old_price, new_price, old_point, new_point, price_change, classification, source_at,
           %(received_at)s
    FROM classified
),

-- The prices that stand beside quotes of other providers. TOUCH_FEED keeps the answers of a feed in
-- the order of their arrival, so the last one counts. A row is written when its price changes, and
-- when its provider has looked for the first time since the quote was priced; a price that is
-- repeated costs no write.
disputed AS (
    INSERT INTO betting_rivalquote (quote_id, feed_id, market_id, price, looked_at)
    SELECT quote_id, %(feed)s, market_id, price, looked_at FROM rival v
    WHERE NOT EXISTS (
        SELECT FROM betting_rivalquote r
        WHERE r.quote_id = v.quote_id AND r.feed_id = %(feed)s AND r.price = v.price
          AND (r.looked_at >= v.priced_at OR v.looked_at < v.priced_at)
    )
    ON CONFLICT (quote_id, feed_id) DO UPDATE
    SET price = excluded.price, looked_at = excluded.looked_at
    RETURNING market_id
),
settled AS (
    DELETE FROM betting_rivalquote r
    WHERE r.feed_id = %(feed)s AND NOT EXISTS (SELECT FROM rival v WHERE v.quote_id = r.quote_id)
      AND (%(is_complete)s OR r.quote_id IN (
          SELECT q.id FROM incoming i
          JOIN betting_quote q
            ON q.outcome_id = i.outcome_id AND q.bookmaker_id = i.bookmaker_id AND q.side = i.side
      ))
    RETURNING market_id
),

-- The markets.
touched AS MATERIALIZED (
    SELECT market_id, true AS has_changed,
           bool_or(classification = 'major') AS is_major,
           max(price_change) FILTER (WHERE classification = 'major') AS price_change,
           -- The largest, in log-odds: those of 1/price are -ln(price - 1).
           max(abs(ln((new_price - 1) / (old_price - 1))))
               FILTER (WHERE new_price > 1 AND old_price > 1) AS move,
           count(*) FILTER (WHERE kind = 'opened') AS opened,
           count(*) FILTER (WHERE kind = 'price') AS price,
           count(*) FILTER (WHERE kind = 'point') AS point,
           count(*) FILTER (WHERE kind = 'suspended') AS suspended,
           count(*) FILTER (WHERE kind = 'resumed') AS resumed,
           count(*) FILTER (WHERE kind = 'ended') AS ended
    FROM classified GROUP BY market_id
    UNION ALL
    -- Where prices have only become too old to trust, or are confirmed again, and where those of
    -- others are disputed otherwise than before.
    SELECT id, false, false, NULL, NULL, 0, 0, 0, 0, 0, 0
    FROM (
        SELECT unnest(%(aged)s::bigint[])
        UNION SELECT market_id FROM disputed
        UNION SELECT market_id FROM settled
    ) AS a (id)
    WHERE id NOT IN (SELECT market_id FROM classified)
),
-- In id order, as every writer of markets locks them.
locked AS MATERIALIZED (
    SELECT t.* FROM betting_market m JOIN touched t ON t.market_id = m.id
    WHERE m.id = ANY (ARRAY(SELECT market_id FROM touched))
    ORDER BY m.id FOR NO KEY UPDATE OF m
)
UPDATE betting_market m
SET version = m.version + 1,
    changed_at = CASE WHEN t.has_changed THEN %(received_at)s ELSE m.changed_at END,
    dirty_at = CASE WHEN m.version = m.valued_version THEN clock_timestamp() ELSE m.dirty_at END
FROM locked t WHERE m.id = t.market_id AND m.id = ANY (ARRAY(SELECT market_id FROM locked))
RETURNING m.id, m.version, m.event_id, t.is_major, t.price_change, t.move,
          t.opened, t.price, t.point, t.suspended, t.resumed, t.ended
"""  # noqa: S608 - a constant of ours
