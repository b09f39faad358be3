-- Rows of the feed, many at a time.

-- name: pending
SELECT DISTINCT customer_id FROM journal WHERE type >= 'customer.' AND type < 'customer/'

-- name: add
INSERT INTO customer (scope, version, state, editors, record, shown, words, code_key, tax_key, row, id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: change
UPDATE customer SET scope = ?, version = ?, state = ?, editors = ?, record = ?, shown = ?, words = ?,
    code_key = ?, tax_key = ?
WHERE row = ?

-- The keys are what they were: their indexes are left alone.
-- name: rewrite
UPDATE customer SET scope = ?, version = ?, state = ?, editors = ?, record = ?, shown = ?, words = ?
WHERE row = ?

-- Id and version stay, so that nothing older can come back.
-- name: withdraw
UPDATE customer SET state = 'withdrawn', editors = NULL, code_key = NULL, tax_key = NULL,
    record = NULL, shown = NULL, words = NULL
WHERE row = ?

-- name: note_gone
INSERT INTO feed_gone (scope, key, version, state) VALUES (?, ?, ?, ?)
ON CONFLICT (scope, key) DO UPDATE SET version = excluded.version, state = excluded.state

-- name: held_customer
SELECT scope, version, state FROM customer WHERE id = ?

-- Of `reference` and `card` alike.
-- name: held_keyed
SELECT scope, version, state FROM {table} WHERE key = ?

-- name: put_reference
INSERT INTO reference (key, scope, version, state, record) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET scope = excluded.scope, version = excluded.version,
    state = excluded.state, record = excluded.record

-- name: put_card
INSERT INTO card (key, scope, version, state, record, customer_id) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET scope = excluded.scope, version = excluded.version,
    state = excluded.state, record = excluded.record, customer_id = excluded.customer_id
