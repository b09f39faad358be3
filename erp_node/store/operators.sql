The people who use the ERP's HTTP API (table erp_user), and log-ins that failed (table login_failure).

-- name: find_user
SELECT name, password_hash, rights, active
FROM erp_user
WHERE name = $1

-- A name that was never tried gets a row, so that attempts at the same moment wait for each other; others are locked.
-- name: lock_attempts
INSERT INTO login_failure (name) VALUES ($1)
ON CONFLICT (name) DO UPDATE SET failures = login_failure.failures
RETURNING failures, locked_until, xmax = 0 AS is_new

-- name: save_attempts
UPDATE login_failure SET failures = $2, locked_until = $3 WHERE name = $1

-- Rows somebody is working on are left for the next time: who deletes waits for nobody.
-- name: forget_strangers
DELETE FROM login_failure
WHERE name IN (
    SELECT name FROM login_failure
    WHERE name IN (
        SELECT name FROM login_failure f
        WHERE NOT EXISTS (SELECT FROM erp_user u WHERE u.name = f.name)
        ORDER BY tried DESC
        OFFSET $1
    )
    FOR UPDATE SKIP LOCKED
)

-- name: forget_attempts
DELETE FROM login_failure WHERE name = $1

-- name: put_hash
UPDATE erp_user SET password_hash = $2 WHERE name = $1

-- name: put_user
WITH unlocked AS (DELETE FROM login_failure WHERE name = $1)
INSERT INTO erp_user (name, password_hash, rights)
VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE
SET password_hash = excluded.password_hash, rights = excluded.rights, active = true
