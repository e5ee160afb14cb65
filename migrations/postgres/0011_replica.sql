-- The server that runs on this store. Its row is written again and again, which shows that the store accepts writes, and
-- is deleted at an orderly end: a row that is left shows that a server did not end, or is only about to notice that it
-- lost the store.

CREATE TABLE replica (
    id    uuid   PRIMARY KEY,
    turns bigint NOT NULL
);
