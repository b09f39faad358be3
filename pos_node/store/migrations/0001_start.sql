-- The till's tables. `record` is what the ERP sent, byte for byte; `shown` is what the till shows instead
-- while changes made here are still on their way. What the ERP does not have comes first: it is checked
-- first when the file is opened, and saved first when the file is damaged.

CREATE TABLE meta (
    name   TEXT PRIMARY KEY,
    value  TEXT NOT NULL
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
CREATE INDEX journal_of_cards ON journal (type) WHERE type >= 'card.' AND type < 'card/';

-- Numbers whose entries got others: what the ERP says of them was about something else. Of the last numbering given up.
CREATE TABLE renumbered (
    epoch  TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (epoch, seq)
) WITHOUT ROWID;

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

CREATE TABLE feed_cursor (
    scope     TEXT PRIMARY KEY,
    epoch     TEXT NOT NULL DEFAULT '',
    seq       INTEGER NOT NULL DEFAULT 0,
    head      INTEGER NOT NULL DEFAULT 0,
    complete  INTEGER NOT NULL DEFAULT 0,         -- 1 once the head was reached (SYNC-5)
    sweeping  INTEGER NOT NULL DEFAULT 0          -- 1 while a feed begun anew is pulled over what is here
) WITHOUT ROWID;

-- Rows met while a feed begun anew is pulled: what is of that scope and not among them goes at the end.
CREATE TABLE feed_seen (
    scope  TEXT NOT NULL,
    key    NOT NULL,                              -- 16 bytes of a customer, a text of other rows
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;

-- Deleted and anonymised rows, once per scope that said so: a digest counts them in each.
CREATE TABLE feed_gone (
    scope    TEXT NOT NULL,
    key      TEXT NOT NULL,
    version  INTEGER NOT NULL,
    state    TEXT NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;

CREATE TABLE reference (
    key      TEXT PRIMARY KEY,
    scope    TEXT NOT NULL,
    version  INTEGER NOT NULL,
    state    TEXT NOT NULL,
    record   TEXT
) WITHOUT ROWID;

-- Loyalty cards of customers that are here, and every blocked one; as `reference`, by the same rules.
CREATE TABLE card (
    key          TEXT PRIMARY KEY,                -- card/<number>, contracts.cards.row_key
    scope        TEXT NOT NULL,
    version      INTEGER NOT NULL,
    state        TEXT NOT NULL,
    record       TEXT,
    customer_id  TEXT
) WITHOUT ROWID;
CREATE INDEX card_of_customer ON card (customer_id) WHERE customer_id IS NOT NULL;

-- Rows stand in the order of arrival; their order by name is that of their places in the word index.
CREATE TABLE customer (
    row       INTEGER PRIMARY KEY CHECK (row < 8388608),  -- 23 bits: see store/places.py
    id        BLOB NOT NULL,                      -- 16 bytes
    scope     TEXT,                               -- the feed it came by; null: only here so far
    version   INTEGER NOT NULL DEFAULT 0,         -- the ERP's; 0: not answered yet
    state     TEXT NOT NULL DEFAULT 'active',
    editors   TEXT,                               -- centres, comma-separated; null: all
    code_key  TEXT,
    tax_key   TEXT,
    record    TEXT,
    shown     TEXT,
    words     TEXT                                -- as indexed, one line per column; null: in no list
);
CREATE UNIQUE INDEX customer_id ON customer (id);
CREATE INDEX customer_code ON customer (code_key) WHERE code_key IS NOT NULL;
CREATE INDEX customer_tax ON customer (tax_key) WHERE tax_key IS NOT NULL;

-- What the list searches while typing; rowid is the place by name. Neither keeps a copy of the words.
CREATE VIRTUAL TABLE word USING fts5 (
    name, tax_number, country, postal_code, town, street, attributes, filters,
    content = '', columnsize = 0, detail = column, prefix = '1 2 3',
    tokenize = "ascii tokenchars '=._-'"
);
INSERT INTO word (word, rank) VALUES ('automerge', 0), ('crisismerge', 64), ('pgsz', 8000);

-- Columns that are searched only when chosen: mostly numbers, a term of its own for every customer.
CREATE VIRTUAL TABLE detail USING fts5 (
    code, siret, email, identity_document, phone, national_id, attributes, filters,
    content = '', columnsize = 0, detail = column,
    tokenize = "ascii tokenchars '=._-'"
);
INSERT INTO detail (detail, rank) VALUES ('automerge', 0), ('crisismerge', 64), ('pgsz', 8000);
