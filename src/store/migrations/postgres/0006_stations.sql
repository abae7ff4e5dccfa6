-- 1: a phone of the room, at which operators take turns.
ALTER TABLE operator ADD COLUMN station SMALLINT NOT NULL DEFAULT 0;
-- By which an operator logs in there: what he dials, and the salted hash of what he keys. None: he does not.
ALTER TABLE operator ADD COLUMN number TEXT;
ALTER TABLE operator ADD COLUMN pin TEXT;
CREATE UNIQUE INDEX operator_number ON operator (number) WHERE number IS NOT NULL;
-- Who sat where when a run has ended sits there still at the start of the next.
CREATE INDEX fact_stationed ON fact (at) WHERE kind = 'stationed';
