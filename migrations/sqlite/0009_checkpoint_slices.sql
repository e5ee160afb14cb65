-- Checkpoints that are written in several short transactions, so that appends never wait for a large one.

-- The id of the batch that appended the entry at the checkpoint's position; NULL where it is unknown.
ALTER TABLE checkpoint ADD COLUMN batch TEXT;

-- 1 while rows of this checkpoint still stand in state_row_next: they replace those of the same key in state_row.
ALTER TABLE checkpoint ADD COLUMN staged INTEGER NOT NULL DEFAULT 0 CHECK (staged IN (0, 1));

-- Rows of the checkpoint being written. They count once the tenant's checkpoint says `staged`, and are then moved to
-- state_row in slices. Rows left by a checkpoint that was given up are deleted before the next one begins.
CREATE TABLE state_row_next (
    tenant TEXT NOT NULL REFERENCES tenant (id),
    kind   TEXT NOT NULL,
    key    TEXT NOT NULL,
    -- NULL where the row is to be deleted.
    body   TEXT,
    PRIMARY KEY (tenant, kind, key)
) STRICT, WITHOUT ROWID;
