-- Tills and their switches, as those who answer tills need them.

-- name: load_tills
SELECT pos_id, centre, mode = 'local_only' AS local_only
FROM till
WHERE pos_id = ANY ($1::text[]) AND active;

-- name: load_settings
SELECT record::text AS record
FROM reference
WHERE key = ANY ($1::text[]) AND kind = 'setting' AND state = 'active';
