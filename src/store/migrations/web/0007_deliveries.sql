-- What became of scheduled reports, and the last time for which each schedule has run.
CREATE TABLE web_delivery (
    seq BIGINT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    schedule TEXT NOT NULL,
    -- The time for which the report was made.
    due_ms BIGINT NOT NULL,
    -- A file or an address.
    target TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TABLE web_schedule (
    schedule TEXT NOT NULL PRIMARY KEY,
    due_ms BIGINT NOT NULL
);
