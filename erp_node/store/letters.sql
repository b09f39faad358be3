-- Letters with the numbers of virtual cards: the outbox, one per request (CARD-9).

-- name: add_letters
INSERT INTO card_letter (request_id, number_key, customer_id, language)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[])
ON CONFLICT (request_id) DO NOTHING;

-- name: any_due
SELECT EXISTS (SELECT FROM card_letter WHERE state = 'waiting' AND due_at <= clock_timestamp());

-- name: take_due
-- One at a time: a process that ends leaves one letter of which nobody knows whether it was sent.
WITH due AS MATERIALIZED (
    SELECT request_id FROM card_letter
    WHERE state = 'waiting' AND due_at <= clock_timestamp()
    ORDER BY due_at LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE card_letter l
SET state = 'sending', attempts = attempts + 1, due_at = clock_timestamp() + make_interval(secs => $1)
FROM due
WHERE l.request_id = due.request_id
RETURNING l.request_id, l.customer_id, l.language, l.attempts, l.due_at, clock_timestamp() AS now,
    (SELECT number FROM card c
     WHERE c.number_key = l.number_key AND c.customer_id = l.customer_id AND c.state <> 'blocked') AS number;

-- name: settle
-- Only by whoever took it, and as long as nobody has given it up: due_at is of this one taking.
UPDATE card_letter
SET state = $3, reason = $4, due_at = clock_timestamp() + make_interval(secs => $5)
WHERE request_id = $1 AND state = 'sending' AND due_at = $2
RETURNING true;

-- name: find_lost
UPDATE card_letter
SET state = 'unsure', reason = $1, due_at = clock_timestamp()
WHERE state = 'sending' AND due_at <= clock_timestamp()
RETURNING request_id;

-- name: hold_due
SELECT request_id, attempts FROM card_letter
WHERE state = 'waiting' AND due_at <= clock_timestamp()
ORDER BY due_at LIMIT $1
FOR UPDATE SKIP LOCKED;

-- name: put_off
UPDATE card_letter l
SET state = n.state, reason = n.reason, attempts = l.attempts + 1,
    due_at = clock_timestamp() + make_interval(secs => n.pause_s)
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::float8[]) AS n (request_id, state, reason, pause_s)
WHERE l.request_id = n.request_id;

-- name: put_back
WITH held AS MATERIALIZED (
    SELECT request_id, state FROM card_letter WHERE request_id = $1 FOR UPDATE
),
again AS (
    UPDATE card_letter l
    SET state = 'waiting', attempts = 0, reason = NULL, wanted_at = clock_timestamp(), due_at = clock_timestamp()
    FROM held
    WHERE l.request_id = held.request_id AND held.state <> 'sending'
)
SELECT state FROM held;

-- name: find_letter
SELECT request_id, number_key, customer_id, state, reason, attempts, wanted_at, due_at
FROM card_letter WHERE request_id = $1;

-- name: list_letters
-- The longest wanted first, behind the letter $2.
SELECT request_id, number_key, customer_id, state, reason, attempts, wanted_at, due_at
FROM card_letter
WHERE ($1::text IS NULL OR state = $1) AND ($2::uuid IS NULL OR (wanted_at, request_id) > (
    SELECT wanted_at, request_id FROM card_letter WHERE request_id = $2))
ORDER BY wanted_at, request_id LIMIT $3;

-- name: list_left
-- Those that nobody can act on any more are forgotten after some days.
SELECT state, reason, count(*) AS letters, (array_agg(number_key ORDER BY due_at, number_key))[1] AS number_key,
    min(CASE state WHEN 'waiting' THEN wanted_at ELSE due_at END) AS since
FROM card_letter
WHERE (state = 'waiting' AND wanted_at < clock_timestamp() - make_interval(secs => $1))
   OR (state = 'sending' AND due_at <= clock_timestamp())
   OR (state IN ('unsure', 'given_up') AND due_at > clock_timestamp() - make_interval(days => $2))
GROUP BY state, reason
ORDER BY state, reason;
