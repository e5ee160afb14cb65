-- The work that one server does for all servers on this database. A row is held by a server until the time `until`, in
-- microseconds of this server's clock, unless its row in `replica` is gone or stands still before.

CREATE TABLE duty (
    name   text   PRIMARY KEY,
    holder uuid,
    until  bigint NOT NULL
);

INSERT INTO duty (name, until) VALUES ('leases', 0), ('checkpoints', 0), ('housekeeping', 0);

-- Raised by each round of a server's engine. A server whose rounds stand still does no work.
ALTER TABLE replica ADD COLUMN rounds bigint NOT NULL DEFAULT 0;
