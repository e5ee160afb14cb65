-- Closed conversations with everything that happened in them. Written with the checkpoint that they are part of.

CREATE TABLE archive (
    tenant         TEXT    NOT NULL REFERENCES tenant (id),
    id             TEXT    NOT NULL,
    -- Pages are in the order of milliseconds, which is what a cursor can hold; an interval is exact.
    closed_ms      INTEGER NOT NULL,
    closed         INTEGER NOT NULL,
    -- The newest position that the row tells of: a reader at an older one does not see it.
    seq            INTEGER NOT NULL,
    project        INTEGER,
    channel        TEXT    NOT NULL,
    reason         TEXT,
    -- JSON: the users that took part, and the routing groups that it was given to.
    users          TEXT    NOT NULL,
    routing_groups TEXT    NOT NULL,
    -- Bytes of the body, so that a page can end before it grows too large.
    size           INTEGER NOT NULL,
    body           TEXT    NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;

CREATE INDEX archive_closed ON archive (tenant, closed_ms, id);

CREATE VIEW conversation_now AS
SELECT tenant,
       key AS id,
       body ->> '$.channel' AS channel,
       body ->> '$.created' AS created,
       body ->> '$.closed' AS closed,
       body -> '$.moments' AS moments
FROM state_row WHERE kind = 'conversation';
