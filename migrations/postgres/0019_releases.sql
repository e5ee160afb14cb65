-- Servers of several releases on one store. Each head has the apply version of its tenant's entries, and appends and
-- checkpoints of other versions are refused. A tenant without entries takes any.

ALTER TABLE head ADD COLUMN apply_version int NOT NULL DEFAULT 0;

UPDATE head SET apply_version = coalesce(
    (SELECT journal.apply_version FROM journal WHERE journal.tenant = head.tenant AND journal.seq = head.seq),
    (SELECT checkpoint.apply_version FROM checkpoint WHERE checkpoint.tenant = head.tenant AND position >= head.seq),
    0
) WHERE seq > 0;

-- The last server of a version to end writes the last checkpoints.
ALTER TABLE replica ADD COLUMN apply_version int NOT NULL DEFAULT 0;

-- The oldest release that can use these tables, by the number of its newest migration. A later migration that takes
-- something away which releases before it use raises it.
CREATE TABLE compatibility (
    oldest int NOT NULL
);

INSERT INTO compatibility (oldest) VALUES (19);
