-- Browsers from which a user has logged in: the limit of wrong log-ins of an address does not apply to them.
CREATE TABLE web_browser (
    id_sha256 TEXT NOT NULL,
    user_name TEXT NOT NULL REFERENCES web_user (name) ON DELETE CASCADE,
    seen_ms BIGINT NOT NULL,
    PRIMARY KEY (user_name, id_sha256)
);
