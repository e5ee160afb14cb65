-- The state at a position, so that a start need not apply the whole journal.

CREATE TABLE checkpoint (
    tenant        uuid   PRIMARY KEY REFERENCES tenant (id),
    position      bigint NOT NULL,
    apply_version int    NOT NULL
);

-- All rows of a tenant describe the same position: they and the checkpoint are written in one transaction.
CREATE TABLE state_row (
    tenant uuid  NOT NULL REFERENCES tenant (id),
    kind   text  NOT NULL,
    key    text  NOT NULL,
    body   jsonb NOT NULL,
    PRIMARY KEY (tenant, kind, key)
);

CREATE VIEW user_now AS
SELECT tenant,
       (body #>> '{profile,id}')::bigint AS id,
       body #>> '{profile,name}' AS name,
       body #>> '{presence,category}' AS presence,
       EXISTS (
           SELECT FROM jsonb_array_elements(coalesce(body -> 'sessions', '[]')) AS s
           WHERE (s ->> 'open')::boolean AND s ->> 'surface' = 'desk'
       ) AS connected,
       body #> '{profile,channels}' AS channels,
       body -> 'toggles' AS toggles,
       body ? 'deleted' AS deleted
FROM state_row WHERE kind = 'user';

CREATE VIEW session_now AS
SELECT tenant,
       (body #>> '{profile,id}')::bigint AS user_id,
       s ->> 'session' AS session,
       (s ->> 'open')::boolean AS open,
       (s ->> 'at')::timestamptz AS at,
       s ->> 'surface' AS surface,
       (s ->> 'lease_seconds')::int AS lease_seconds
FROM state_row, jsonb_array_elements(coalesce(body -> 'sessions', '[]')) AS s WHERE kind = 'user';

CREATE VIEW slot_now AS
SELECT tenant,
       key AS conversation,
       (body ->> 'held_by')::bigint AS user_id,
       body #>> '{taken,channel}' AS channel,
       (body #>> '{taken,time}')::timestamptz AS taken
FROM state_row WHERE kind = 'claim' AND body ? 'held_by';
