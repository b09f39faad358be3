-- Marking what a feed begun anew brings, and removing the rest.

-- name: mark
INSERT OR IGNORE INTO feed_seen (scope, key) VALUES (?, ?)

-- name: mark_withdrawn_customer
INSERT OR IGNORE INTO feed_seen (scope, key)
SELECT scope, id FROM customer WHERE scope = ? AND id = ? AND state = 'withdrawn'

-- name: mark_withdrawn_keyed
INSERT OR IGNORE INTO feed_seen (scope, key)
SELECT scope, key FROM {table} WHERE scope = ? AND key = ? AND state = 'withdrawn'

-- name: stale
SELECT id FROM customer
WHERE scope = ? AND (state = 'active' OR state = 'withdrawn' AND version > 0)
  AND NOT EXISTS (SELECT 1 FROM feed_seen WHERE feed_seen.scope = ? AND key = customer.id)

-- The ERP counts on from an older version than this one was.
-- name: forget_version
UPDATE customer SET version = 0 WHERE id = ? AND scope = ? AND state = 'withdrawn'

-- name: withdraw_keyed
UPDATE {table} SET state = 'withdrawn', record = NULL, version = 0
WHERE scope = ? AND state IN ('active', 'withdrawn')
  AND NOT EXISTS (SELECT 1 FROM feed_seen WHERE feed_seen.scope = ? AND feed_seen.key = {table}.key)

-- name: forget_seen
DELETE FROM feed_seen WHERE (scope, key) IN (SELECT scope, key FROM feed_seen LIMIT ?)
