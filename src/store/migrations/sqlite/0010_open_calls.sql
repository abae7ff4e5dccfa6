-- The journal's segment from which the call was read: a recovery closes only calls of segments before its own run's.
ALTER TABLE open_call ADD COLUMN segment BIGINT NOT NULL DEFAULT 0;
-- Machine and folder of the journal: a new journal at the same place closes the calls that the lost one left open.
ALTER TABLE journal_cursor ADD COLUMN home TEXT;
