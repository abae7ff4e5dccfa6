-- Users of the pages, their sessions, failed log-ins and the access log. The same statements for SQLite and PostgreSQL.
CREATE TABLE web_user (
    name TEXT NOT NULL PRIMARY KEY,
    display TEXT NOT NULL,
    role TEXT NOT NULL,
    -- Argon2id, as a PHC string.
    password TEXT NOT NULL,
    must_change BIGINT NOT NULL,
    -- Base32; NULL: no second factor.
    totp_secret TEXT,
    -- The last time step whose code was used: no code is valid twice.
    totp_step BIGINT NOT NULL
);
CREATE TABLE web_session (
    id_sha256 TEXT NOT NULL PRIMARY KEY,
    user_name TEXT NOT NULL REFERENCES web_user (name) ON DELETE CASCADE,
    -- 0: the code of the second factor is missing.
    is_complete BIGINT NOT NULL,
    address TEXT NOT NULL,
    started_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL
);
CREATE INDEX web_session_user ON web_session (user_name, started_ms);
CREATE TABLE web_failure (
    user_name TEXT NOT NULL,
    address TEXT NOT NULL,
    failures BIGINT NOT NULL,
    last_ms BIGINT NOT NULL,
    PRIMARY KEY (user_name, address)
);
CREATE TABLE web_access (
    seq BIGINT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    user_name TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    previous_sha256 TEXT NOT NULL,
    sha256 TEXT NOT NULL
);
