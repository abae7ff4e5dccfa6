-- Figures leave out drills and tests: the class stands in the indexes that they read.
CREATE INDEX cdr_outcome_class ON cdr (outcome, received, class, waited_ms, talk_ms, wrap_ms);
CREATE INDEX cdr_desk_class ON cdr (desk, received, class, outcome, waited_ms);
DROP INDEX cdr_outcome;
DROP INDEX cdr_desk;
