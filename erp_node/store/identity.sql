-- What this database is to the tills: the epoch of its feeds.

-- name: renewed_before
-- Whether the epoch is older than $1 seconds.
SELECT renewed_at < clock_timestamp() - make_interval(secs => $1) FROM erp_identity;
