-- How far each till's journal is applied, and what the ERP answers.

-- name: lock_progress
SELECT p.pos_id, p.epoch, p.applied_seq, p.last_hash
FROM unnest($1::text[], $2::text[]) AS asked (pos_id, epoch)
JOIN journal_progress p ON p.pos_id = asked.pos_id AND p.epoch = asked.epoch
ORDER BY p.pos_id, p.epoch
FOR UPDATE OF p;

-- name: write_progress
INSERT INTO journal_progress AS p (pos_id, epoch, applied_seq, last_hash)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
ON CONFLICT (pos_id, epoch) DO UPDATE
SET applied_seq = excluded.applied_seq, last_hash = excluded.last_hash, updated_at = now()
WHERE p.applied_seq < excluded.applied_seq;

-- name: add_verdicts
INSERT INTO verdict (pos_id, epoch, seq, record)
SELECT pos_id, epoch, seq, record::jsonb
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) AS n (pos_id, epoch, seq, record)
ON CONFLICT (pos_id, epoch, seq) DO NOTHING;

-- name: parked_entries
SELECT v.pos_id, v.epoch, v.seq, v.record -> 'params' ->> 'reason' AS reason
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS asked (pos_id, epoch, seq)
JOIN verdict v USING (pos_id, epoch, seq)
WHERE v.record ->> 'outcome' = 'parked';

-- name: forget_verdicts
-- Those older than $1 days, $2 at a time: tills have told them long ago.
WITH old AS (
    DELETE FROM verdict
    WHERE id IN (SELECT id FROM verdict WHERE at < now() - make_interval(days => $1) LIMIT $2)
    RETURNING id
),
gone AS (
    DELETE FROM feed_entry e USING old WHERE e.entity = old.id AND e.kind = 'verdict' RETURNING e.scope
),
counted AS (
    UPDATE feed_scope s SET entries = s.entries - gone.rows
    FROM (SELECT scope, count(*) AS rows FROM gone GROUP BY scope) AS gone
    WHERE s.scope = gone.scope
)
SELECT count(*) FROM old;
