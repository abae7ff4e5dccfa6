-- Exports of many numbers, each asked for by one user and decided by another. A query is stored only as a hash and as the access log has it.
CREATE TABLE web_approval (
    id TEXT NOT NULL PRIMARY KEY,
    query_sha256 TEXT NOT NULL,
    subject TEXT NOT NULL,
    calls BIGINT NOT NULL,
    reason TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_role TEXT NOT NULL,
    asked_ms BIGINT NOT NULL,
    -- Empty: not decided.
    decided_by TEXT NOT NULL,
    decided_ms BIGINT NOT NULL,
    is_allowed BIGINT NOT NULL
);
CREATE INDEX web_approval_query ON web_approval (asked_by, query_sha256, asked_ms);
CREATE INDEX web_approval_time ON web_approval (asked_ms);
