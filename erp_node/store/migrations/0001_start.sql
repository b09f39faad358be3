-- The ERP's tables. A customer's record is one JSON document (contracts.customers.Customer); what must be
-- unique or searched is derived from it. A change made outside the application counts like any other:
-- triggers give versions, write history and mark what the feeds must number.

CREATE TABLE erp_identity (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    feed_epoch  text NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', ''),
    renewed_at  timestamptz NOT NULL DEFAULT now(),  -- when feed_epoch was made
    timeline    text,                                -- whereabouts() of where the feeds' numbers were given
    erasures    bigint NOT NULL DEFAULT 0            -- grows with every customer deleted or anonymised
);
INSERT INTO erp_identity DEFAULT VALUES;

-- Which server, timeline, database and table this is: what is restored from a dump or taken over by another server is
-- elsewhere. A copy of files put back is not.
CREATE FUNCTION whereabouts() RETURNS text LANGUAGE sql STABLE AS $$
SELECT concat_ws('.',
    system_identifier, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),
    (SELECT oid FROM pg_database WHERE datname = current_database()), 'erp_identity'::regclass::oid)
FROM pg_control_system()
$$;

CREATE TABLE erp_user (
    name           text PRIMARY KEY,
    password_hash  text NOT NULL,
    rights         text[] NOT NULL DEFAULT '{}',
    active         boolean NOT NULL DEFAULT true,
    failures       integer NOT NULL DEFAULT 0,
    locked_until   timestamptz
);

CREATE TABLE till (
    pos_id         text PRIMARY KEY CHECK (pos_id ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    centre         text NOT NULL,
    mode           text NOT NULL DEFAULT 'full' CHECK (mode IN ('full', 'local_only')),
    partition      integer NOT NULL,
    password_hash  text NOT NULL,
    active         boolean NOT NULL DEFAULT true,
    enrolled_at    timestamptz NOT NULL DEFAULT now(),
    seen_at        timestamptz,
    presence       jsonb
);

CREATE TABLE reference (
    id       uuid PRIMARY KEY GENERATED ALWAYS AS (md5(key)::uuid) STORED,
    key      text NOT NULL UNIQUE,
    kind     text NOT NULL,
    scopes   text[] NOT NULL DEFAULT '{all}',
    version  bigint NOT NULL DEFAULT 1,
    state    text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'deleted')),
    record   jsonb NOT NULL
);

CREATE TABLE customer (
    id             uuid PRIMARY KEY,
    version        bigint NOT NULL DEFAULT 1,
    state          text NOT NULL DEFAULT 'active'
                   CHECK (state IN ('active', 'inactive', 'deleted', 'anonymised')),
    is_customer    boolean NOT NULL DEFAULT true,   -- the option Customer; false: supplier or prospect (SYNC-1)
    everywhere     boolean NOT NULL DEFAULT false,  -- available to every centre
    centres        text[] NOT NULL DEFAULT '{}',    -- available to these
    editors        text[],                          -- centres that may edit it; null: all
    CONSTRAINT customer_centre_codes CHECK          -- as an array is written, anything odd stands in quotes
        ((centres || editors)::text ~ '^\{([A-Za-z0-9_-]{1,60}(,[A-Za-z0-9_-]{1,60})*)?\}$'
         AND array_position(centres || editors, NULL) IS NULL),
    record         jsonb NOT NULL,
    wire           text NOT NULL GENERATED ALWAYS AS (record::text) STORED,  -- as tills are sent it: decision 0012
    words_from     bigint NOT NULL DEFAULT 1,       -- words of this version or a later one are right: customer_words
    changed_by     text NOT NULL DEFAULT session_user,
    changed_where  text NOT NULL DEFAULT 'sql',
    changed_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    code_key       text COLLATE "C"                 -- contracts.customers.code_key
                   GENERATED ALWAYS AS (lower(btrim(record ->> 'code') COLLATE "C")) STORED,
    tax_key        text GENERATED ALWAYS AS
                   (nullif(upper(regexp_replace(record ->> 'tax_number', '[^[:alnum:]]', '', 'g')), '')) STORED
);
-- A customer stays in one piece up to 8 kB: putting its larger columns aside costs every page of the feed a detour.
ALTER TABLE customer SET (toast_tuple_target = 8160);
CREATE UNIQUE INDEX customer_code ON customer (code_key) WHERE state IN ('active', 'inactive');
CREATE INDEX customer_tax ON customer (tax_key) WHERE tax_key IS NOT NULL;

-- What a customer is found by, beside it: most changes leave it alone, and a row of `customer` stays small.
-- Words of the columns that All searches stand alone; every word also stands with its column's letter:
-- a name, b tax_number, c country … in the order of contracts.matching.COLUMNS. Both functions are plain
-- expressions of strings: taking words apart and together in a subquery took seven times as long.
CREATE FUNCTION lettered(letter text, words text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(' ' || letter || ':' || replace(nullif(words, ''), ' ', ' ' || letter || ':'), '');

CREATE FUNCTION search_vector(words text[]) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN array_to_tsvector(array_remove(string_to_array(left(
    lettered('a', words[1]) || coalesce(' ' || words[1], '')
    || lettered('b', words[2]) || coalesce(' ' || words[2], '')
    || lettered('c', words[3])
    || lettered('d', words[4]) || coalesce(' ' || words[4], '')
    || lettered('e', words[5]) || coalesce(' ' || words[5], '')
    || lettered('f', words[6]) || coalesce(' ' || words[6], '')
    || lettered('g', words[7])
    || lettered('h', words[8])
    || lettered('i', words[9])
    || lettered('j', words[10])
    || lettered('k', words[11])
    || lettered('l', words[12])
    || lettered('m', words[13]) || coalesce(' ' || regexp_replace(words[13], '\S*=\S*', '', 'g'), '')
    || lettered('n', words[14])
, 250000), ' '), ''));  -- a vector holds a megabyte, and does not say when it is given more

CREATE TABLE customer_words (
    customer_id  uuid PRIMARY KEY,
    version      bigint NOT NULL,                   -- of the customer they were made from
    words        text[] NOT NULL,                   -- contracts.matching.words_of
    rule         smallint NOT NULL,                 -- contracts.matching.RULE when they were made
    search       tsvector                           -- search_vector(words); null: made when nobody waits
);
CREATE INDEX customer_search ON customer_words USING gin (search) WHERE search IS NOT NULL;
CREATE INDEX customer_words_waiting ON customer_words (customer_id) WHERE search IS NULL;

-- Customers whose record came without its words, to be made by the sequencer.
CREATE TABLE word_mark (
    customer_id  uuid NOT NULL,
    version      bigint NOT NULL,
    fields       text[]                             -- of the record that this version changed; '' is its making
);
CREATE INDEX word_mark_of ON word_mark (customer_id);

CREATE TABLE customer_history (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id    uuid NOT NULL,
    version        bigint NOT NULL,
    at             timestamptz NOT NULL,
    changed_by     text NOT NULL,
    changed_where  text NOT NULL,
    path           text NOT NULL,                   -- '' is the making of the customer
    old            jsonb,
    new            jsonb,
    kept           boolean NOT NULL DEFAULT true    -- false: lost against the ERP's value (CUST-13)
);
CREATE INDEX customer_history_of ON customer_history (customer_id, id);

CREATE TABLE till_holding (
    pos_id       text NOT NULL REFERENCES till,
    customer_id  uuid NOT NULL,
    PRIMARY KEY (customer_id, pos_id)
);

CREATE TABLE journal_progress (
    pos_id       text NOT NULL,
    epoch        text NOT NULL,
    applied_seq  bigint NOT NULL DEFAULT 0,
    last_hash    text,                              -- contents of the last entries, to tell a repeat from a number used again (I9)
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pos_id, epoch)
);

CREATE TABLE verdict (
    id      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    pos_id  text NOT NULL,
    epoch   text NOT NULL,
    seq     bigint NOT NULL,
    at      timestamptz NOT NULL DEFAULT now(),
    record  jsonb NOT NULL,
    UNIQUE (pos_id, epoch, seq)
);
CREATE INDEX verdict_at ON verdict (at);

-- Feeds: a mark says that an entity of a scope changed; the sequencer turns committed marks into numbered entries.
CREATE TABLE feed_mark (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope   text NOT NULL,
    kind    text NOT NULL,
    entity  uuid NOT NULL,
    value   bigint                                  -- progress: applied_seq when marked
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE TABLE feed_scope (
    scope    text PRIMARY KEY,
    head     bigint NOT NULL DEFAULT 0,
    entries  bigint NOT NULL DEFAULT 0              -- rows of feed_entry
);

CREATE TABLE feed_entry (
    scope   text NOT NULL,
    kind    text NOT NULL,
    entity  uuid NOT NULL,
    seq     bigint NOT NULL,
    bucket  smallint NOT NULL,
    hash    bigint,                                 -- contracts.feed.row_hash as a signed number; null: not counted
    PRIMARY KEY (entity, kind, scope)
);
CREATE UNIQUE INDEX feed_entry_order ON feed_entry (scope, seq);

-- What a progress row says: fixed when it was numbered, since `heads` must not be older than `applied_seq`.
CREATE TABLE feed_progress (
    id           uuid PRIMARY KEY,                  -- the entity of its entry
    pos_id       text NOT NULL,
    epoch        text NOT NULL,
    applied_seq  bigint NOT NULL,
    content      text,                              -- of the entry applied_seq; null: too long ago when numbered
    heads        jsonb NOT NULL
);

-- Customers that cannot be sent to tills, and why; shown to operators until they are corrected.
CREATE TABLE customer_trouble (
    customer_id  uuid PRIMARY KEY,
    version      bigint NOT NULL,
    reason       text NOT NULL,
    at           timestamptz NOT NULL DEFAULT clock_timestamp()
);
