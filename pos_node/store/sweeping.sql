-- Marking what a feed begun anew brings, and removing the rest.

-- name: mark
INSERT OR IGNORE INTO feed_seen (scope, key) VALUES (?, ?)

-- name: stale
SELECT id FROM customer
WHERE scope = ? AND state = 'active'
  AND NOT EXISTS (SELECT 1 FROM feed_seen WHERE feed_seen.scope = ? AND key = customer.id)

-- name: withdraw_reference
UPDATE reference SET state = 'withdrawn', record = NULL
WHERE scope = ? AND state = 'active'
  AND NOT EXISTS (SELECT 1 FROM feed_seen WHERE feed_seen.scope = ? AND feed_seen.key = reference.key)

-- name: forget_seen
DELETE FROM feed_seen
WHERE scope = ? AND key IN (SELECT key FROM feed_seen WHERE scope = ? LIMIT ?)
