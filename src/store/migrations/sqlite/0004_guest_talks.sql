-- 1: a stretch of talk beside the one who had the caller; his seconds, and no caller that he has answered.
ALTER TABLE talk ADD COLUMN guest INTEGER NOT NULL DEFAULT 0;
UPDATE talk SET guest = 1
    WHERE call IN (SELECT call FROM cdr WHERE body LIKE '%"guest":true%')
    AND json_extract((SELECT body FROM cdr WHERE cdr.call = talk.call), '$.talks[' || no || '].guest');
-- All that the sums of an operator ask for.
CREATE INDEX talk_operator_guest ON talk (operator, received, guest, talk_ms, wrap_ms);
