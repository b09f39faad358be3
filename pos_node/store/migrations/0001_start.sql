-- The till's tables. `record` is what the ERP sent, byte for byte; `shown` is what the till shows instead
-- while changes made here are still on their way.

CREATE TABLE meta (
    name   TEXT PRIMARY KEY,
    value  TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE feed_cursor (
    scope     TEXT PRIMARY KEY,
    epoch     TEXT NOT NULL DEFAULT '',
    seq       INTEGER NOT NULL DEFAULT 0,
    head      INTEGER NOT NULL DEFAULT 0,
    complete  INTEGER NOT NULL DEFAULT 0          -- 1 once the head was reached (SYNC-5)
) WITHOUT ROWID;

-- pk orders rows by name: the first eight letters of the folded name, five bits each, then 23 bits that
-- tell equal ones apart. Lists and the word index come out in the order of names without sorting.
CREATE TABLE customer (
    pk        INTEGER PRIMARY KEY,
    id        BLOB NOT NULL,                      -- 16 bytes
    scope     TEXT,                               -- the feed it came by; null: only here so far
    version   INTEGER NOT NULL DEFAULT 0,         -- the ERP's; 0: not answered yet
    state     TEXT NOT NULL DEFAULT 'active',
    editors   TEXT,                               -- centres, comma-separated; null: all
    record    TEXT,
    shown     TEXT,
    words     TEXT,                               -- as indexed, one line per column
    code_key  TEXT,
    tax_key   TEXT
);
CREATE UNIQUE INDEX customer_id ON customer (id);
CREATE INDEX customer_code ON customer (code_key) WHERE code_key IS NOT NULL;
CREATE INDEX customer_tax ON customer (tax_key) WHERE tax_key IS NOT NULL;

CREATE TABLE reference (
    key      TEXT PRIMARY KEY,
    scope    TEXT NOT NULL,
    version  INTEGER NOT NULL,
    state    TEXT NOT NULL,
    record   TEXT
) WITHOUT ROWID;

-- An entry stays until the ERP said that it applied it and the outcome has come down the feed.
CREATE TABLE journal (
    epoch        TEXT NOT NULL,
    seq          INTEGER NOT NULL,
    id           TEXT NOT NULL UNIQUE,
    type         TEXT NOT NULL,
    customer_id  BLOB NOT NULL,
    body         BLOB NOT NULL,                   -- the whole envelope as it is sent
    at           TEXT NOT NULL,
    heads        TEXT,                            -- once applied: the feed heads that hold the outcome
    PRIMARY KEY (epoch, seq)
) WITHOUT ROWID;
CREATE INDEX journal_of_customer ON journal (customer_id);

CREATE TABLE notice (
    id           INTEGER PRIMARY KEY,
    key          TEXT NOT NULL UNIQUE,            -- of the verdict it came by
    at           TEXT NOT NULL,
    code         TEXT NOT NULL,
    params       TEXT NOT NULL,
    customer_id  BLOB,
    lost         TEXT NOT NULL DEFAULT '[]',
    seen         INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE login_failure (
    operator      TEXT PRIMARY KEY,
    failures      INTEGER NOT NULL,
    locked_until  TEXT
) WITHOUT ROWID;

CREATE TABLE list_view (
    name   TEXT PRIMARY KEY,
    value  TEXT NOT NULL
) WITHOUT ROWID;
