-- The deletion of tenants: one short transaction after which no reader finds the tenant, then its rows in slices, the
-- row of the tenant last.

-- Time at which the tenant was deleted; NULL for a tenant that exists. The row stays until the others are deleted, since
-- they refer to it. It keeps neither name nor settings.
ALTER TABLE tenant ADD COLUMN deleted bigint;

-- Names are unique among the tenants that exist. As a partial index it is not part of what foreign keys refer to: the
-- name can be cleared while a checkpoint, which holds a share lock on the row, is being written.
ALTER TABLE tenant DROP CONSTRAINT tenant_name_key;

CREATE UNIQUE INDEX tenant_name ON tenant (name) WHERE deleted IS NULL;

-- Without these, each deleted key and tenant would search all tokens for references.
CREATE INDEX token_tenant ON token (tenant);

CREATE INDEX token_key ON token (key);
