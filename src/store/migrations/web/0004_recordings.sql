-- 1: a supervisor who may hear recordings.
ALTER TABLE web_user ADD COLUMN recordings BIGINT NOT NULL DEFAULT 0;
