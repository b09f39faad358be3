-- The feeds: numbering marks, reading pages, adding up digests. The key of a customer's row is its id; what
-- is hashed of a row and how a row is written must be what contracts.feed says.

-- name: begin_pass
-- One sequencer at a time. One that hangs is thrown out by the server, so that another can take over.
SELECT set_config('idle_in_transaction_session_timeout', '15s', true), pg_advisory_xact_lock(7305002);

-- name: renew_epoch_after_failover
-- A server that took over, or a database that was restored, may have lost numbers that tills have seen: another
-- server or timeline, or another database or table of it, than the one these numbers were given in.
UPDATE erp_identity i SET
    feed_epoch = CASE WHEN i.timeline IS NULL THEN i.feed_epoch
                      ELSE replace(gen_random_uuid()::text, '-', '') END,
    renewed_at = clock_timestamp(),
    timeline = here.timeline
FROM (
    SELECT whereabouts() AS timeline, (SELECT timeline IS NULL FROM erp_identity) AS first_start
) AS here
WHERE i.timeline IS DISTINCT FROM here.timeline
RETURNING CASE WHEN NOT here.first_start THEN i.feed_epoch END;

-- name: renew_epoch
-- A till knows a number that was never given: the database is older than it was. At most once a minute.
UPDATE erp_identity SET
    feed_epoch = replace(gen_random_uuid()::text, '-', ''),
    renewed_at = clock_timestamp()
WHERE feed_epoch = $1 AND renewed_at < clock_timestamp() - interval '1 minute'
RETURNING feed_epoch;

-- name: read_unworded
-- Customers of the next $1 marks, behind $2 others, whose words are missing; and the words they had under the
-- rule $3, with the fields that changed since.
SELECT c.id, c.version, c.wire AS record, w.words, (
    SELECT string_agg(coalesce(array_to_string(m.fields, ' '), ' '), ' ')
    FROM word_mark m WHERE m.customer_id = c.id AND m.version > w.version
) AS changed
FROM customer c LEFT JOIN customer_words w ON w.customer_id = c.id AND w.rule = $3::smallint
WHERE EXISTS (SELECT FROM word_mark)
  AND c.id IN (SELECT entity FROM (SELECT kind, entity FROM feed_mark ORDER BY id LIMIT $1 OFFSET $2) AS next
               WHERE kind = 'customer')
  AND EXISTS (SELECT FROM word_mark m WHERE m.customer_id = c.id)
  AND NOT EXISTS (SELECT FROM customer_trouble t WHERE t.customer_id = c.id AND t.version = c.version);

-- name: read_any_unworded
SELECT DISTINCT ON (m.customer_id) c.id, c.version, c.wire AS record, NULL AS words, NULL AS changed
FROM word_mark m JOIN customer c ON c.id = m.customer_id
WHERE NOT EXISTS (SELECT FROM customer_trouble t WHERE t.customer_id = c.id AND t.version = c.version)
ORDER BY m.customer_id
LIMIT $1;

-- name: put_words
INSERT INTO customer_words AS w (customer_id, version, words, rule)
SELECT id, version, string_to_array(words, chr(31)), $4::smallint
FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS made (id, version, words)
ORDER BY id
ON CONFLICT (customer_id) DO UPDATE
SET version = excluded.version, words = excluded.words, rule = excluded.rule,
    search = CASE WHEN w.words = excluded.words THEN w.search END
WHERE w.version < excluded.version;

-- name: forget_word_marks
-- What was marked since these versions stays.
DELETE FROM word_mark m USING unnest($1::uuid[], $2::bigint[]) AS made (id, version)
WHERE m.customer_id = made.id AND m.version <= made.version;

-- name: index_words
-- Puts words into the search that nobody is changing now: whoever waits for nobody is in nobody's way.
WITH mine AS MATERIALIZED (
    SELECT customer_id FROM customer_words WHERE search IS NULL LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED
),
done AS (
    UPDATE customer_words w SET search = search_vector(words) FROM mine WHERE w.customer_id = mine.customer_id
)
SELECT count(*) FROM mine;

-- name: put_trouble
INSERT INTO customer_trouble (customer_id, version, reason)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[])
ON CONFLICT (customer_id) DO UPDATE
SET version = excluded.version, reason = excluded.reason, at = clock_timestamp();

-- name: clear_trouble
DELETE FROM customer_trouble t USING customer c WHERE c.id = t.customer_id AND c.version > t.version;

-- name: list_trouble
SELECT t.customer_id, t.version, t.reason, t.at
FROM customer_trouble t JOIN customer c ON c.id = t.customer_id AND c.version = t.version
ORDER BY t.at DESC LIMIT $1;

-- name: number_marks
-- Numbers what the next $1 marks stand for, $2: the largest record in bytes that is sent. Everything is
-- seen at one moment. A customer that got a new record but no words yet keeps its marks, and progress
-- marked later than it waits with it. One that cannot be sent is withdrawn from those who have it: every till
-- then holds the same, whenever it came. Reference data that was deleted is withdrawn, too: what tills are told
-- is deleted never comes back, and a setting or an operator may. A card is withdrawn even from a feed that never had
-- it: the till that gave it has it from the answer.
WITH picked AS MATERIALIZED (
    SELECT id, scope, kind, entity, value FROM feed_mark ORDER BY id LIMIT $1
),
latest AS MATERIALIZED (
    SELECT scope, kind, entity, min(id) AS first, max(id) AS last, max(value) AS value
    FROM picked GROUP BY scope, kind, entity
),
seen AS MATERIALIZED (
    SELECT latest.*,
        coalesce(customer.bucket, reference.bucket, card.bucket, 0) AS bucket,
        CASE WHEN customer.fate IN ('bad', 'large') THEN NULL
             ELSE coalesce(customer.hash, reference.hash, card.hash) END AS hash,
        CASE kind
            WHEN 'customer' THEN coalesce(customer.fate, 'gone')
            WHEN 'reference' THEN coalesce(reference.fate, 'gone')
            WHEN 'card' THEN coalesce(card.fate, 'gone')
            ELSE 'number'
        END AS fate
    FROM latest
    LEFT JOIN LATERAL (
        SELECT ('x' || substr(md5(c.id::text), 1, 2))::bit(8)::integer AS bucket,
            CASE s.state
                WHEN 'withdrawn' THEN NULL
                WHEN 'active' THEN row_hash(c.id::text, c.version, 'active',
                                            coalesce(array_to_string(c.editors, ','), '*'), c.wire)
                ELSE row_hash(c.id::text, c.version, s.state, '*', '')
            END AS hash,
            CASE
                WHEN s.state <> 'active' THEN 'number'
                WHEN (SELECT EXISTS (SELECT FROM customer_trouble)) AND EXISTS (
                    SELECT FROM customer_trouble t WHERE t.customer_id = c.id AND t.version = c.version
                ) THEN 'bad'
                WHEN NOT EXISTS (
                    SELECT FROM customer_words w WHERE w.customer_id = c.id AND w.version >= c.words_from
                ) THEN 'later'
                WHEN octet_length(c.wire) > $2 THEN 'large'
                ELSE 'number'
            END AS fate
        FROM customer c, LATERAL (
            SELECT customer_state(
                latest.scope, c.state, c.is_customer, c.everywhere, c.centres,
                till_holds(latest.scope, c.id, c.everywhere, c.centres)
            ) AS state
            OFFSET 0
        ) AS s
        WHERE latest.kind = 'customer' AND c.id = latest.entity
        OFFSET 0
    ) AS customer ON true
    LEFT JOIN LATERAL (
        SELECT ('x' || substr(md5(r.key), 1, 2))::bit(8)::integer AS bucket, 'number' AS fate,
            CASE
                WHEN r.state = 'active' AND latest.scope = ANY (r.scopes)
                THEN row_hash(r.key, r.version, 'active', '*', r.record::text)
            END AS hash
        FROM reference r
        WHERE latest.kind = 'reference' AND r.id = latest.entity
        OFFSET 0
    ) AS reference ON true
    LEFT JOIN LATERAL (
        SELECT ('x' || substr(md5('card/' || k.number_key), 1, 2))::bit(8)::integer AS bucket, 'number' AS fate,
            CASE
                WHEN latest.scope IN (SELECT card_scopes(k.state, k.customer_id))
                THEN row_hash('card/' || k.number_key, k.version, 'active', '*', k.wire)
            END AS hash
        FROM card k
        WHERE latest.kind = 'card' AND k.id = latest.entity
        OFFSET 0
    ) AS card ON true
),
waiting AS MATERIALIZED (
    SELECT scope, kind, entity FROM seen
    WHERE fate = 'later'
       OR (kind = 'progress' AND last > (SELECT min(first) FROM seen WHERE fate = 'later'))
),
ready AS MATERIALIZED (
    SELECT * FROM seen WHERE (scope, kind, entity) NOT IN (SELECT * FROM waiting)
),
forgotten AS (
    DELETE FROM feed_mark
    WHERE id <= (SELECT max(id) FROM picked)
      AND (scope, kind, entity) NOT IN (SELECT * FROM waiting)
),
large AS (
    INSERT INTO customer_trouble (customer_id, version, reason)
    SELECT DISTINCT entity, c.version, 'the record is too large to be sent'
    FROM ready JOIN customer c ON c.id = entity
    WHERE fate = 'large'
    ON CONFLICT (customer_id) DO UPDATE
    SET version = excluded.version, reason = excluded.reason, at = clock_timestamp()
),
news AS MATERIALIZED (
    SELECT ready.*, known.seq IS NULL AS first_time
    FROM ready
    LEFT JOIN LATERAL (
        SELECT seq, hash FROM feed_entry e
        WHERE e.entity = ready.entity AND e.kind = ready.kind AND e.scope = ready.scope
        OFFSET 0
    ) AS known ON true
    WHERE ready.fate IN ('number', 'bad', 'large')
      AND CASE ready.kind
          WHEN 'progress' THEN true
          WHEN 'verdict' THEN known.seq IS NULL
          WHEN 'card' THEN known.seq IS NULL OR ready.hash IS DISTINCT FROM known.hash
          ELSE ready.hash IS DISTINCT FROM known.hash
      END
),
numbered AS MATERIALIZED (
    SELECT news.*, coalesce(head, 0) AS before,
        coalesce(head, 0) + row_number() OVER (PARTITION BY scope ORDER BY kind = 'progress', last) AS seq
    FROM news LEFT JOIN feed_scope USING (scope)
),
entries AS (
    INSERT INTO feed_entry (scope, kind, entity, seq, bucket, hash)
    SELECT scope, kind, entity, seq, bucket, hash FROM numbered
    ON CONFLICT (entity, kind, scope) DO UPDATE SET seq = excluded.seq, hash = excluded.hash
),
touched AS (
    SELECT scope, before, max(seq) AS head, count(*) AS rows,
        count(*) FILTER (WHERE first_time) AS first_times
    FROM numbered GROUP BY scope, before
),
heads AS (
    INSERT INTO feed_scope (scope, head, entries)
    SELECT scope, head, first_times FROM touched
    ON CONFLICT (scope) DO UPDATE
    SET head = excluded.head, entries = feed_scope.entries + excluded.entries
),
progress AS (
    SELECT scope, array_agg(entity) AS entities, array_agg(value) AS applied
    FROM numbered WHERE kind = 'progress' GROUP BY scope
)
SELECT pass.*, scope, before, head, rows, first_times, entities, applied
FROM (
    SELECT count(*) AS marks, (SELECT count(*) FROM waiting) AS waiting FROM picked
) AS pass
LEFT JOIN (touched LEFT JOIN progress USING (scope)) ON true
ORDER BY scope;

-- name: read_stops
-- Blocked cards among the places ($1, $2] of the feed of everybody, $3 at most.
SELECT k.version, k.wire, k.changed_at
FROM feed_entry e JOIN card k ON k.id = e.entity
WHERE e.scope = 'all' AND e.seq > $1 AND e.seq <= $2 AND e.kind = 'card' AND k.state = 'blocked'
ORDER BY e.seq LIMIT $3;

-- name: count_marks
SELECT count(*) FROM (SELECT FROM feed_mark LIMIT $1) AS waiting;

-- name: oldest_mark
SELECT min(id) FROM feed_mark;

-- name: count_unworded
-- Customers that cannot be sent are told for themselves.
SELECT count(*) FROM (
    SELECT FROM word_mark m WHERE NOT EXISTS (
        SELECT FROM customer_trouble t WHERE t.customer_id = m.customer_id AND t.version >= m.version
    ) LIMIT $1
) AS waiting;

-- name: tills_of_progress
SELECT p.pos_id, p.epoch, md5(p.pos_id || '/' || p.epoch)::uuid AS entity, t.centre, t.mode = 'full' AS whole,
    p.applied_seq, p.last_hash
FROM journal_progress p JOIN till t USING (pos_id)
WHERE p.pos_id = ANY ($1::text[]);

-- name: heads_of
SELECT scope, head FROM feed_scope WHERE scope = ANY ($1::text[]);

-- name: all_heads
-- Scopes of tills that are no longer there need no sign of life.
SELECT s.scope, s.head, i.feed_epoch AS epoch, i.erasures
FROM feed_scope s, erp_identity i
WHERE s.scope NOT LIKE 'pos.%'
   OR EXISTS (SELECT FROM till t WHERE t.pos_id = substr(s.scope, 5) AND t.active)
ORDER BY s.scope;

-- name: put_progress
INSERT INTO feed_progress (id, pos_id, epoch, applied_seq, content, heads)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::jsonb[])
ON CONFLICT (id) DO UPDATE
SET applied_seq = excluded.applied_seq, content = excluded.content, heads = excluded.heads;

-- name: begin_reading
-- Where some scopes ($1) stand. Pages are then read along one index, and each row by its key: a planner
-- that has no statistics yet, or old ones, would read and sort the whole scope for each of them.
SELECT asked.scope, coalesce(s.head, 0) AS head, coalesce(s.entries, 0) AS entries,
    i.feed_epoch AS epoch, i.erasures,
    set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true)
FROM unnest($1::text[]) WITH ORDINALITY AS asked (scope, number)
CROSS JOIN erp_identity i
LEFT JOIN feed_scope s USING (scope)
ORDER BY asked.number;

-- name: state_of
SELECT coalesce(s.head, 0) AS head, i.feed_epoch AS epoch, i.erasures
FROM erp_identity i LEFT JOIN feed_scope s ON s.scope = $1;

-- name: read_rows
-- Rows after a place ($2) of some scopes ($1), at most $3 rows and about $4 bytes of each scope, one JSON
-- text each; what is beyond that is there without text. $5: a bucket, or null for all. $6: leave out what
-- is merely withdrawn. $7: the largest record. A customer whose new record has no words yet has no text:
-- its mark is still waiting. Words hold no sign that JSON would write otherwise.
SELECT asked.number, row.seq, row.before < $4 AS kept, convert_to(CASE WHEN row.before < $4 THEN CASE row.kind
    WHEN 'customer' THEN CASE
        WHEN row.seen <> 'active' THEN
            '{"kind":"customer","key":"' || row.id || '","version":' || row.version
            || ',"state":"' || row.seen || '"}'
        WHEN (SELECT EXISTS (SELECT FROM customer_trouble)) AND EXISTS (
            SELECT FROM customer_trouble t WHERE t.customer_id = row.id AND t.version = row.version
        ) THEN
            '{"kind":"customer","key":"' || row.id || '","version":' || row.version || ',"state":"withdrawn"}'
        WHEN octet_length(row.wire) <= $7 THEN
            '{"kind":"customer","key":"' || row.id || '","version":' || row.version
            || coalesce(',"editors":' || array_to_json(row.editors)::text, '')
            || (SELECT ',"words":["' || array_to_string(w.words, '","', '') || '"]'
                FROM customer_words w WHERE w.customer_id = row.id AND w.version >= row.words_from)
            || ',"record":' || row.wire || '}'
        END
    WHEN 'reference' THEN (
        SELECT '{"kind":"reference","key":' || to_json(r.key) || ',"version":' || r.version
            || CASE
                WHEN r.state = 'active' AND asked.scope = ANY (r.scopes) THEN ',"record":' || r.record::text || '}'
                ELSE ',"state":"withdrawn"}'
            END
        FROM reference r WHERE r.id = row.entity)
    WHEN 'card' THEN (
        SELECT '{"kind":"card","key":"card/' || k.number_key || '","version":' || k.version
            || CASE
                WHEN asked.scope IN (SELECT card_scopes(k.state, k.customer_id)) THEN ',"record":' || k.wire || '}'
                ELSE ',"state":"withdrawn"}'
            END
        FROM card k WHERE k.id = row.entity)
    WHEN 'verdict' THEN (
        SELECT '{"kind":"verdict","key":"' || v.id || '","version":1,"record":'
            || (v.record || jsonb_build_object('epoch', v.epoch, 'seq', v.seq))::text || '}'
        FROM verdict v WHERE v.id = row.entity)
    WHEN 'progress' THEN (
        SELECT '{"kind":"progress","key":' || to_json(p.epoch) || ',"version":' || greatest(p.applied_seq, 1)
            || ',"record":' || jsonb_build_object(
                'epoch', p.epoch, 'applied_seq', p.applied_seq, 'content', p.content, 'heads', p.heads)::text || '}'
        FROM feed_progress p WHERE p.id = row.entity)
    END END, 'UTF8') AS text
FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS asked (scope, place, number)
CROSS JOIN LATERAL (
    SELECT entry.*, c.*, coalesce(
        sum(octet_length(c.wire)) OVER (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0
    ) AS before
    FROM (
        SELECT seq, kind, entity FROM feed_entry
        WHERE scope = asked.scope AND seq > asked.place
          AND ($5::smallint IS NULL OR bucket = $5)
          AND NOT ($6 AND hash IS NULL AND kind IN ('customer', 'reference', 'card'))
        ORDER BY seq
        LIMIT $3
    ) AS entry
    LEFT JOIN LATERAL (
        SELECT id, version, editors, words_from, wire, customer_state(
            asked.scope, state, is_customer, everywhere, centres,
            till_holds(asked.scope, id, everywhere, centres)
        ) AS seen
        FROM customer WHERE id = entry.entity
    ) AS c ON entry.kind = 'customer'
) AS row;

-- name: add_up
-- Head, epoch and sums of one moment; bucket -1 is there even when the scope is empty.
SELECT coalesce(s.head, 0) AS head, i.feed_epoch AS epoch, sums.*
FROM erp_identity i
LEFT JOIN feed_scope s ON s.scope = $1
CROSS JOIN (
    SELECT -1 AS bucket, 0 AS rows, 0::numeric AS sum
    UNION ALL
    SELECT bucket, count(*), sum(hash) FROM feed_entry
    WHERE scope = $1 AND hash IS NOT NULL
    GROUP BY bucket
) AS sums;
