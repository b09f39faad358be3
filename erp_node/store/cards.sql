-- Cards, their locks and what happened to them.

-- name: lock_rows
-- In one order, so that two transactions that want the same cards wait for each other in turn. (Rows that are only made
-- come after those that were there: two that deadlock over such a one are done again, store.transaction.)
SELECT number_key, pos_id, token, until, customer_id, question FROM card_lock
WHERE number_key = ANY ($1::text[])
ORDER BY number_key
FOR UPDATE;

-- name: make_lock_rows
INSERT INTO card_lock (number_key)
SELECT number_key FROM unnest($1::text[]) AS wanted (number_key) ORDER BY number_key
ON CONFLICT (number_key) DO NOTHING;

-- name: hold_cards
-- By a statement of its own, once the lock rows are held: an earlier one would see cards as they were before. Held as
-- well: SQL beside the application knows nothing of lock rows.
SELECT * FROM card WHERE number_key = ANY ($1::text[]) ORDER BY number_key FOR NO KEY UPDATE;

-- name: read_now
SELECT clock_timestamp() AS now;

-- name: take_tokens
SELECT nextval('card_token') AS token FROM generate_series(1, $1);

-- name: cards_of
-- The card that works, of each of these customers.
SELECT customer_id, number_key FROM card 
WHERE customer_id = ANY ($1::uuid[]) AND state IN ('active', 'confirmed', 'received');

-- name: owners_of
SELECT DISTINCT customer_id FROM card WHERE number_key = ANY ($1::text[]) AND customer_id IS NOT NULL;

-- name: write_locks
UPDATE card_lock l SET pos_id = n.pos_id, token = n.token, until = n.until, customer_id = n.customer_id,
    question = n.question
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::uuid[], $6::uuid[])
    AS n (number_key, pos_id, token, until, customer_id, question)
WHERE l.number_key = n.number_key;

-- name: make_cards
INSERT INTO card (number, form, type, state, customer_id, points, reason, reusable, value, token, request_id,
                  version, changed_by, changed_where)
SELECT n.*
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::bigint[], $7::text[], $8::boolean[],
            $9::numeric[], $10::bigint[], $11::uuid[], $12::bigint[], $13::text[], $14::text[])
    AS n (number, form, type, state, customer_id, points, reason, reusable, value, token, request_id,
          version, changed_by, changed_where)
ORDER BY n.number;

-- name: change_cards
-- Those that work no longer are written by a call of their own, before the others: store.cards.write_cards.
UPDATE card c SET state = n.state, customer_id = n.customer_id, reason = n.reason, token = n.token, type = n.type,
    points = n.points, reusable = n.reusable, value = n.value, version = n.version, changed_by = n.changed_by,
    changed_where = n.changed_where, changed_at = NULL
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::boolean[],
            $9::numeric[], $10::bigint[], $11::text[], $12::text[])
    AS n (number_key, state, customer_id, reason, token, type, points, reusable, value, version,
          changed_by, changed_where)
WHERE c.number_key = n.number_key;

-- name: add_events
INSERT INTO card_event (number_key, at, event, customer_id, changed_by, changed_where, detail, entry)
SELECT number_key, at, event, customer_id, changed_by, changed_where, detail::jsonb, entry
FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::uuid[])
    AS n (number_key, at, event, customer_id, changed_by, changed_where, detail, entry);

-- name: applied_entries
SELECT entry, event FROM card_event WHERE entry = ANY ($1::uuid[]) AND event IN ('assigned', 'blocked');

-- name: find_card
SELECT * FROM card WHERE number_key = $1;

-- name: history
SELECT id, at, event, customer_id, changed_by, changed_where, detail::text AS detail
FROM card_event
WHERE number_key = $1 AND ($2::bigint IS NULL OR id < $2)
ORDER BY id DESC LIMIT $3;

-- name: list_cards
SELECT * FROM card
WHERE ($1::uuid IS NULL OR customer_id = $1) AND ($2::text IS NULL OR number_key > $2)
ORDER BY number_key LIMIT $3;

-- name: tidy
-- Locks long over: their tokens are of one sequence, so that nothing is forgotten with them. What was only asked
-- is kept $1 days in the history.
WITH old AS (
    DELETE FROM card_lock WHERE number_key IN (
        SELECT number_key FROM card_lock
        WHERE until IS NULL OR until < clock_timestamp() - interval '1 day'
        ORDER BY number_key LIMIT $2 FOR UPDATE SKIP LOCKED
    )
),
events AS (
    DELETE FROM card_event WHERE id IN (
        SELECT id FROM card_event
        WHERE event IN ('locked', 'released', 'refused') AND at < clock_timestamp() - make_interval(days => $1)
        LIMIT $2
    ) RETURNING 1
)
SELECT count(*) FROM events;
