-- Lists of customers by code, a page at a time, for people at the ERP. $1 what is searched (tsquery or null), $2 the place
-- behind which to go on (null: the beginning), $3 states, $4 rows. Codes of customers deleted or erased have no place.

-- name: list_near
-- Many match, or all: they are among the next codes.
SELECT code_key, id, near.version, state, is_customer, everywhere, centres, editors, record::text AS record
FROM (
    SELECT * FROM customer
    WHERE state IN ('active', 'inactive') AND ($2::text IS NULL OR code_key > $2)
    ORDER BY code_key
    LIMIT $5
) AS near
LEFT JOIN customer_words w ON w.customer_id = id AND w.version >= words_from
WHERE ($1::tsquery IS NULL OR coalesce(search, '') @@ $1::tsquery) AND state = ANY ($3::text[])
ORDER BY code_key
LIMIT $4;

-- name: list_far
-- Few match: the index finds them all, then they are put in order.
WITH found AS MATERIALIZED (
    SELECT id, code_key
    FROM customer c JOIN customer_words w ON w.customer_id = c.id AND w.version >= words_from
    WHERE search @@ $1::tsquery AND state IN ('active', 'inactive') AND state = ANY ($3::text[])
      AND ($2::text IS NULL OR code_key > $2)
), page AS (
    SELECT id FROM found ORDER BY code_key LIMIT $4
)
SELECT c.code_key, c.id, c.version, c.state, c.is_customer, c.everywhere, c.centres, c.editors, c.record::text AS record
FROM page JOIN customer c USING (id)
ORDER BY c.code_key;
