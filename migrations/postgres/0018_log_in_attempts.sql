-- Log-ins that were attempted at each server in the last seconds, which all servers count. Unlogged: what a crash of the
-- database loses was counted at the server where it was attempted.

CREATE UNLOGGED TABLE log_in_attempt (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The server: an id of this table alone.
    server   uuid        NOT NULL,
    -- The network that they came from: 4 or 16 bytes.
    network  bytea       NOT NULL,
    -- SHA-256 of the e-mail address; null for the sum of all addresses from that network.
    email    bytea,
    attempts integer     NOT NULL,
    made     timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX ON log_in_attempt (made);
