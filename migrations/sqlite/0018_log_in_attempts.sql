-- On PostgreSQL this makes the table of attempts to log in, which several servers count. The embedded store has one server
-- at a time.

SELECT 1;
