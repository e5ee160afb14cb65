-- The newest sign of life of each open session with a lease. Unlogged: heartbeats are many, and each is worth one lease
-- only. A crash of the database empties the table; that the first row below is missing shows it.
--
-- Times are lease time: microseconds of this server's clock without the stretches in which no heartbeat could be taken.

CREATE UNLOGGED TABLE heartbeat (
    tenant  uuid   NOT NULL,
    user_id bigint NOT NULL,
    -- Bytes, which order and compare faster than text.
    session bytea  NOT NULL,
    -- The incarnation: position of the event that opened it.
    opened  bigint NOT NULL,
    heard   bigint NOT NULL,
    -- Of one row only, with tenant, user and session of zero: the clock when a server last wrote here, and the length of
    -- the stretches so far. Every session counts as heard at its `heard`.
    alive   bigint,
    moved   bigint,
    PRIMARY KEY (tenant, user_id, session)
) WITH (fillfactor = 70);
