-- Who may ask. Keys are kept as SHA-256 of a high-entropy secret, with the visible prefix that lists show.

CREATE TABLE api_key (
    id      uuid   PRIMARY KEY,
    tenant  uuid   NOT NULL REFERENCES tenant (id),
    name    text   NOT NULL,
    prefix  text   NOT NULL,
    hash    bytea  NOT NULL UNIQUE,
    scopes  jsonb  NOT NULL,
    created bigint NOT NULL,
    revoked bigint
);

-- Raised by every change of tenants and keys, so that a running server notices those of another process.
CREATE TABLE registry (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    version    bigint NOT NULL DEFAULT 0,
    admin_hash bytea
);

INSERT INTO registry DEFAULT VALUES;
