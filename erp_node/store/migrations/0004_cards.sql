-- Loyalty cards and their locks (CARD-1 to CARD-15). A card's row goes down the feeds of its customer; that of a
-- blocked one goes to everybody. Whoever decides about a card holds its row of card_lock until the end of the
-- transaction: locks, confirmations and tills' entries about one card come one after another, in all ERP processes.

CREATE SEQUENCE card_token;                         -- of locks: grows, whatever becomes of the transaction (I4)

CREATE TABLE card_lock (
    number_key   text COLLATE "C" PRIMARY KEY,      -- contracts.cards.card_key; there need not be such a card yet
    pos_id       text,
    token        bigint,
    until        timestamptz,                       -- the lock is over once this is past
    customer_id  uuid,                              -- for whom
    question     uuid                               -- it was granted for, or ended by: delivered again, that is answered alike
);

CREATE TABLE card (
    number_key     text COLLATE "C" PRIMARY KEY GENERATED ALWAYS AS (upper(number COLLATE "C")) STORED,
    id             uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),  -- the entity of its feed entries
    number         text NOT NULL CHECK (number ~ '^[0-9A-Za-z]+$' AND length(number) <= 1000),
    form           text NOT NULL DEFAULT 'physical' CHECK (form IN ('physical', 'virtual', 'voucher')),
    type           text CHECK (type ~ '^[A-Za-z0-9_-]{1,60}$'),
    state          text NOT NULL DEFAULT 'active'
                   CHECK (state IN ('active', 'inactive', 'blocked', 'confirmed', 'received')),
    customer_id    uuid REFERENCES customer,
    points         bigint NOT NULL DEFAULT 0 CHECK (points BETWEEN 0 AND 9007199254740991),
    reason         text CHECK (reason ~ '^[A-Za-z0-9_-]{1,60}$'),
    reusable       boolean NOT NULL DEFAULT false,
    value          numeric(12, 2) CHECK (value >= 0),
    token          bigint,                          -- of the lock under which it was assigned
    request_id     uuid UNIQUE,                     -- what a virtual one was made for
    version        bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    wire           text NOT NULL DEFAULT '',        -- as tills are sent it
    changed_by     text NOT NULL DEFAULT session_user,
    changed_where  text NOT NULL DEFAULT 'sql',
    changed_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- I5: a customer has at most one card that works (contracts.cards.ASSIGNABLE).
CREATE UNIQUE INDEX card_of_customer ON card (customer_id) WHERE state IN ('active', 'confirmed', 'received');
CREATE INDEX card_of_any_customer ON card (customer_id) WHERE customer_id IS NOT NULL;

CREATE TABLE card_event (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number_key     text COLLATE "C" NOT NULL,
    at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    event          text NOT NULL,                   -- made, assigned, taken away, blocked, unblocked, changed; locked, released, refused
    customer_id    uuid,
    changed_by     text NOT NULL,
    changed_where  text NOT NULL,
    detail         jsonb,                           -- of a change: old and new by column; of a lock: token, until; of a refusal: code
    entry          uuid                             -- the till's journal entry it came of
);
CREATE INDEX card_event_of ON card_event (number_key, id);
CREATE INDEX card_event_entry ON card_event (entry) WHERE entry IS NOT NULL;
CREATE INDEX card_event_at ON card_event (at) WHERE event IN ('locked', 'released', 'refused');

-- Letters with the numbers of virtual cards, one per request. One that may have been sent is never sent again.
CREATE TABLE card_letter (
    request_id   uuid PRIMARY KEY,
    number_key   text COLLATE "C" NOT NULL,
    customer_id  uuid NOT NULL,
    language     text NOT NULL DEFAULT 'en',
    state        text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sending', 'sent', 'unsure', 'given_up')),
    attempts     integer NOT NULL DEFAULT 0,
    wanted_at    timestamptz NOT NULL DEFAULT clock_timestamp(),  -- when it was asked for, or asked for again
    due_at       timestamptz NOT NULL DEFAULT clock_timestamp(),  -- of a waiting one: the next try; of one being sent:
                                                    -- until when that may take; of the others: since when they are so
    reason       text                               -- of the last failure, without anybody's data
);
CREATE INDEX card_letter_due ON card_letter (due_at) WHERE state IN ('waiting', 'sending');
CREATE INDEX card_letter_left ON card_letter (due_at) WHERE state IN ('unsure', 'given_up');

-- Where a card is shown: where its customer is, and everywhere once it is blocked.
CREATE FUNCTION card_scopes(card_state text, customer uuid) RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT 'all' WHERE card_state = 'blocked'
    UNION ALL
    SELECT scope
    FROM customer c, customer_scopes(c.everywhere, c.centres) AS scope
    WHERE c.id = customer AND card_state <> 'blocked' AND c.state = 'active' AND c.is_customer
    UNION ALL
    SELECT 'pos.' || h.pos_id
    FROM customer c JOIN till_holding h ON h.customer_id = c.id JOIN till t USING (pos_id)
    WHERE c.id = customer AND card_state <> 'blocked' AND c.state = 'active' AND c.is_customer
      AND (c.everywhere OR t.centre = ANY (c.centres));
END;

CREATE FUNCTION card_changing() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- Whoever moves the customer, or begins to hold it, does not see this change: each waits for the other.
    IF TG_OP = 'INSERT' THEN
        PERFORM FROM customer WHERE id = NEW.customer_id FOR NO KEY UPDATE;
    ELSE
        PERFORM FROM customer WHERE id IN (OLD.customer_id, NEW.customer_id) ORDER BY id FOR NO KEY UPDATE;
        IF NEW.number COLLATE "C" <> OLD.number COLLATE "C" THEN
            RAISE EXCEPTION 'card %: a number never changes', OLD.number USING ERRCODE = 'check_violation';
        END IF;
        NEW.id := OLD.id;
        NEW.version := greatest(NEW.version, OLD.version);
        IF (NEW.form, NEW.type, NEW.state, NEW.customer_id, NEW.points, NEW.reason, NEW.reusable, NEW.value)
            IS DISTINCT FROM
           (OLD.form, OLD.type, OLD.state, OLD.customer_id, OLD.points, OLD.reason, OLD.reusable, OLD.value)
        THEN
            IF NEW.changed_at IS NULL THEN  -- the application may write several changes at once, each with its version
                NEW.version := greatest(NEW.version, OLD.version + 1);
            ELSE
                NEW.version := OLD.version + 1;
            END IF;
            IF NEW.changed_at IS NOT NULL THEN  -- whoever is not the application, which leaves this to be set
                NEW.changed_where := 'sql';
                IF NEW.changed_by = OLD.changed_by THEN
                    NEW.changed_by := session_user;
                END IF;
            END IF;
        END IF;
    END IF;
    IF NEW.state = 'blocked' AND NEW.reason IS NULL THEN
        RAISE EXCEPTION 'card %: blocking needs a reason', NEW.number USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state <> 'blocked' THEN
        NEW.reason := NULL;
    END IF;
    NEW.changed_at := clock_timestamp();
    NEW.wire := jsonb_strip_nulls(jsonb_build_object(
        'number', NEW.number, 'form', NEW.form, 'type', NEW.type, 'state', NEW.state,
        'customer_id', NEW.customer_id, 'points', NEW.points, 'reason', NEW.reason,
        'reusable', NEW.reusable, 'value', NEW.value::text
    ))::text;
    RETURN NEW;
END $$;

-- What happened to a card, in one word.
CREATE FUNCTION card_event_name(before card, after card) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN before.version IS NULL AND after.customer_id IS NULL THEN 'made'
    WHEN after.state = 'blocked' AND before.state IS DISTINCT FROM 'blocked' THEN 'blocked'
    WHEN before.state = 'blocked' AND after.state <> 'blocked' THEN 'unblocked'
    WHEN after.customer_id IS NOT NULL AND after.customer_id IS DISTINCT FROM before.customer_id THEN 'assigned'
    WHEN after.customer_id IS NULL AND before.customer_id IS NOT NULL THEN 'taken away'
    ELSE 'changed'
END;

-- What changed between two states of a card, old and new by column.
CREATE FUNCTION card_changes(old_wire jsonb, new_wire jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT jsonb_object_agg(key, jsonb_build_array(was.value, now.value))
    FROM jsonb_each(old_wire) AS was
    FULL JOIN jsonb_each(new_wire) AS now USING (key)
    WHERE was.value IS DISTINCT FROM now.value;
END;

-- Triggers of statements, planned anew for each: an import of many cards stays one.
CREATE FUNCTION card_inserted() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    marked bigint;
BEGIN
    EXECUTE $sql$
        INSERT INTO feed_mark (scope, kind, entity)
        SELECT scope, 'card', id FROM new_rows, card_scopes(state, customer_id) AS scope
        WHERE customer_id IS NOT NULL OR state = 'blocked'
    $sql$;
    GET DIAGNOSTICS marked = ROW_COUNT;
    IF EXISTS (SELECT FROM new_rows WHERE changed_where = 'sql') THEN
        EXECUTE $sql$
            INSERT INTO card_event (number_key, event, customer_id, changed_by, changed_where, detail)
            SELECT number_key, card_event_name(NULL, n), customer_id, changed_by, changed_where,
                card_changes('{}', wire::jsonb)
            FROM new_rows n
            WHERE changed_where = 'sql'
        $sql$;
    END IF;
    IF marked > 0 THEN
        PERFORM wake_feed();
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION card_updated() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    marked bigint;
BEGIN
    -- Where it was is marked as well, not only where a feed has it: what was marked before may be numbered while this
    -- transaction is open, unseen by it.
    EXECUTE $sql$
        WITH changed AS MATERIALIZED (
            SELECT n.id, n.state, n.customer_id, o.state AS was, o.customer_id AS whose
            FROM new_rows n JOIN old_rows o ON o.id = n.id AND o.version <> n.version
        )
        INSERT INTO feed_mark (scope, kind, entity)
        SELECT scope, 'card', id FROM changed, card_scopes(state, customer_id) AS scope
        UNION
        SELECT scope, 'card', id FROM changed, card_scopes(was, whose) AS scope
        WHERE (was, whose) IS DISTINCT FROM (state, customer_id)
        UNION
        SELECT e.scope, 'card', id FROM changed JOIN feed_entry e ON e.entity = id AND e.kind = 'card'
    $sql$;
    GET DIAGNOSTICS marked = ROW_COUNT;
    IF EXISTS (SELECT FROM new_rows WHERE changed_where = 'sql') THEN
        EXECUTE $sql$
            INSERT INTO card_event (number_key, event, customer_id, changed_by, changed_where, detail)
            SELECT n.number_key, card_event_name(o, n), n.customer_id, n.changed_by, n.changed_where,
                card_changes(o.wire::jsonb, n.wire::jsonb)
            FROM new_rows n JOIN old_rows o ON o.id = n.id AND o.version <> n.version
            WHERE n.changed_where = 'sql' AND n.wire <> o.wire
        $sql$;
    END IF;
    IF marked > 0 THEN
        PERFORM wake_feed();
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER card_changing BEFORE INSERT OR UPDATE ON card
    FOR EACH ROW EXECUTE FUNCTION card_changing();
CREATE TRIGGER card_inserted AFTER INSERT ON card
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION card_inserted();
CREATE TRIGGER card_updated AFTER UPDATE ON card
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION card_updated();
CREATE TRIGGER card_removed BEFORE DELETE OR TRUNCATE ON card
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_removal('inactive');

-- A card goes where its customer goes, and leaves where its customer was. The version moves with it: at equal version
-- what a till has stays.
CREATE FUNCTION cards_follow() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    moved uuid[];
BEGIN
    EXECUTE $sql$
        SELECT array_agg(id) FROM new_rows n JOIN old_rows o USING (id)
        WHERE (n.state, n.is_customer, n.everywhere, n.centres)
              IS DISTINCT FROM (o.state, o.is_customer, o.everywhere, o.centres)
    $sql$ INTO moved;
    IF moved IS NULL THEN  -- as mostly
        RETURN NULL;
    END IF;
    EXECUTE $sql$
        INSERT INTO feed_mark (scope, kind, entity)
        SELECT scope, 'card', card.id
        FROM old_rows o JOIN card ON card.customer_id = o.id AND card.state <> 'blocked',
        LATERAL (
            SELECT customer_scopes(o.everywhere, o.centres)
            UNION ALL
            SELECT 'pos.' || pos_id FROM till_holding WHERE customer_id = o.id
        ) AS was (scope)
        WHERE o.id = ANY ($1) AND o.state = 'active' AND o.is_customer
    $sql$ USING moved;
    UPDATE card SET version = card.version + 1 WHERE customer_id = ANY (moved) AND state <> 'blocked';
    RETURN NULL;
END $$;
CREATE TRIGGER cards_follow AFTER UPDATE ON customer
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cards_follow();

CREATE FUNCTION cards_held() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO feed_mark (scope, kind, entity)
    SELECT 'pos.' || r.pos_id, 'card', c.id FROM changed_rows r JOIN card c USING (customer_id);
    RETURN NULL;
END $$;
CREATE TRIGGER cards_held AFTER INSERT ON till_holding
    REFERENCING NEW TABLE AS changed_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cards_held();
CREATE TRIGGER cards_left AFTER DELETE ON till_holding
    REFERENCING OLD TABLE AS changed_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cards_held();

-- A till that moves to another centre may use other customers: before the holdings of one that becomes full go.
CREATE FUNCTION cards_moved() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO feed_mark (scope, kind, entity)
    SELECT 'pos.' || NEW.pos_id, 'card', c.id
    FROM till_holding h JOIN card c USING (customer_id) WHERE h.pos_id = NEW.pos_id;
    RETURN NULL;
END $$;
CREATE TRIGGER cards_moved AFTER UPDATE ON till
    FOR EACH ROW WHEN (NEW.centre <> OLD.centre OR NEW.mode <> OLD.mode)
    EXECUTE FUNCTION cards_moved();
