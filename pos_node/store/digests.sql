-- Rows as a digest counts them.

-- name: customers
SELECT id, version, editors, record FROM customer
WHERE scope = ? AND state = 'active' AND record IS NOT NULL

-- name: others
SELECT key, version, state, record FROM reference WHERE scope = ? AND state IN ('active', 'deleted')
UNION ALL
SELECT key, version, state, NULL FROM feed_gone WHERE scope = ?

-- name: lower
UPDATE customer SET version = version - 1 WHERE id = ?

-- name: forget_reference
DELETE FROM reference WHERE scope = ? AND key = ?

-- name: forget_gone
DELETE FROM feed_gone WHERE scope = ? AND key = ?
