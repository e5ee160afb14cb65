-- Each row of the journal says which batch it was appended with, and each head which batch ends it: an append of unknown
-- outcome is found by its batch, and a history that was lost is noticed.

ALTER TABLE journal ADD COLUMN batch uuid;
ALTER TABLE head ADD COLUMN tail uuid;

-- Repeats are recognised by the first 16 bytes of SHA-256 over source, a zero byte and id, in place of both texts: most
-- of what an event wrote was this index.
ALTER TABLE seen RENAME TO seen_text;
ALTER INDEX seen_recorded RENAME TO seen_text_recorded;

CREATE TABLE seen (
    tenant   uuid   NOT NULL,
    key      uuid   NOT NULL,
    recorded bigint NOT NULL,
    PRIMARY KEY (tenant, key)
);

CREATE INDEX seen_recorded ON seen USING brin (recorded);

INSERT INTO seen (tenant, key, recorded)
SELECT tenant,
       encode(substring(sha256(convert_to(source, 'UTF8') || '\x00'::bytea || convert_to(event_id, 'UTF8'))
                        FROM 1 FOR 16), 'hex')::uuid,
       recorded
FROM seen_text;

DROP TABLE seen_text;
