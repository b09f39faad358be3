-- The till's own changes on their way up, and how far the ERP is with them.

-- name: read_meta
SELECT value FROM meta WHERE name = ?

-- name: write_meta
INSERT INTO meta (name, value) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- name: append
INSERT INTO journal (epoch, seq, id, type, customer_id, body, at) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: after
SELECT epoch, seq, id, type, customer_id, body, at FROM journal
WHERE epoch = ? AND seq > ? ORDER BY seq LIMIT ?

-- name: body_of
SELECT body FROM journal WHERE epoch = ? AND seq = ?

-- name: first_after
SELECT seq, at FROM journal WHERE epoch = ? AND seq > ? ORDER BY seq LIMIT 1

-- In the order they were made, which no clock tells: entries of earlier numberings are all applied (those that were not
-- got new numbers), and the names of numberings grow (store.journal.next_epoch).
-- name: of_customer
SELECT type, body FROM journal
WHERE customer_id = ? AND type >= ? || '.' AND type < ? || '/' ORDER BY epoch = ?, epoch, seq

-- name: of_cards
SELECT type, body FROM journal WHERE type >= 'card.' AND type < 'card/' ORDER BY epoch = ?, epoch, seq

-- name: count_of_customer
SELECT count(*) FROM journal WHERE customer_id = ?

-- name: any_entry
SELECT EXISTS (SELECT 1 FROM journal)

-- name: mark_applied
UPDATE journal SET heads = ? WHERE epoch = ? AND seq <= ? AND heads IS NULL

-- The applied ones are the lowest of the current numbering and all of the earlier ones: no scan of the rest.
-- name: applied
SELECT epoch, seq, customer_id, heads FROM journal WHERE epoch = :epoch AND seq <= :applied AND heads IS NOT NULL
UNION ALL
SELECT epoch, seq, customer_id, heads FROM journal WHERE epoch < :epoch AND heads IS NOT NULL
UNION ALL
SELECT epoch, seq, customer_id, heads FROM journal WHERE epoch > :epoch AND heads IS NOT NULL

-- name: replace_heads
UPDATE journal SET heads = ? WHERE epoch = ? AND seq = ?

-- name: delete
DELETE FROM journal WHERE epoch = ? AND seq = ?

-- name: unapplied
SELECT epoch, seq, id, type, customer_id, body, at FROM journal WHERE heads IS NULL ORDER BY epoch = ?, epoch, seq

-- name: last_epoch
SELECT max(epoch) FROM journal

-- name: entry
SELECT epoch, seq, id, type, customer_id, body, at FROM journal WHERE epoch = ? AND seq = ?

-- name: note_renumbered
INSERT OR IGNORE INTO renumbered (epoch, seq) VALUES (?, ?)

-- name: was_renumbered
SELECT EXISTS (SELECT 1 FROM renumbered WHERE epoch = ? AND seq = ?)

-- name: forget_renumbered
DELETE FROM renumbered WHERE epoch <> ?

-- name: renumber
UPDATE journal SET epoch = ?, seq = ?, body = ?, heads = NULL WHERE epoch = ? AND seq = ?

-- name: forget_applied_after
UPDATE journal SET heads = NULL WHERE epoch = ? AND seq > ?
