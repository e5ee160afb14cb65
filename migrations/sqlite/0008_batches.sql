-- Each row of the journal says which batch it was appended with, and each head which batch ends it: an append of unknown
-- outcome is found by its batch, and a history that was lost is noticed.

ALTER TABLE journal ADD COLUMN batch TEXT;
ALTER TABLE head ADD COLUMN tail TEXT;
