-- Wrong codes of a session whose second factor is missing.
ALTER TABLE web_session ADD COLUMN wrong_codes BIGINT NOT NULL DEFAULT 0;
-- The access log of one user is read without the entries of others.
CREATE INDEX web_access_user ON web_access (user_name, seq);
