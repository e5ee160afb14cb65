-- The deletion of tenants: one short transaction after which no reader finds the tenant, then its rows in slices, the
-- row of the tenant last.

-- Time at which the tenant was deleted; NULL for a tenant that exists. The row stays until the others are deleted, since
-- they refer to it. It keeps none of the settings, and a name that no tenant can have.
ALTER TABLE tenant ADD COLUMN deleted INTEGER;

-- Without these, each deleted key and tenant would search all tokens for references.
CREATE INDEX token_tenant ON token (tenant);

CREATE INDEX token_key ON token (key);
