-- What was given for a key or a password, for a while. Kept as SHA-256, like keys.

CREATE TABLE token (
    hash     BLOB    PRIMARY KEY,
    tenant   TEXT    NOT NULL REFERENCES tenant (id),
    key      TEXT    REFERENCES api_key (id),
    person   TEXT,
    password INTEGER,
    scopes   TEXT    NOT NULL,
    created  INTEGER NOT NULL,
    expires  INTEGER NOT NULL,
    -- Of a key, or of a person by GUID with the journal's position at which the password was set.
    CHECK ((key IS NULL) = (person IS NOT NULL) AND (person IS NULL) = (password IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX token_expires ON token (expires);
