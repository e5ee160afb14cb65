-- Bodies of state rows as the text that was written: a start reads all of them, and to make text of jsonb takes several times
-- as long as to send it (docs/decisions/0130-parallel-starts.md).

-- They refer to the column, and are made again below.
DROP VIEW user_now, session_now, slot_now, conversation_now;

ALTER TABLE state_row ALTER COLUMN body TYPE json USING body::text::json;

CREATE VIEW user_now AS
SELECT tenant,
       (body #>> '{profile,id}')::bigint AS id,
       body #>> '{profile,name}' AS name,
       body #>> '{presence,category}' AS presence,
       EXISTS (
           SELECT FROM json_array_elements(coalesce(body -> 'sessions', '[]')) AS s
           WHERE (s ->> 'open')::boolean AND s ->> 'surface' = 'desk'
       ) AS connected,
       body #> '{profile,channels}' AS channels,
       body -> 'toggles' AS toggles,
       body -> 'deleted' IS NOT NULL AS deleted
FROM state_row WHERE kind = 'user';

CREATE VIEW session_now AS
SELECT tenant,
       (body #>> '{profile,id}')::bigint AS user_id,
       s ->> 'session' AS session,
       (s ->> 'open')::boolean AS open,
       (s ->> 'at')::timestamptz AS at,
       s ->> 'surface' AS surface,
       (s ->> 'lease_seconds')::int AS lease_seconds
FROM state_row, json_array_elements(coalesce(body -> 'sessions', '[]')) AS s WHERE kind = 'user';

CREATE VIEW slot_now AS
SELECT tenant,
       key AS conversation,
       (body ->> 'held_by')::bigint AS user_id,
       body #>> '{taken,channel}' AS channel,
       (body #>> '{taken,time}')::timestamptz AS taken
FROM state_row WHERE kind = 'claim' AND body -> 'held_by' IS NOT NULL;

CREATE VIEW conversation_now AS
SELECT tenant,
       key::uuid AS id,
       body ->> 'channel' AS channel,
       (body ->> 'created')::timestamptz AS created,
       (body ->> 'closed')::timestamptz AS closed,
       body -> 'moments' AS moments
FROM state_row WHERE kind = 'conversation';
