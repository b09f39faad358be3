The people who use the ERP's HTTP API (table erp_user).

-- name: find_user
SELECT name, password_hash, rights, active, failures, locked_until
FROM erp_user
WHERE name = $1

-- name: lock_user
SELECT name, password_hash, rights, active, failures, locked_until
FROM erp_user
WHERE name = $1
FOR UPDATE

-- name: save_attempts
UPDATE erp_user SET failures = $2, locked_until = $3 WHERE name = $1

-- name: forget_attempts
UPDATE erp_user
SET failures = 0, locked_until = NULL, password_hash = coalesce($2, password_hash)
WHERE name = $1

-- name: put_user
INSERT INTO erp_user (name, password_hash, rights)
VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE
SET password_hash = excluded.password_hash, rights = excluded.rights,
    active = true, failures = 0, locked_until = NULL
