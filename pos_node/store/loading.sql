-- The first load, and what is carried over from the file it replaces.

-- name: customer_indexes
SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'customer' AND sql IS NOT NULL

-- name: add
INSERT INTO customer (row, id, scope, version, state, editors, code_key, tax_key, record, words)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?)

-- name: note_gone
INSERT OR REPLACE INTO feed_gone (scope, key, version, state) VALUES (?, ?, ?, ?)

-- name: repeated
SELECT id FROM customer GROUP BY id HAVING count(*) > 1

-- name: lines_of
SELECT row, words, scope, version, state FROM customer WHERE id = ? ORDER BY row

-- name: customers
SELECT id, scope, version, state, editors, code_key, tax_key, record, shown, words FROM customer

-- name: changed_here
SELECT DISTINCT customer_id FROM journal

-- name: record_of
SELECT state, record FROM customer WHERE id = ?

-- name: held
SELECT row, words, scope, version, state FROM customer WHERE id = ?

-- name: put
INSERT INTO customer (id, scope, version, state, editors, code_key, tax_key, record, shown, words)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: replace
UPDATE customer SET scope = ?, version = ?, state = ?, editors = ?, code_key = ?, tax_key = ?,
    record = ?, shown = ?, words = ?
WHERE row = ?
