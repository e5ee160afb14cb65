-- Closed conversations with everything that happened in them. Written with the checkpoint that they are part of.

CREATE TABLE archive (
    tenant         uuid     NOT NULL REFERENCES tenant (id),
    id             uuid     NOT NULL,
    -- Pages are in the order of milliseconds, which is what a cursor can hold; an interval is exact.
    closed_ms      bigint   NOT NULL,
    closed         bigint   NOT NULL,
    -- The newest position that the row tells of: a reader at an older one does not see it.
    seq            bigint   NOT NULL,
    project        bigint,
    channel        text     NOT NULL,
    reason         text,
    -- The users that took part, and the routing groups that it was given to.
    users          bigint[] NOT NULL,
    routing_groups uuid[]   NOT NULL,
    -- Bytes of the body, so that a page can end before it grows too large.
    size           bigint   NOT NULL,
    body           json     NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE INDEX archive_closed ON archive (tenant, closed_ms, id);

CREATE VIEW conversation_now AS
SELECT tenant,
       key::uuid AS id,
       body ->> 'channel' AS channel,
       (body ->> 'created')::timestamptz AS created,
       (body ->> 'closed')::timestamptz AS closed,
       body -> 'moments' AS moments
FROM state_row WHERE kind = 'conversation';
