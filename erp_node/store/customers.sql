-- Customers: locking, reading and writing many rows per statement. What is written is decided before, on locked rows;
-- marks, the making's history and most versions are the triggers' work.

-- name: lock_customers
SELECT id, version, state, is_customer, everywhere, centres, editors, wire AS record
FROM customer
WHERE id = ANY ($1::uuid[])
ORDER BY id
FOR UPDATE;

-- name: load_customer
SELECT id, version, state, is_customer, everywhere, centres, editors, record::text AS record
FROM customer
WHERE id = $1;

-- One look into the index per code, whatever the planner thinks of the table.
-- name: code_owners
SELECT asked.key, (
    SELECT c.id FROM customer c
    WHERE c.code_key = lower(btrim(asked.code) COLLATE "C") AND c.state IN ('active', 'inactive')
) AS owner
FROM unnest($1::text[], $2::text[]) AS asked (key, code);

-- name: same_tax_number
SELECT c.id, c.record::text AS record
FROM customer c
WHERE c.tax_key = $1 AND c.id <> $2 AND c.state IN ('active', 'inactive')
LIMIT 5;

-- name: insert_customers
WITH n AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::boolean[], $4::boolean[], $5::text[], $6::text[],
                         $7::text[], $8::text[], $9::text[], $10::text[], $11::timestamptz[])
        WITH ORDINALITY AS n (id, state, is_customer, everywhere, centres, editors, record, words,
                              changed_by, changed_where, changed_at, place)
),
made AS (
    INSERT INTO customer
        (id, state, is_customer, everywhere, centres, editors, record, changed_by, changed_where, changed_at)
    SELECT id, state, is_customer, everywhere, string_to_array(centres, ','), string_to_array(editors, ','),
           record::jsonb, changed_by, changed_where, changed_at
    FROM n ORDER BY place
)
INSERT INTO customer_words (customer_id, version, words, rule, search)
SELECT id, 1, w.words, $12::smallint, search_vector(w.words)
FROM n, LATERAL (SELECT string_to_array(n.words, E'\n') AS words OFFSET 0) AS w
ORDER BY place;

-- No changed_at: it tells the trigger, which fills it in, that the application wrote. No words given: they stay.
-- name: update_customers
WITH changed AS (
    UPDATE customer c
    SET state = n.state,
        is_customer = n.is_customer,
        everywhere = n.everywhere,
        centres = string_to_array(n.centres, ','),
        editors = string_to_array(n.editors, ','),
        record = n.record::jsonb,
        words_from = CASE WHEN n.words IS NULL THEN c.words_from ELSE c.version + 1 END,
        changed_by = n.changed_by,
        changed_where = n.changed_where,
        changed_at = NULL
    FROM unnest($1::uuid[], $2::text[], $3::boolean[], $4::boolean[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::text[], $10::text[])
         AS n (id, state, is_customer, everywhere, centres, editors, record, words,
               changed_by, changed_where)
    WHERE c.id = n.id
    RETURNING c.id, c.version, n.words
)
INSERT INTO customer_words AS w (customer_id, version, words, rule, search)
SELECT id, version, made.words, $11::smallint, search_vector(made.words)
FROM changed, LATERAL (SELECT string_to_array(changed.words, E'\n') AS words OFFSET 0) AS made
WHERE changed.words IS NOT NULL
ORDER BY id  -- as the sequencer does: two statements do not wait for each other in a circle, two batches seldom
ON CONFLICT (customer_id) DO UPDATE
SET version = excluded.version, words = excluded.words, rule = excluded.rule, search = excluded.search;

-- What tills change: the record alone, several changes of one customer at once.
-- name: rewrite_records
WITH changed AS (
    UPDATE customer c
    SET version = n.version,
        record = n.record::jsonb,
        words_from = CASE WHEN n.words IS NULL THEN c.words_from ELSE n.version END,
        changed_by = n.changed_by,
        changed_where = n.changed_where,
        changed_at = NULL
    FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
         AS n (id, version, record, words, changed_by, changed_where)
    WHERE c.id = n.id
    RETURNING c.id, c.version, n.words
)
INSERT INTO customer_words AS w (customer_id, version, words, rule, search)
SELECT id, version, made.words, $7::smallint, search_vector(made.words)
FROM changed, LATERAL (SELECT string_to_array(changed.words, E'\n') AS words OFFSET 0) AS made
WHERE changed.words IS NOT NULL
ORDER BY id  -- as the sequencer does: two statements do not wait for each other in a circle, two batches seldom
ON CONFLICT (customer_id) DO UPDATE
SET version = excluded.version, words = excluded.words, rule = excluded.rule, search = excluded.search;

-- name: add_history
INSERT INTO customer_history
    (customer_id, version, at, changed_by, changed_where, path, old, new, kept)
SELECT customer_id, version, at, changed_by, changed_where, path, old::jsonb, new::jsonb, kept
FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::text[], $9::boolean[])
     WITH ORDINALITY AS n (customer_id, version, at, changed_by, changed_where, path, old, new, kept, place)
ORDER BY place;

-- name: touched_paths
SELECT customer_id, path
FROM customer_history
WHERE customer_id = ANY ($1::uuid[]) AND path <> '' AND kept;

-- name: load_history
SELECT id, version, at, changed_by, changed_where, path, old::text AS old, new::text AS new, kept
FROM customer_history
WHERE customer_id = $1 AND ($2::bigint IS NULL OR id < $2)
ORDER BY id DESC
LIMIT $3;

-- name: hold_customers
-- Whoever changes one of them just now does not see that it is held, and would not mark it for this till: each
-- waits for the other.
INSERT INTO till_holding (pos_id, customer_id)
SELECT pos_id, customer_id
FROM unnest($1::text[], $2::uuid[]) AS n (pos_id, customer_id)
JOIN (SELECT id FROM customer WHERE id = ANY ($2::uuid[]) ORDER BY id FOR SHARE) AS c ON c.id = n.customer_id
ON CONFLICT DO NOTHING;
