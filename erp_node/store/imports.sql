-- Until it is cleaned, a part of the index is only a list that every search reads from end to end.
-- name: clean_index
SELECT gin_clean_pending_list('customer_search'::regclass);

-- name: count_anew
ANALYZE customer;
