-- What all servers on a database share beside tenants and keys: tickets, and which tokens were revoked.

-- Kept as SHA-256, like keys. A ticket that was used stays until it expires, so that the same use can be repeated after
-- an unknown outcome.
CREATE TABLE ticket (
    hash       bytea  PRIMARY KEY,
    tenant     uuid   NOT NULL REFERENCES tenant (id),
    -- SHA-256 of the credential that it was made with, and ends with.
    credential bytea  NOT NULL,
    -- The integer id of the user, and the only session that it opens; any if absent.
    person     bigint NOT NULL,
    session    text,
    expires    bigint NOT NULL,
    -- An id of the use; NULL while it can be used.
    used_by    uuid
);

CREATE INDEX ticket_tenant ON ticket (tenant);

-- The unused tickets of a tenant are counted when the next one is made.
CREATE INDEX ticket_unused ON ticket (tenant, expires) WHERE used_by IS NULL;

CREATE INDEX ticket_expires ON ticket (expires);

-- SHA-256 of the tokens that a change revoked.
ALTER TABLE registry_change ADD COLUMN tokens bytea[];

-- Log-ins are listed by tenant, the newest first. The index begins as token_tenant did.
CREATE INDEX token_listed ON token (tenant, created, hash);

DROP INDEX token_tenant;
