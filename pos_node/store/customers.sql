-- One customer at a time; what a page of the feed does to many is in arrivals.sql.

-- name: find
SELECT scope, version, state, editors, record, shown FROM customer WHERE id = ?

-- name: known
SELECT row, state, words, record FROM customer WHERE id = ?

-- name: by_code
SELECT id FROM customer WHERE code_key = ? AND state = 'active'

-- name: by_tax_number
SELECT id FROM customer WHERE tax_key = ? AND state = 'active'

-- name: make
INSERT INTO customer (row, id, state) VALUES (?, ?, 'active')

-- name: show_record
UPDATE customer SET shown = NULL WHERE row = ?;

-- name: show
UPDATE customer SET shown = ?, words = ?, code_key = ?, tax_key = ? WHERE row = ?
