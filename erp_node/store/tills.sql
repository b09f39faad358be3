-- Tills: who is enrolled, who was heard, how far each is.

-- name: enrol
INSERT INTO till (pos_id, centre, mode, partition, password_hash)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (pos_id) DO UPDATE
SET centre = excluded.centre, mode = excluded.mode, partition = excluded.partition,
    password_hash = excluded.password_hash, active = true, enrolled_at = now();

-- name: wait_for_numbering
-- What the sequencer is numbering now it has numbered then: see begin_pass in feed.sql.
SELECT pg_advisory_xact_lock(7305002);

-- name: retire
UPDATE till SET active = false WHERE pos_id = $1;

-- name: forget_holdings
DELETE FROM till_holding WHERE pos_id = $1;

-- name: forget_feed
-- The head stays: a till that is enrolled again must not be given a number twice.
WITH marks AS (DELETE FROM feed_mark WHERE scope = 'pos.' || $1::text),
     rows AS (DELETE FROM feed_entry WHERE scope = 'pos.' || $1::text),
     progress AS (DELETE FROM feed_progress WHERE pos_id = $1)
UPDATE feed_scope SET entries = 0 WHERE scope = 'pos.' || $1::text;

-- name: find
SELECT pos_id, centre, mode, partition, password_hash, active FROM till WHERE pos_id = $1;

-- name: list_active
SELECT pos_id, centre, mode, partition, password_hash, active FROM till WHERE active ORDER BY pos_id;

-- name: hear
-- `former`: the instances heard before this one, the last first. One of them that is heard again runs beside a newer
-- one; `twice_at` is when that was last so. Answers whether it was not so within the $3 seconds before.
UPDATE till SET seen_at = clock_timestamp(), presence = $2::jsonb || jsonb_build_object(
    'former', (
        SELECT coalesce(jsonb_agg(one), '[]') FROM (
            SELECT one FROM jsonb_array_elements_text(jsonb_build_array(before.instance) || before.former)
                WITH ORDINALITY AS heard (one, place)
            WHERE one <> $2::jsonb ->> 'instance' ORDER BY place LIMIT 4
        ) AS kept
    ),
    'twice_at', CASE WHEN before.former ? ($2::jsonb ->> 'instance') THEN clock_timestamp() ELSE before.twice_at END
)
FROM (
    SELECT presence ->> 'instance' AS instance, coalesce(presence -> 'former', '[]') AS former,
           (presence ->> 'twice_at')::timestamptz AS twice_at
    FROM till WHERE pos_id = $1 FOR UPDATE
) AS before
WHERE till.pos_id = $1
RETURNING before.former ? ($2::jsonb ->> 'instance')
      AND (before.twice_at IS NULL OR before.twice_at < clock_timestamp() - make_interval(secs => $3));

-- name: progress
SELECT applied_seq, last_hash FROM journal_progress WHERE pos_id = $1 AND epoch = $2;

-- name: standings
SELECT pos_id, centre, mode, seen_at, presence::text AS presence,
       seen_at > clock_timestamp() - make_interval(secs => $1) AS online,
       (presence ->> 'twice_at')::timestamptz > clock_timestamp() - make_interval(secs => $2) AS twice
FROM till
WHERE active
ORDER BY pos_id;

-- name: heads
SELECT scope, head FROM feed_scope;
