-- Facts of calls (stream = the call) and of runs of the service (stream = the run).
CREATE TABLE fact (
    stream TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (stream, seq)
);

-- One row for each call that is over, folded from its facts in the transaction that stored the last of them.
CREATE TABLE cdr (
    call TEXT NOT NULL PRIMARY KEY,
    received BIGINT NOT NULL,
    answered BIGINT,
    ended BIGINT NOT NULL,
    trunk TEXT NOT NULL,
    number TEXT,
    called TEXT NOT NULL,
    outcome TEXT NOT NULL,
    cause TEXT NOT NULL,
    ended_by TEXT NOT NULL,
    operator TEXT,
    waited_ms BIGINT NOT NULL,
    talk_ms BIGINT NOT NULL,
    wrap_ms BIGINT,
    class TEXT,
    category TEXT,
    body TEXT NOT NULL
);
CREATE INDEX cdr_received ON cdr (received, call);
-- A year's summary is read from these two alone.
CREATE INDEX cdr_outcome ON cdr (outcome, received, waited_ms, talk_ms, wrap_ms);
CREATE INDEX cdr_class ON cdr (class, received);

-- Every stretch of talk of the calls in cdr: who was lost and who went on with the caller each have their own.
CREATE TABLE talk (
    call TEXT NOT NULL,
    no BIGINT NOT NULL,
    -- Null: the fallback number.
    operator TEXT,
    -- Of the call.
    received BIGINT NOT NULL,
    talk_ms BIGINT NOT NULL,
    -- Null: the wrap-up was not his, or is not over.
    wrap_ms BIGINT,
    PRIMARY KEY (call, no)
);
CREATE INDEX talk_operator ON talk (operator, received, talk_ms, wrap_ms);

-- Calls that have begun and not ended, as far as they are stored.
CREATE TABLE open_call (
    call TEXT NOT NULL PRIMARY KEY,
    journal TEXT NOT NULL
);

-- How far each journal has been stored.
CREATE TABLE journal_cursor (
    journal TEXT NOT NULL PRIMARY KEY,
    segment BIGINT NOT NULL,
    position BIGINT NOT NULL
);

CREATE TABLE operator (
    operator TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    realm TEXT NOT NULL,
    ha1_md5 TEXT NOT NULL,
    ha1_sha256 TEXT NOT NULL
);

-- Rises with every change of `operator`.
CREATE TABLE operator_mark (
    id SMALLINT NOT NULL PRIMARY KEY,
    mark BIGINT NOT NULL
);
INSERT INTO operator_mark (id, mark) VALUES (1, 0);
