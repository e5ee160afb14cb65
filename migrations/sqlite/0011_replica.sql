-- The server that runs on this store. Its row is written again and again, which shows that the store accepts writes, and
-- is deleted at an orderly end.

CREATE TABLE replica (
    id    TEXT    PRIMARY KEY,
    turns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
