-- Erasure and retention of personal data (docs/operate/privacy.md).

-- Requests to erase a number. `number` and `wanted` are empty as soon as it is done.
CREATE TABLE erasure (
    id TEXT NOT NULL PRIMARY KEY,
    -- Milliseconds since 1970-01-01 UTC.
    asked BIGINT NOT NULL,
    asked_by TEXT NOT NULL,
    -- The user of another role who approved it.
    second TEXT NOT NULL,
    ground TEXT NOT NULL,
    number TEXT NOT NULL,
    -- JSON: stream and number of each fact, and calls of which there is only a record.
    wanted TEXT NOT NULL,
    done BIGINT,
    -- JSON: what was erased.
    result TEXT
);

-- Calls of which nothing is erased or deleted.
CREATE TABLE legal_hold (
    call TEXT NOT NULL PRIMARY KEY,
    placed BIGINT NOT NULL,
    placed_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- Set until the service has done what [retention] asks of the call.
    lifted BIGINT
);

-- How far each rule of [retention] has been applied: streams up to `stream`, and arrivals before `until`.
CREATE TABLE retention (
    rule TEXT NOT NULL PRIMARY KEY,
    until BIGINT NOT NULL,
    stream TEXT NOT NULL
);

-- Facts of the service with numbers.
CREATE INDEX fact_service ON fact (at) WHERE kind IN ('caller-marked', 'commanded');
