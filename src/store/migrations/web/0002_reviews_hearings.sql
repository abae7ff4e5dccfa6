-- Reviews of calls by supervisors; the newest of a call counts. The same statements for SQLite and PostgreSQL.
CREATE TABLE web_review (
    call TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    user_name TEXT NOT NULL,
    -- 1 to 5.
    score BIGINT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (call, at_ms)
);
-- The recordings of a call that a session may hear, after a stated reason.
CREATE TABLE web_hearing (
    id_sha256 TEXT NOT NULL REFERENCES web_session (id_sha256) ON DELETE CASCADE,
    call TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (id_sha256, call)
);
