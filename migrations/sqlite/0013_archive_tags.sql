-- What closed conversations are searched by, in the order of the lists: a search for a rare user, project or group reads
-- its own rows, and not all those of the interval.

CREATE TABLE archive_tag (
    tenant    TEXT    NOT NULL REFERENCES tenant (id),
    -- user, project, channel, reason or routing_group
    kind      TEXT    NOT NULL,
    value     TEXT    NOT NULL,
    closed_ms INTEGER NOT NULL,
    id        TEXT    NOT NULL,
    PRIMARY KEY (tenant, kind, value, closed_ms, id)
) STRICT, WITHOUT ROWID;

-- The tags of each conversation, as its row has them.
CREATE VIEW archive_tags AS
SELECT archive.tenant, 'user' AS kind, CAST(one.value AS TEXT) AS value, closed_ms, archive.id
FROM archive, json_each(users) AS one
UNION ALL
SELECT archive.tenant, 'routing_group', one.value, closed_ms, archive.id FROM archive, json_each(routing_groups) AS one
UNION ALL
SELECT tenant, 'project', CAST(project AS TEXT), closed_ms, id FROM archive WHERE project IS NOT NULL
UNION ALL
SELECT tenant, 'channel', channel, closed_ms, id FROM archive
UNION ALL
SELECT tenant, 'reason', reason, closed_ms, id FROM archive WHERE reason IS NOT NULL;

INSERT INTO archive_tag SELECT * FROM archive_tags WHERE true ON CONFLICT DO NOTHING;

CREATE TRIGGER archive_inserted AFTER INSERT ON archive BEGIN
    INSERT INTO archive_tag SELECT * FROM archive_tags WHERE tenant = new.tenant AND id = new.id ON CONFLICT DO NOTHING;
END;

-- Before, while the row still has what its tags follow from.
CREATE TRIGGER archive_changes BEFORE UPDATE ON archive BEGIN
    DELETE FROM archive_tag WHERE (tenant, kind, value, closed_ms, id) IN
        (SELECT * FROM archive_tags WHERE tenant = old.tenant AND id = old.id);
END;

CREATE TRIGGER archive_changed AFTER UPDATE ON archive BEGIN
    INSERT INTO archive_tag SELECT * FROM archive_tags WHERE tenant = new.tenant AND id = new.id ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER archive_deletes BEFORE DELETE ON archive BEGIN
    DELETE FROM archive_tag WHERE (tenant, kind, value, closed_ms, id) IN
        (SELECT * FROM archive_tags WHERE tenant = old.tenant AND id = old.id);
END;
