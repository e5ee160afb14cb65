-- Bodies of state rows are text here from the beginning; on PostgreSQL they become text with this migration.

SELECT 1;
