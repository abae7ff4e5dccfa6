-- What calls are searched by, one narrow row for each record, in the order of arrival: a year of calls is searched without reading the
-- records themselves. Written with the record.
CREATE TABLE call_search (
    received BIGINT NOT NULL,
    call TEXT NOT NULL,
    -- Without separators, at most 64 characters; empty: no number.
    number TEXT NOT NULL,
    -- The operators who talked, each between line feeds; empty: none.
    operators TEXT NOT NULL,
    desk TEXT NOT NULL,
    trunk TEXT NOT NULL,
    outcome TEXT NOT NULL,
    class TEXT NOT NULL,
    category TEXT NOT NULL,
    agency TEXT NOT NULL,
    mode TEXT NOT NULL,
    waited_ms BIGINT NOT NULL,
    talk_ms BIGINT NOT NULL,
    wrap_ms BIGINT,
    -- With small letters.
    note TEXT NOT NULL,
    PRIMARY KEY (received, call)
);

-- No record may be stored between the filling and the first one that is written with its row.
LOCK TABLE cdr IN SHARE ROW EXCLUSIVE MODE;

-- NULL if a record cannot be read: it is then searched by its columns.
CREATE FUNCTION call_search_text(body TEXT, VARIADIC path TEXT[]) RETURNS TEXT LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN body::json #>> path;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END $$;

INSERT INTO call_search
    SELECT received, call, left(translate(COALESCE(number, ''), ' +-.()', ''), 64),
    COALESCE((SELECT E'\n' || string_agg(operator, E'\n' ORDER BY operator COLLATE "C") || E'\n' FROM
        (SELECT DISTINCT operator FROM talk WHERE talk.call = cdr.call AND operator IS NOT NULL) AS talked), ''),
    desk, trunk, outcome, COALESCE(class, ''), COALESCE(category, ''),
    COALESCE(call_search_text(body, 'disposition', 'agency'), ''), COALESCE(call_search_text(body, 'posture'), 'normal'),
    waited_ms, talk_ms, wrap_ms, lower(COALESCE(call_search_text(body, 'disposition', 'note'), '') COLLATE "C")
    FROM cdr ORDER BY received, call;

DROP FUNCTION call_search_text(TEXT, TEXT[]);

-- A row never outlives its record.
CREATE FUNCTION call_search_remove() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM call_search WHERE received = OLD.received AND call = OLD.call;
    RETURN NULL;
END $$;
CREATE TRIGGER cdr_removed AFTER DELETE ON cdr FOR EACH ROW EXECUTE FUNCTION call_search_remove();
CREATE TRIGGER cdr_moved AFTER UPDATE OF received ON cdr FOR EACH ROW WHEN (OLD.received <> NEW.received)
    EXECUTE FUNCTION call_search_remove();
