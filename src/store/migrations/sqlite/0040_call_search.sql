-- What calls are searched by, one narrow row for each record, in the order of arrival: a year of calls is searched without reading the
-- records themselves. Written with the record.
CREATE TABLE call_search (
    received INTEGER NOT NULL,
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
    waited_ms INTEGER NOT NULL,
    talk_ms INTEGER NOT NULL,
    wrap_ms INTEGER,
    -- With small letters.
    note TEXT NOT NULL,
    PRIMARY KEY (received, call)
) WITHOUT ROWID;

INSERT INTO call_search
    SELECT received, call,
    substr(replace(replace(replace(replace(replace(replace(COALESCE(number, ''), ' ', ''), '+', ''), '-', ''), '.', ''), '(', ''), ')', ''), 1, 64),
    COALESCE((SELECT char(10) || group_concat(operator, char(10)) || char(10) FROM
        (SELECT DISTINCT operator FROM talk WHERE talk.call = cdr.call AND operator IS NOT NULL ORDER BY operator)), ''),
    desk, trunk, outcome, COALESCE(class, ''), COALESCE(category, ''),
    COALESCE(json_extract(body, '$.disposition.agency'), ''), COALESCE(json_extract(body, '$.posture'), 'normal'),
    waited_ms, talk_ms, wrap_ms, lower(COALESCE(json_extract(body, '$.disposition.note'), ''))
    -- A record that cannot be read is searched by its columns.
    FROM (SELECT received, call, number, desk, trunk, outcome, class, category, waited_ms, talk_ms, wrap_ms,
        CASE WHEN json_valid(body) THEN body ELSE '{}' END AS body FROM cdr) AS cdr;

-- A row never outlives its record.
CREATE TRIGGER cdr_removed AFTER DELETE ON cdr BEGIN
    DELETE FROM call_search WHERE received = OLD.received AND call = OLD.call;
END;
CREATE TRIGGER cdr_moved AFTER UPDATE OF received ON cdr WHEN OLD.received <> NEW.received BEGIN
    DELETE FROM call_search WHERE received = OLD.received AND call = OLD.call;
END;
