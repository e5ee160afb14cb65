-- Who may ask. Keys are kept as SHA-256 of a high-entropy secret, with the visible prefix that lists show.

CREATE TABLE api_key (
    id      TEXT    PRIMARY KEY,
    tenant  TEXT    NOT NULL REFERENCES tenant (id),
    name    TEXT    NOT NULL,
    prefix  TEXT    NOT NULL,
    hash    BLOB    NOT NULL UNIQUE,
    scopes  TEXT    NOT NULL,
    created INTEGER NOT NULL,
    revoked INTEGER
) STRICT, WITHOUT ROWID;

-- Raised by every change of tenants and keys, so that a running server notices those of another process.
CREATE TABLE registry (
    one        INTEGER PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    version    INTEGER NOT NULL DEFAULT 0,
    admin_hash BLOB
) STRICT;

INSERT INTO registry DEFAULT VALUES;
