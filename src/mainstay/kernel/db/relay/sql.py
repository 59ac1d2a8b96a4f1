"""The relay's statements, for the session that holds its lock.

outbox             the log; a `position` says where in it an event stands
outbox_sinks       how far each sink has got
outbox_deliveries  what is behind that and was not taken: `due_at` says when an attempt is due, `dead_at` that none
is any more; where both are NULL an earlier one of the same aggregate comes first
"""

# The subselect is sorted, then numbered row by row: an UPDATE … FROM alone promises no order.
STAMP = """
WITH numbered AS MATERIALIZED (
    SELECT tenant_id, id, nextval('outbox_position_seq') AS position
    FROM (SELECT tenant_id, id FROM outbox WHERE position IS NULL ORDER BY seq LIMIT $1) AS pending
)
UPDATE outbox o SET position = n.position FROM numbered n WHERE o.tenant_id = n.tenant_id AND o.id = n.id
"""

# Nobody sends to the others any more: what they have not taken is no backlog.
REGISTER = """
WITH others AS (UPDATE outbox_sinks SET is_served = false WHERE is_served AND NOT sink = ANY($1::text[]))
INSERT INTO outbox_sinks (sink, position)
SELECT sink, coalesce((SELECT max(position) FROM outbox_sinks), 0) FROM unnest($1::text[]) AS sink
ON CONFLICT (sink) DO UPDATE SET is_served = true WHERE NOT outbox_sinks.is_served
"""

STATE = "SELECT position, disabled_at IS NOT NULL FROM outbox_sinks WHERE sink = $1"

DISABLE = "UPDATE outbox_sinks SET disabled_at = now(), last_error = $2 WHERE sink = $1"

EVENT = """
o.position, o.tenant_id, o.id, o.type, o.aggregatetype, o.aggregateid, o.aggregateversion, o.created_at, o.payload,
o.request_id, o.traceparent"""

AHEAD = f"""
SELECT {EVENT}, 0, held.by IS NOT NULL
FROM outbox o LEFT JOIN LATERAL (
    SELECT d.position AS by FROM outbox_deliveries d
    WHERE d.sink = $1 AND d.dead_at IS NULL
        AND (d.tenant_id, d.aggregatetype, d.aggregateid) = (o.tenant_id, o.aggregatetype, o.aggregateid)
    LIMIT 1
) AS held ON true
WHERE o.position > $2 ORDER BY o.position LIMIT $3
"""

DUE = f"""
SELECT {EVENT}, d.attempts, false
FROM (
    SELECT position, attempts, due_at FROM outbox_deliveries
    WHERE sink = $1 AND due_at <= now() ORDER BY due_at, position LIMIT $2
) AS d JOIN outbox o USING (position)
ORDER BY d.position
"""

HELD = f"""
SELECT {EVENT}, d.attempts, false
FROM unnest($2::text[], $3::text[], $4::text[]) AS a (tenant_id, aggregatetype, aggregateid)
CROSS JOIN LATERAL (
    SELECT d.position, d.attempts FROM outbox_deliveries d
    WHERE d.sink = $1 AND d.dead_at IS NULL AND d.due_at IS NULL
        AND (d.tenant_id, d.aggregatetype, d.aggregateid) = (a.tenant_id, a.aggregatetype, a.aggregateid)
    ORDER BY d.position LIMIT $5
) AS d JOIN outbox o USING (position)
ORDER BY d.position
"""

# What a sink has taken and refused is counted with it: right whichever process relays, and after a crash too.
ADVANCE = """
WITH moved AS (
    UPDATE outbox_sinks
    SET position = $2, published = published + $12, lag_seconds = lag_seconds + $13, failed = failed + $14,
        dead = dead + $15
    WHERE sink = $1
)
INSERT INTO outbox_deliveries (
    sink, position, event_id, tenant_id, aggregatetype, aggregateid, attempts, due_at, dead_at, last_error
)
SELECT $1, position, event_id, tenant_id, aggregatetype, aggregateid, attempts,
    now() + make_interval(secs => delay), CASE WHEN dead THEN now() END, error
FROM unnest(
    $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::smallint[], $9::float8[], $10::bool[], $11::text[]
) AS d (position, event_id, tenant_id, aggregatetype, aggregateid, attempts, delay, dead, error)
"""

# All parts see the table as it was before, hence `after`: what is settled is still among an aggregate's deliveries.
SETTLE = """
WITH taken AS (DELETE FROM outbox_deliveries WHERE sink = $1 AND position = ANY($2::bigint[])),
tried AS (
    UPDATE outbox_deliveries d
    SET attempts = t.attempts, due_at = now() + make_interval(secs => t.delay),
        dead_at = CASE WHEN t.dead THEN now() END, last_error = t.error
    FROM unnest($3::bigint[], $4::smallint[], $5::float8[], $6::bool[], $7::text[])
        AS t (position, attempts, delay, dead, error)
    WHERE d.sink = $1 AND d.position = t.position
),
counted AS (
    UPDATE outbox_sinks
    SET published = published + $12, lag_seconds = lag_seconds + $13, failed = failed + $14, dead = dead + $15
    WHERE sink = $1
)
UPDATE outbox_deliveries SET due_at = now()
FROM unnest($8::text[], $9::text[], $10::text[], $11::bigint[]) AS a (tenant_id, aggregatetype, aggregateid, after)
CROSS JOIN LATERAL (
    SELECT d.position FROM outbox_deliveries d
    WHERE d.sink = $1 AND d.dead_at IS NULL AND d.position > a.after
        AND (d.tenant_id, d.aggregatetype, d.aggregateid) = (a.tenant_id, a.aggregatetype, a.aggregateid)
    ORDER BY d.position LIMIT 1
) AS next
WHERE outbox_deliveries.sink = $1 AND outbox_deliveries.position = next.position AND due_at IS NULL
"""

# A page of the log at a time. It ends where a page holds nothing old: events stand in it as they were committed, and
# an index on the time of each would cost every write.
PURGE_EVENTS = """
WITH page AS (
    SELECT tenant_id, id, position, created_at < now() - $2::interval AS old
    FROM outbox
    WHERE position > $3 AND position <= coalesce(
        (SELECT min(position) FROM outbox_sinks WHERE sink = ANY($1::text[])), 9223372036854775807
    )
    ORDER BY position LIMIT $4
), gone AS (
    DELETE FROM outbox o USING page p
    WHERE o.tenant_id = p.tenant_id AND o.id = p.id AND p.old AND NOT EXISTS (
        SELECT FROM outbox_deliveries d
        WHERE d.position = p.position AND d.sink = ANY($1::text[]) AND d.dead_at IS NULL
    )
    RETURNING o.position
), forgotten AS (
    DELETE FROM outbox_deliveries d USING gone g WHERE d.position = g.position
)
SELECT coalesce(max(position), 0), count(*) FILTER (WHERE old), (SELECT count(*) FROM gone) FROM page
"""

PURGE_KEYS = """
WITH old AS (
    SELECT tenant_id, scope, key FROM idempotency_keys
    WHERE created_at < now() - $1::interval ORDER BY created_at LIMIT $2
)
DELETE FROM idempotency_keys k USING old o
WHERE k.tenant_id = o.tenant_id AND k.scope = o.scope AND k.key = o.key
"""
