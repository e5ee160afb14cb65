-- On PostgreSQL this makes the table of heartbeats. The embedded store has one server at a time, which keeps them in
-- memory.

SELECT 1;
