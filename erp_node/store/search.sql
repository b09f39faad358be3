-- Finding, fetching and asking for codes. These statements run on connections where sequential scans are off and plans are made
-- once (see open_question_pool): each has one plan that is good for every phrase.

-- coalesce around a column, and IS TRUE, keep other indexes and other kinds of scan out of these two.
-- name: search
SELECT c.id, c.version, c.everywhere, c.centres, c.editors, c.record::text AS record
FROM customer_words w JOIN customer c ON c.id = w.customer_id
WHERE w.search @@ $1::tsquery
  AND ($2::tsquery IS NULL OR coalesce(w.search, '') @@ $2::tsquery)
  AND coalesce(c.state, '') = 'active' AND c.is_customer AND w.version >= c.words_from
LIMIT $3;

-- The first pages of the table, then what the index finds behind them: a row is in one of the two.
-- name: search_looking_first
SELECT c.id, c.version, c.everywhere, c.centres, c.editors, c.record::text AS record
FROM (
    SELECT customer_id, version
    FROM customer_words
    WHERE ctid < $4::tid
      AND coalesce(search, '') @@ $1::tsquery
      AND ($2::tsquery IS NULL OR coalesce(search, '') @@ $2::tsquery)
    UNION ALL
    SELECT customer_id, version
    FROM customer_words
    WHERE (ctid >= $4::tid) IS TRUE
      AND search @@ $1::tsquery
      AND ($2::tsquery IS NULL OR coalesce(search, '') @@ $2::tsquery)
) AS found JOIN customer c ON c.id = found.customer_id
WHERE coalesce(c.state, '') = 'active' AND c.is_customer AND found.version >= c.words_from
LIMIT $3;

-- name: search_all
SELECT c.id, c.version, c.everywhere, c.centres, c.editors, c.record::text AS record
FROM customer_words w JOIN customer c ON c.id = w.customer_id
WHERE w.search IS NOT NULL AND c.state = 'active' AND c.is_customer AND w.version >= c.words_from
LIMIT $1;

-- name: load_frequencies
SELECT c.reltuples::float8 AS rows, c.relpages AS pages,
       s.most_common_elems::text::text[] AS lexemes,
       s.most_common_elem_freqs AS shares
FROM pg_class c
LEFT JOIN pg_stats s
    ON s.schemaname = c.relnamespace::regnamespace::text AND s.tablename = c.relname AND s.attname = 'search'
WHERE c.oid = 'customer_words'::regclass;

-- name: fetch
SELECT c.id, c.version, c.state, c.is_customer, c.everywhere, c.centres, c.editors, c.record::text AS record,
       w.words, w.rule
FROM customer c LEFT JOIN customer_words w ON w.customer_id = c.id AND w.version >= c.words_from
WHERE c.id = $1;

-- name: code_taken
SELECT EXISTS (
    SELECT FROM customer
    WHERE code_key = lower(btrim($1::text) COLLATE "C") AND state IN ('active', 'inactive')
      AND id IS DISTINCT FROM $2::uuid
);

-- name: clean_index
SELECT gin_clean_pending_list('customer_search'::regclass);

-- name: count_words
ANALYZE customer_words (search);
