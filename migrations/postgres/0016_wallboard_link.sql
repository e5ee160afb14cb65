-- Links to wallboards, by which a screen without a key shows one. Kept as SHA-256, like keys.
CREATE TABLE wallboard_link (
    hash    bytea   PRIMARY KEY,
    tenant  uuid    NOT NULL REFERENCES tenant (id),
    -- The wallboard's name, and the form of people's names on it.
    board   text    NOT NULL,
    names   text    NOT NULL,
    -- True if it shows people.
    people  boolean NOT NULL,
    -- The key that it ends with; NULL if it outlives the one that made it.
    key     uuid    REFERENCES api_key (id),
    created bigint  NOT NULL,
    expires bigint  NOT NULL,
    -- Time of the newest connection with it; NULL before the first.
    seen    bigint
);

CREATE INDEX wallboard_link_listed ON wallboard_link (tenant, board, created, hash);

CREATE INDEX wallboard_link_expires ON wallboard_link (expires);

-- Without it, each deleted key would search all links for references.
CREATE INDEX wallboard_link_key ON wallboard_link (key);
