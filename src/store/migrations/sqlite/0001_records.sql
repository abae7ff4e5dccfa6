-- Facts of calls (stream = the call) and of runs of the service (stream = the run).
CREATE TABLE fact (
    stream TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (stream, seq)
) WITHOUT ROWID;

-- One row for each call that is over, folded from its facts in the transaction that stored the last of them.
CREATE TABLE cdr (
    call TEXT NOT NULL PRIMARY KEY,
    received INTEGER NOT NULL,
    answered INTEGER,
    ended INTEGER NOT NULL,
    trunk TEXT NOT NULL,
    number TEXT,
    called TEXT NOT NULL,
    outcome TEXT NOT NULL,
    cause TEXT NOT NULL,
    ended_by TEXT NOT NULL,
    operator TEXT,
    waited_ms INTEGER NOT NULL,
    talk_ms INTEGER NOT NULL,
    wrap_ms INTEGER,
    class TEXT,
    category TEXT,
    body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX cdr_received ON cdr (received, call);
-- A year's summary is read from these two alone.
CREATE INDEX cdr_outcome ON cdr (outcome, received, waited_ms, talk_ms, wrap_ms);
CREATE INDEX cdr_class ON cdr (class, received);

-- Every stretch of talk of the calls in cdr: who was lost and who went on with the caller each have their own.
CREATE TABLE talk (
    call TEXT NOT NULL,
    no INTEGER NOT NULL,
    -- Null: the fallback number.
    operator TEXT,
    -- Of the call.
    received INTEGER NOT NULL,
    talk_ms INTEGER NOT NULL,
    -- Null: the wrap-up was not his, or is not over.
    wrap_ms INTEGER,
    PRIMARY KEY (call, no)
) WITHOUT ROWID;
CREATE INDEX talk_operator ON talk (operator, received, talk_ms, wrap_ms);

-- Calls that have begun and not ended, as far as they are stored.
CREATE TABLE open_call (
    call TEXT NOT NULL PRIMARY KEY,
    journal TEXT NOT NULL
) WITHOUT ROWID;

-- How far each journal has been stored.
CREATE TABLE journal_cursor (
    journal TEXT NOT NULL PRIMARY KEY,
    segment INTEGER NOT NULL,
    position INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE operator (
    operator TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    realm TEXT NOT NULL,
    ha1_md5 TEXT NOT NULL,
    ha1_sha256 TEXT NOT NULL
) WITHOUT ROWID;

-- Rises with every change of `operator`.
CREATE TABLE operator_mark (
    id INTEGER NOT NULL PRIMARY KEY,
    mark INTEGER NOT NULL
);
INSERT INTO operator_mark (id, mark) VALUES (1, 0);
