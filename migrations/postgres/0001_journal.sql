-- The ordered log: the only way a tenant's state changes.

CREATE TABLE tenant (
    id      uuid   PRIMARY KEY,
    name    text   NOT NULL UNIQUE,
    created bigint NOT NULL
);

-- One row a tenant, locked while a batch is appended, so that positions are without gaps and in the order of commit.
CREATE TABLE head (
    tenant   uuid   PRIMARY KEY REFERENCES tenant (id),
    seq      bigint NOT NULL DEFAULT 0,
    recorded bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE journal (
    tenant        uuid   NOT NULL,
    seq           bigint NOT NULL,
    recorded      bigint NOT NULL,
    source        text   NOT NULL,
    event_id      text   NOT NULL,
    apply_version int    NOT NULL,
    event         json   NOT NULL,
    PRIMARY KEY (tenant, seq)
);

-- Which events were taken, for as long as repeats are looked for. A table of its own, since the journal is kept for
-- another time than this.
CREATE TABLE seen (
    tenant   uuid   NOT NULL,
    source   text   NOT NULL,
    event_id text   NOT NULL,
    recorded bigint NOT NULL,
    PRIMARY KEY (tenant, source, event_id)
);

CREATE INDEX seen_recorded ON seen USING brin (recorded);
