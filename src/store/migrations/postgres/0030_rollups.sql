-- Roll-ups: sums of calls, which reports read in place of the records (docs/operate/records.md). Written in the transaction that stores a
-- record.

-- The combinations of values by which calls are counted. `key` is a hash of the values.
CREATE TABLE rollup_key (
    key BIGINT NOT NULL PRIMARY KEY,
    desk TEXT NOT NULL,
    trunk TEXT NOT NULL,
    class TEXT NOT NULL,
    category TEXT NOT NULL,
    agency TEXT NOT NULL,
    mode TEXT NOT NULL,
    -- 1: calls that were classed as drill or test.
    exercise SMALLINT NOT NULL
);

-- One row for each period and combination with calls. `level`: 0 hour, 1 day, 2 month; 3, 4, 5 the same for all calls together.
CREATE TABLE rollup (
    level SMALLINT NOT NULL,
    -- Milliseconds since 1970-01-01 UTC.
    start BIGINT NOT NULL,
    key BIGINT NOT NULL,
    -- The hour of the week in the site's time zone, from Monday 00:00 on; 0 for days and months.
    slot SMALLINT NOT NULL,
    calls BIGINT NOT NULL,
    answered BIGINT NOT NULL,
    abandoned BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    interrupted BIGINT NOT NULL,
    short BIGINT NOT NULL,
    within BIGINT NOT NULL,
    desk_within BIGINT NOT NULL,
    abandoned_within BIGINT NOT NULL,
    desk_abandoned_within BIGINT NOT NULL,
    answered_wait_ms BIGINT NOT NULL,
    abandoned_wait_ms BIGINT NOT NULL,
    other_wait_ms BIGINT NOT NULL,
    talk_ms BIGINT NOT NULL,
    hold_ms BIGINT NOT NULL,
    wrap_ms BIGINT NOT NULL,
    returned BIGINT NOT NULL,
    unstaffed BIGINT NOT NULL,
    called_back BIGINT NOT NULL,
    reached_back BIGINT NOT NULL,
    located BIGINT NOT NULL,
    repeated BIGINT NOT NULL,
    transferred BIGINT NOT NULL,
    -- JSON: the number of calls by wait, rounded up to tenths of a second.
    answered_waits TEXT NOT NULL,
    abandoned_waits TEXT NOT NULL,
    other_waits TEXT NOT NULL,
    PRIMARY KEY (level, start, key)
);

-- The same for operators. `party`: 0 the operator of this name, 1 the fallback number, 2 agencies.
CREATE TABLE rollup_operator (
    level SMALLINT NOT NULL,
    start BIGINT NOT NULL,
    party SMALLINT NOT NULL,
    operator TEXT NOT NULL,
    offered BIGINT NOT NULL,
    not_answered BIGINT NOT NULL,
    declined BIGINT NOT NULL,
    withdrawn BIGINT NOT NULL,
    ring_ms BIGINT NOT NULL,
    answered BIGINT NOT NULL,
    talk_ms BIGINT NOT NULL,
    wrap_ms BIGINT NOT NULL,
    joined BIGINT NOT NULL,
    joined_ms BIGINT NOT NULL,
    transferred BIGINT NOT NULL,
    PRIMARY KEY (level, start, party, operator)
);

-- The records up to this one, by arrival and call, are counted. Version 0: none was ever counted.
CREATE TABLE rollup_state (
    id SMALLINT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    zone TEXT NOT NULL,
    until_received BIGINT NOT NULL,
    until_call TEXT NOT NULL,
    -- Rises with every transaction that changes sums; each begins with it, so that they follow one another.
    changes BIGINT NOT NULL
);
INSERT INTO rollup_state (id, version, zone, until_received, until_call, changes) VALUES (1, 0, '', -1, '', 0);

-- The targets of service levels, with the time from which they apply; the first ones apply from the beginning.
CREATE TABLE report_target (
    since BIGINT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
);

-- The longest wait of a period is found by the tenth of a second that the roll-ups name.
CREATE INDEX cdr_waited ON cdr (waited_ms, received, outcome, class);
