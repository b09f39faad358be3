-- What a digest counts: active rows as they are stored, deleted and anonymised ones as each scope told them.

-- name: customers
SELECT id, version, editors, record FROM customer WHERE scope = ? AND state = 'active'

-- name: keyed
SELECT key, version, record FROM {table} WHERE scope = ? AND state = 'active'

-- name: gone
SELECT key, version, state FROM feed_gone WHERE scope = ?

-- name: ids
SELECT id, version FROM customer WHERE scope = ? AND state = 'active'

-- name: gone_keys
SELECT key, version FROM feed_gone WHERE scope = ?

-- name: withdraw_keyed
UPDATE {table} SET state = 'withdrawn', record = NULL
WHERE scope = ? AND key = ? AND version = ? AND state = 'active'

-- name: forget_gone
DELETE FROM feed_gone WHERE scope = ? AND key = ? AND version = ?

-- name: at_version
SELECT 1 FROM customer WHERE id = ? AND version = ?
