-- The state at a position, so that a start need not apply the whole journal.

CREATE TABLE checkpoint (
    tenant        TEXT    PRIMARY KEY REFERENCES tenant (id),
    position      INTEGER NOT NULL,
    apply_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- All rows of a tenant describe the same position: they and the checkpoint are written in one transaction.
CREATE TABLE state_row (
    tenant TEXT NOT NULL REFERENCES tenant (id),
    kind   TEXT NOT NULL,
    key    TEXT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, key)
) STRICT, WITHOUT ROWID;

CREATE VIEW user_now AS
SELECT tenant,
       body ->> '$.profile.id' AS id,
       body ->> '$.profile.name' AS name,
       body ->> '$.presence.category' AS presence,
       EXISTS (
           SELECT 1 FROM json_each(coalesce(body -> '$.sessions', '[]')) AS s
           WHERE s.value ->> '$.open' AND s.value ->> '$.surface' = 'desk'
       ) AS connected,
       body -> '$.profile.channels' AS channels,
       body -> '$.toggles' AS toggles,
       body -> '$.deleted' IS NOT NULL AS deleted
FROM state_row WHERE kind = 'user';

CREATE VIEW session_now AS
SELECT tenant,
       body ->> '$.profile.id' AS user_id,
       s.value ->> '$.session' AS session,
       s.value ->> '$.open' AS open,
       s.value ->> '$.at' AS at,
       s.value ->> '$.surface' AS surface,
       s.value ->> '$.lease_seconds' AS lease_seconds
FROM state_row, json_each(coalesce(body -> '$.sessions', '[]')) AS s WHERE kind = 'user';

CREATE VIEW slot_now AS
SELECT tenant,
       key AS conversation,
       body ->> '$.held_by' AS user_id,
       body ->> '$.taken.channel' AS channel,
       body ->> '$.taken.time' AS taken
FROM state_row WHERE kind = 'claim' AND body -> '$.held_by' IS NOT NULL;
