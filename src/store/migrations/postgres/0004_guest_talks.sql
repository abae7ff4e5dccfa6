-- 1: a stretch of talk beside the one who had the caller; his seconds, and no caller that he has answered.
ALTER TABLE talk ADD COLUMN guest SMALLINT NOT NULL DEFAULT 0;
UPDATE talk SET guest = 1 FROM cdr
    WHERE cdr.call = talk.call AND cdr.body LIKE '%"guest":true%'
    AND cdr.body::json -> 'talks' -> talk.no::int ->> 'guest' = 'true';
-- All that the sums of an operator ask for.
CREATE INDEX talk_operator_guest ON talk (operator, received, guest, talk_ms, wrap_ms);
