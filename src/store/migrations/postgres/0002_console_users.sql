-- Who may use the console beside the service's own token: the SHA-256 of each secret, never the secret.
CREATE TABLE console_user (
    name TEXT NOT NULL PRIMARY KEY,
    role TEXT NOT NULL,
    token_sha256 TEXT NOT NULL UNIQUE
);
