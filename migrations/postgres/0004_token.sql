-- What was given for a key or a password, for a while. Kept as SHA-256, like keys.

CREATE TABLE token (
    hash     bytea  PRIMARY KEY,
    tenant   uuid   NOT NULL REFERENCES tenant (id),
    key      uuid   REFERENCES api_key (id),
    person   uuid,
    password bigint,
    scopes   jsonb  NOT NULL,
    created  bigint NOT NULL,
    expires  bigint NOT NULL,
    -- Of a key, or of a person by GUID with the journal's position at which the password was set.
    CHECK ((key IS NULL) = (person IS NOT NULL) AND (person IS NULL) = (password IS NULL))
);

CREATE INDEX token_expires ON token (expires);
