-- On PostgreSQL this makes the table of the work that one of several servers does for all. The embedded store has one
-- server.

SELECT 1;
