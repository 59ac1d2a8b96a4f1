"""Tables full enough that PostgreSQL would rather use an index than read one of them whole."""

ROWS = 10_000

FILL = f"""
INSERT INTO pets (id, name, species, species_key, age_years, status, version, created_at, updated_at)
SELECT nextval('pets_id_seq'), 'Pet ' || n, 'Kind ' || n % 200, 'kind ' || n % 200, n % 20,
    (ARRAY['available', 'pending', 'sold'])[1 + n % 3], 1, now() + n * interval '1 ms', now()
FROM generate_series(1, {ROWS}) AS n;

INSERT INTO tasks (
    id, title, title_key, search_text, status, priority, assignee, due_date, created_at, updated_at, version
)
SELECT nextval('tasks_id_seq'), title, title, title, (ARRAY['new', 'in_progress', 'completed'])[1 + n % 3], 1 + n % 5,
    'person-' || n % 200, date '2026-12-01' + n % 365, now() + n * interval '1 ms', now() - n * interval '1 ms', 1
FROM generate_series(1, {ROWS}) AS n, concat('task ', n) AS title;

INSERT INTO orders (id, tenant_id, status, version, created_at, updated_at)
SELECT gen_random_uuid(), 'tenant-' || n % 5, (ARRAY['draft', 'confirmed', 'closed'])[1 + n % 3], 1,
    timestamptz '2026-01-01' + n * interval '1 s', now()
FROM generate_series(1, {ROWS}) AS n;

INSERT INTO applications (id, name)
SELECT '01JCZ5W1XJ8T3S6V' || lpad(n::text, 10, '0'), 'application ' || n FROM generate_series(1, {ROWS}) AS n;
INSERT INTO configurations (id, application_id, name, config)
SELECT '01JCZ5Y7Q2GDB5E0' || lpad(n::text, 10, '0'), '01JCZ5W1XJ8T3S6V' || lpad(n::text, 10, '0'), 'one', '{{"a": 1}}'
FROM generate_series(1, {ROWS}) AS n;

INSERT INTO users (
    id, email, email_key, is_active, role, scopes, password_hash, created_at, updated_at, version
)
SELECT gen_random_uuid(), email, email, true, 'user', '{{}}', '', now(), now(), 1
FROM generate_series(1, {ROWS}) AS n, concat(n, '@example.com') AS email;
INSERT INTO sessions (id, user_id, counter, token_hash, created_at, refreshed_at, expires_at)
SELECT gen_random_uuid(), id, 0, '', now(), now(), now() + interval '7 days' FROM users;

INSERT INTO idempotency_keys (tenant_id, scope, key, fingerprint, status, body)
SELECT 'tenant-' || n % 5, 'POST /orders', n, '', 201, '' FROM generate_series(1, {ROWS}) AS n;
INSERT INTO outbox (tenant_id, id, aggregatetype, aggregateid, aggregateversion, type, payload, created_at)
SELECT 'tenant-' || n % 5, gen_random_uuid(), 'order', n, 1, 'order.created', '{{}}', now()
FROM generate_series(1, {ROWS}) AS n;
"""

TABLES = frozenset(
    {
        *("pets", "tasks", "orders", "applications", "configurations", "users", "sessions"),
        *("idempotency_keys", "outbox"),
    }
)
"""The filled ones. What others there are have a few rows: a sink, a migration."""
