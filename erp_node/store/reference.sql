-- Centres, operators, settings, lists.

-- name: put
-- A row that was deleted comes back with a higher version; one that is the same stays untouched.
INSERT INTO reference (key, kind, scopes, record)
SELECT key, kind, string_to_array(scopes, ' '), record::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS given (key, kind, scopes, record)
ON CONFLICT (key) DO UPDATE
SET scopes = excluded.scopes, record = excluded.record, state = 'active'
WHERE (reference.scopes, reference.record, reference.state)
      IS DISTINCT FROM (excluded.scopes, excluded.record, 'active');

-- name: lock
-- Until the end of the transaction.
SELECT record::text AS record FROM reference WHERE key = $1 AND state = 'active' FOR UPDATE;

-- name: delete
UPDATE reference SET state = 'deleted' WHERE key = $1 AND state = 'active' RETURNING key;

-- name: list
SELECT record::text AS record
FROM reference
WHERE kind = $1 AND state = 'active'
ORDER BY key;

-- name: find
SELECT record::text AS record FROM reference WHERE key = $1 AND state = 'active';
