-- Which tenants and keys changed lately, so that a running server reads those and not all of them.

-- A random number made with each change: after a failover an equal version may stand for other contents.
ALTER TABLE registry ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;

-- The newest changes, one a version. A server that knows none of these reads everything anew.
CREATE TABLE registry_change (
    version INTEGER PRIMARY KEY,
    epoch   INTEGER NOT NULL,
    tenant  TEXT,
    key     TEXT
) STRICT;

UPDATE registry SET epoch = random();

INSERT INTO registry_change (version, epoch) SELECT version, epoch FROM registry;

-- Revoked keys are kept, and may be many more than the others.
CREATE INDEX api_key_valid ON api_key (created, id) WHERE revoked IS NULL;

CREATE INDEX api_key_tenant ON api_key (tenant, created, id);
