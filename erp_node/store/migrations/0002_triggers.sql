-- What the database does by itself when customers and reference data change, whoever changes them:
-- versions, history, and the marks from which the feeds are numbered. Statement triggers work on
-- whole sets of rows, so that an import of a million customers stays one.

-- Queries over transition tables are planned anew at every call (EXECUTE): a plan kept from a
-- statement of one row would be used for a statement of twenty thousand.

CREATE FUNCTION customer_scopes(everywhere boolean, centres text[]) RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT 'all.customers' WHERE everywhere
    UNION ALL
    SELECT 'centre.' || centre || '.customers' FROM unnest(centres) AS centre WHERE NOT everywhere;
END;

-- How one scope sees a customer (contracts.feed.State). `held` matters in a till's own scope only.
CREATE FUNCTION customer_state(
    scope text, state text, is_customer boolean, everywhere boolean, centres text[], held boolean
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN state IN ('deleted', 'anonymised') THEN state
    WHEN state <> 'active' OR NOT is_customer THEN 'withdrawn'
    WHEN scope = 'all.customers' THEN CASE WHEN everywhere THEN 'active' ELSE 'withdrawn' END
    WHEN scope LIKE 'pos.%' THEN CASE WHEN held THEN 'active' ELSE 'withdrawn' END
    WHEN NOT everywhere AND substr(scope, 8, length(scope) - 17) = ANY (centres) THEN 'active'
    ELSE 'withdrawn'
END;

-- Whether the till of a scope pos.P holds a customer and its centre may use it (SYNC-2, SYNC-4).
CREATE FUNCTION till_holds(scope text, customer uuid, everywhere boolean, centres text[]) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN EXISTS (
    SELECT FROM till_holding JOIN till USING (pos_id)
    WHERE customer_id = customer AND pos_id = substr(scope, 5)
      AND (everywhere OR till.centre = ANY (centres))
);

-- contracts.feed.row_hash of contracts.feed.row_text, as a signed number.
CREATE FUNCTION row_hash(key text, version bigint, state text, editors text, record text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('x' || substr(md5(
    key || '|' || version || '|' || state || '|' || editors || '|' || record
), 1, 16))::bit(64)::bigint;

CREATE FUNCTION wake_feed() RETURNS void
LANGUAGE sql
AS $$ SELECT pg_notify('comptoir_feed', '') $$;

-- Customers ------------------------------------------------------------------------------------

CREATE FUNCTION customer_updating() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    new_record boolean := NEW.record IS DISTINCT FROM OLD.record;
    next_version bigint := OLD.version + 1;
BEGIN
    IF NEW.changed_at IS NULL THEN  -- the application may write several changes at once, each with its version
        next_version := greatest(NEW.version, next_version);
    END IF;
    IF NEW.id <> OLD.id THEN
        RAISE EXCEPTION 'customer %: an id never changes', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state IN ('deleted', 'anonymised') AND NEW.state <> OLD.state THEN
        RAISE EXCEPTION 'customer % is %: that cannot be undone', OLD.id, OLD.state
            USING ERRCODE = 'check_violation';
    END IF;
    IF new_record
        OR NEW.state <> OLD.state
        OR NEW.is_customer <> OLD.is_customer
        OR NEW.everywhere <> OLD.everywhere
        OR NEW.centres <> OLD.centres
        OR NEW.editors IS DISTINCT FROM OLD.editors
        OR next_version > OLD.version + 1  -- they may have come back to where they began
    THEN
        NEW.version := next_version;
        IF NEW.changed_at IS NOT NULL THEN  -- whoever is not the application, which looks after words and history
            NEW.words_from := CASE WHEN new_record THEN NEW.version ELSE OLD.words_from END;
            NEW.changed_where := 'sql';
            IF NEW.changed_by = OLD.changed_by THEN
                NEW.changed_by := session_user;
            END IF;
        END IF;
        NEW.changed_at := clock_timestamp();
    ELSE
        NEW.version := OLD.version;
        NEW.changed_by := OLD.changed_by;
        NEW.changed_where := OLD.changed_where;
        NEW.changed_at := OLD.changed_at;
    END IF;
    NEW.words_from := least(NEW.words_from, NEW.version);
    RETURN NEW;
END $$;

-- Notes those of these customers whose words are missing; words and history written before are seen here.
CREATE FUNCTION mark_words(ids uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF ids IS NOT NULL THEN
        INSERT INTO word_mark (customer_id, version, fields)
        SELECT id, version, (
            SELECT array_agg(path) FROM customer_history h
            WHERE h.customer_id = c.id AND h.version = c.version AND h.kept
        )
        FROM customer c
        WHERE id = ANY (ids) AND NOT EXISTS (
            SELECT FROM customer_words w WHERE w.customer_id = c.id AND w.version >= c.words_from
        );
    END IF;
END $$;

CREATE FUNCTION customer_inserted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO customer_history (customer_id, version, at, changed_by, changed_where, path)
    SELECT id, version, changed_at, changed_by, changed_where, '' FROM new_rows;
    INSERT INTO feed_mark (scope, kind, entity)
    SELECT scope, 'customer', id
    FROM new_rows, customer_scopes(everywhere, centres) AS scope
    WHERE state = 'active' AND is_customer;
    PERFORM mark_words(array_agg(id)) FROM new_rows;
    PERFORM wake_feed();
    RETURN NULL;
END $$;

CREATE FUNCTION customer_updated() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    marked bigint;
BEGIN
    -- A customer erased or deleted is told to every scope that ever held it. A scope marked twice is numbered once.
    EXECUTE $sql$
        WITH changed AS MATERIALIZED (
            SELECT n.id, n.state, n.everywhere, n.centres, o.everywhere AS was_everywhere, o.centres AS were_centres
            FROM new_rows n JOIN old_rows o ON o.id = n.id AND o.version < n.version
        )
        INSERT INTO feed_mark (scope, kind, entity)
        SELECT scope, 'customer', id FROM changed, customer_scopes(everywhere, centres) AS scope
        UNION ALL
        SELECT scope, 'customer', id FROM changed, customer_scopes(was_everywhere, were_centres) AS scope
        WHERE was_everywhere <> everywhere OR were_centres <> centres
        UNION ALL
        SELECT 'pos.' || pos_id, 'customer', id FROM changed JOIN till_holding ON customer_id = id
        UNION ALL
        SELECT e.scope, 'customer', id FROM changed JOIN feed_entry e ON e.entity = id AND e.kind = 'customer'
        WHERE state IN ('deleted', 'anonymised')
    $sql$;
    GET DIAGNOSTICS marked = ROW_COUNT;
    IF EXISTS (SELECT FROM new_rows WHERE changed_where = 'sql') THEN
        EXECUTE $sql$
            INSERT INTO customer_history
                (customer_id, version, at, changed_by, changed_where, path, old, new)
            SELECT n.id, n.version, n.changed_at, n.changed_by, n.changed_where, change.*
            FROM new_rows n
            JOIN old_rows o ON o.id = n.id AND o.version < n.version,
            LATERAL customer_changes(o, n) AS change
            WHERE n.changed_where = 'sql'
        $sql$;
    END IF;
    PERFORM mark_words(array_agg(id)) FROM new_rows WHERE words_from = version;
    IF EXISTS (SELECT FROM new_rows WHERE state IN ('deleted', 'anonymised')) THEN
        UPDATE erp_identity SET erasures = erasures + 1;
    END IF;
    IF marked > 0 THEN
        PERFORM wake_feed();
    END IF;
    RETURN NULL;
END $$;

-- The top-level fields in which two rows of `customer` differ, and their values.
CREATE FUNCTION customer_changes(before customer, after customer)
RETURNS TABLE (path text, old jsonb, new jsonb)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT key, was.value, now.value
    FROM jsonb_each(before.record) AS was
    FULL JOIN jsonb_each(after.record) AS now USING (key)
    WHERE was.value IS DISTINCT FROM now.value
    UNION ALL
    SELECT field.*
    FROM (VALUES
        ('state', to_jsonb(before.state), to_jsonb(after.state)),
        ('is_customer', to_jsonb(before.is_customer), to_jsonb(after.is_customer)),
        ('everywhere', to_jsonb(before.everywhere), to_jsonb(after.everywhere)),
        ('centres', to_jsonb(before.centres), to_jsonb(after.centres)),
        ('editors', to_jsonb(before.editors), to_jsonb(after.editors))
    ) AS field (path, old, new)
    WHERE field.old IS DISTINCT FROM field.new;
END;

CREATE FUNCTION refuse_removal() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never removed, tills would not hear of it: set state to %',
        TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'check_violation';
END $$;

CREATE TRIGGER customer_updating BEFORE UPDATE ON customer
    FOR EACH ROW EXECUTE FUNCTION customer_updating();
CREATE TRIGGER customer_inserted AFTER INSERT ON customer
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION customer_inserted();
CREATE TRIGGER customer_updated AFTER UPDATE ON customer
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION customer_updated();
CREATE TRIGGER customer_removed BEFORE DELETE OR TRUNCATE ON customer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_removal('deleted or anonymised');

-- Reference data -------------------------------------------------------------------------------

CREATE FUNCTION reference_updating() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.key <> OLD.key THEN
        RAISE EXCEPTION '%: a key never changes', OLD.key USING ERRCODE = 'check_violation';
    END IF;
    NEW.version := OLD.version + CASE
        WHEN (NEW.kind, NEW.scopes, NEW.state, NEW.record)
            IS DISTINCT FROM (OLD.kind, OLD.scopes, OLD.state, OLD.record)
        THEN 1 ELSE 0 END;
    RETURN NEW;
END $$;

CREATE FUNCTION reference_inserted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO feed_mark (scope, kind, entity)
    SELECT scope, 'reference', id FROM new_rows, unnest(scopes) AS scope;
    IF FOUND THEN
        PERFORM wake_feed();
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION reference_updated() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    marked bigint;
BEGIN
    EXECUTE $sql$
        INSERT INTO feed_mark (scope, kind, entity)
        SELECT touched.scope, 'reference', n.id
        FROM new_rows n
        JOIN old_rows o ON o.id = n.id AND o.version < n.version,
        LATERAL (SELECT unnest(o.scopes) UNION SELECT unnest(n.scopes)) AS touched (scope)
    $sql$;
    GET DIAGNOSTICS marked = ROW_COUNT;
    IF marked > 0 THEN
        PERFORM wake_feed();
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER reference_updating BEFORE UPDATE ON reference
    FOR EACH ROW EXECUTE FUNCTION reference_updating();
CREATE TRIGGER reference_inserted AFTER INSERT ON reference
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION reference_inserted();
CREATE TRIGGER reference_updated AFTER UPDATE ON reference
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION reference_updated();
CREATE TRIGGER reference_removed BEFORE DELETE OR TRUNCATE ON reference
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_removal('deleted');

-- What one till is told ------------------------------------------------------------------------

CREATE FUNCTION verdict_inserted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO feed_mark (scope, kind, entity) SELECT 'pos.' || pos_id, 'verdict', id FROM new_rows;
    IF FOUND THEN
        PERFORM wake_feed();
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER verdict_inserted AFTER INSERT ON verdict
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION verdict_inserted();

CREATE FUNCTION holding_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO feed_mark (scope, kind, entity)
    SELECT 'pos.' || pos_id, 'customer', customer_id FROM changed_rows;
    IF FOUND THEN
        PERFORM wake_feed();
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER holding_inserted AFTER INSERT ON till_holding
    REFERENCING NEW TABLE AS changed_rows
    FOR EACH STATEMENT EXECUTE FUNCTION holding_changed();
CREATE TRIGGER holding_deleted AFTER DELETE ON till_holding
    REFERENCING OLD TABLE AS changed_rows
    FOR EACH STATEMENT EXECUTE FUNCTION holding_changed();

-- At the end of its transaction: the mark then follows those of everything the till's entries changed,
-- so that whoever numbers marks in order has numbered those when it comes to this one.
CREATE FUNCTION progress_made() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO feed_mark (scope, kind, entity, value)
    VALUES ('pos.' || NEW.pos_id, 'progress', md5(NEW.pos_id || '/' || NEW.epoch)::uuid, NEW.applied_seq);
    PERFORM wake_feed();
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER progress_begun AFTER INSERT ON journal_progress
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION progress_made();
CREATE CONSTRAINT TRIGGER progress_made AFTER UPDATE ON journal_progress
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.applied_seq IS DISTINCT FROM OLD.applied_seq)
    EXECUTE FUNCTION progress_made();

-- A till that moves to another centre may use other customers; one that becomes full no longer holds some.
CREATE FUNCTION till_moved() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO feed_mark (scope, kind, entity)
    SELECT 'pos.' || NEW.pos_id, 'customer', customer_id FROM till_holding WHERE pos_id = NEW.pos_id;
    IF FOUND THEN
        PERFORM wake_feed();
    END IF;
    IF NEW.mode = 'full' THEN
        DELETE FROM till_holding WHERE pos_id = NEW.pos_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER till_moved AFTER UPDATE ON till
    FOR EACH ROW WHEN (NEW.centre <> OLD.centre OR NEW.mode <> OLD.mode)
    EXECUTE FUNCTION till_moved();
