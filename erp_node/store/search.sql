-- Finding, fetching and asking for codes. These statements run on connections where sequential scans are off and plans are made
-- once (see open_question_pool): each has one plan that is good for every phrase.

-- coalesce around a column, and IS TRUE, keep other indexes and other kinds of scan out of these two.
-- name: search
SELECT id, version, everywhere, centres, editors, record::text AS record
FROM customer
WHERE search @@ $1::tsquery
  AND ($2::tsquery IS NULL OR coalesce(search, '') @@ $2::tsquery)
  AND coalesce(state, '') = 'active' AND is_customer
LIMIT $3;

-- The first pages of the table, then what the index finds behind them: a row is in one of the two.
-- name: search_looking_first
SELECT * FROM (
    SELECT id, version, everywhere, centres, editors, record::text AS record
    FROM customer
    WHERE ctid < $4::tid
      AND coalesce(search, '') @@ $1::tsquery
      AND ($2::tsquery IS NULL OR coalesce(search, '') @@ $2::tsquery)
      AND coalesce(state, '') = 'active' AND is_customer
    UNION ALL
    SELECT id, version, everywhere, centres, editors, record::text AS record
    FROM customer
    WHERE (ctid >= $4::tid) IS TRUE
      AND search @@ $1::tsquery
      AND ($2::tsquery IS NULL OR coalesce(search, '') @@ $2::tsquery)
      AND coalesce(state, '') = 'active' AND is_customer
) AS found
LIMIT $3;

-- name: search_all
SELECT id, version, everywhere, centres, editors, record::text AS record
FROM customer
WHERE words IS NOT NULL AND state = 'active' AND is_customer
LIMIT $1;

-- name: load_frequencies
SELECT c.reltuples::float8 AS rows, c.relpages AS pages,
       s.most_common_elems::text::text[] AS lexemes,
       s.most_common_elem_freqs AS shares
FROM pg_class c
LEFT JOIN pg_stats s
    ON s.schemaname = c.relnamespace::regnamespace::text AND s.tablename = c.relname AND s.attname = 'search'
WHERE c.oid = 'customer'::regclass;

-- name: fetch
SELECT id, version, state, is_customer, everywhere, centres, editors, record::text AS record, words, rule
FROM customer
WHERE id = $1;

-- name: code_taken
SELECT EXISTS (
    SELECT FROM customer
    WHERE code_key = lower(btrim($1::text)) AND state IN ('active', 'inactive')
      AND id IS DISTINCT FROM $2::uuid
);

-- name: clean_index
SELECT gin_clean_pending_list('customer_search'::regclass);

-- name: count_words
ANALYZE customer (search);
