-- Which tokens were revoked. Tickets stay in memory here: no second server could read them.

-- SHA-256 of the tokens that a change revoked, one after the other, 32 bytes each.
ALTER TABLE registry_change ADD COLUMN tokens BLOB;

-- Log-ins are listed by tenant, the newest first. The index begins as token_tenant did.
CREATE INDEX token_listed ON token (tenant, created, hash);

DROP INDEX token_tenant;
