-- The desk whose call it was; empty: the first, and all calls that were stored before.
ALTER TABLE cdr ADD COLUMN desk TEXT NOT NULL DEFAULT '';
-- A year's service levels by desk are read from this alone.
CREATE INDEX cdr_desk ON cdr (desk, received, outcome, waited_ms);
