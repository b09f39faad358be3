-- Log-ins that failed stand by the name that was tried, whether or not it is a user's: who is locked out must not
-- learn by it that the name exists. Locks of before end with this.

CREATE TABLE login_failure (
    name          text PRIMARY KEY,
    failures      integer NOT NULL DEFAULT 0,
    locked_until  timestamptz,
    tried         bigint GENERATED ALWAYS AS IDENTITY  -- in what order names were tried first
);
CREATE INDEX login_failure_tried ON login_failure (tried);

ALTER TABLE erp_user DROP COLUMN failures, DROP COLUMN locked_until;
