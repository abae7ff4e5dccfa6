-- Roll-ups: sums of calls, which reports read in place of the records (docs/operate/records.md). Written in the transaction that stores a
-- record.

-- The combinations of values by which calls are counted. `key` is a hash of the values.
CREATE TABLE rollup_key (
    key INTEGER NOT NULL PRIMARY KEY,
    desk TEXT NOT NULL,
    trunk TEXT NOT NULL,
    class TEXT NOT NULL,
    category TEXT NOT NULL,
    agency TEXT NOT NULL,
    mode TEXT NOT NULL,
    -- 1: calls that were classed as drill or test.
    exercise INTEGER NOT NULL
) WITHOUT ROWID;

-- One row for each period and combination with calls. `level`: 0 hour, 1 day, 2 month; 3, 4, 5 the same for all calls together.
CREATE TABLE rollup (
    level INTEGER NOT NULL,
    -- Milliseconds since 1970-01-01 UTC.
    start INTEGER NOT NULL,
    key INTEGER NOT NULL,
    -- The hour of the week in the site's time zone, from Monday 00:00 on; 0 for days and months.
    slot INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    answered INTEGER NOT NULL,
    abandoned INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    interrupted INTEGER NOT NULL,
    short INTEGER NOT NULL,
    within INTEGER NOT NULL,
    desk_within INTEGER NOT NULL,
    abandoned_within INTEGER NOT NULL,
    desk_abandoned_within INTEGER NOT NULL,
    answered_wait_ms INTEGER NOT NULL,
    abandoned_wait_ms INTEGER NOT NULL,
    other_wait_ms INTEGER NOT NULL,
    talk_ms INTEGER NOT NULL,
    hold_ms INTEGER NOT NULL,
    wrap_ms INTEGER NOT NULL,
    returned INTEGER NOT NULL,
    unstaffed INTEGER NOT NULL,
    called_back INTEGER NOT NULL,
    reached_back INTEGER NOT NULL,
    located INTEGER NOT NULL,
    repeated INTEGER NOT NULL,
    transferred INTEGER NOT NULL,
    -- JSON: the number of calls by wait, rounded up to tenths of a second.
    answered_waits TEXT NOT NULL,
    abandoned_waits TEXT NOT NULL,
    other_waits TEXT NOT NULL,
    PRIMARY KEY (level, start, key)
) WITHOUT ROWID;

-- The same for operators. `party`: 0 the operator of this name, 1 the fallback number, 2 agencies.
CREATE TABLE rollup_operator (
    level INTEGER NOT NULL,
    start INTEGER NOT NULL,
    party INTEGER NOT NULL,
    operator TEXT NOT NULL,
    offered INTEGER NOT NULL,
    not_answered INTEGER NOT NULL,
    declined INTEGER NOT NULL,
    withdrawn INTEGER NOT NULL,
    ring_ms INTEGER NOT NULL,
    answered INTEGER NOT NULL,
    talk_ms INTEGER NOT NULL,
    wrap_ms INTEGER NOT NULL,
    joined INTEGER NOT NULL,
    joined_ms INTEGER NOT NULL,
    transferred INTEGER NOT NULL,
    PRIMARY KEY (level, start, party, operator)
) WITHOUT ROWID;

-- The records up to this one, by arrival and call, are counted. Version 0: none was ever counted.
CREATE TABLE rollup_state (
    id INTEGER NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    zone TEXT NOT NULL,
    until_received INTEGER NOT NULL,
    until_call TEXT NOT NULL,
    -- Rises with every transaction that changes sums; each begins with it, so that they follow one another.
    changes INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO rollup_state (id, version, zone, until_received, until_call, changes) VALUES (1, 0, '', -1, '', 0);

-- The targets of service levels, with the time from which they apply; the first ones apply from the beginning.
CREATE TABLE report_target (
    since INTEGER NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
) WITHOUT ROWID;

-- The longest wait of a period is found by the tenth of a second that the roll-ups name.
CREATE INDEX cdr_waited ON cdr (waited_ms, received, outcome, class);
