-- A checkpoint here is one transaction of several bounded statements, so nothing is staged.

-- The id of the batch that appended the entry at the checkpoint's position; NULL where it is unknown.
ALTER TABLE checkpoint ADD COLUMN batch uuid;
