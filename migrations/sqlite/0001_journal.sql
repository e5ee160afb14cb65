-- The ordered log: the only way a tenant's state changes.

CREATE TABLE tenant (
    id      TEXT    PRIMARY KEY,
    name    TEXT    NOT NULL UNIQUE,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a tenant: the position that the next entry follows.
CREATE TABLE head (
    tenant   TEXT    PRIMARY KEY REFERENCES tenant (id),
    seq      INTEGER NOT NULL DEFAULT 0,
    recorded INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (
    tenant        TEXT    NOT NULL,
    seq           INTEGER NOT NULL,
    recorded      INTEGER NOT NULL,
    source        TEXT    NOT NULL,
    event_id      TEXT    NOT NULL,
    apply_version INTEGER NOT NULL,
    event         TEXT    NOT NULL,
    PRIMARY KEY (tenant, seq)
) STRICT, WITHOUT ROWID;

-- Which events were taken, for as long as repeats are looked for. A table of its own, since the journal is kept for
-- another time than this.
CREATE TABLE seen (
    tenant   TEXT    NOT NULL,
    source   TEXT    NOT NULL,
    event_id TEXT    NOT NULL,
    recorded INTEGER NOT NULL,
    PRIMARY KEY (tenant, source, event_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX seen_recorded ON seen (recorded);
