-- What closed conversations are searched by, in the order of the lists: a search for a rare user, project or group reads
-- its own rows, and not all those of the interval.

CREATE TABLE archive_tag (
    tenant    uuid   NOT NULL REFERENCES tenant (id),
    -- user, project, channel, reason or routing_group
    kind      text   NOT NULL,
    value     text   NOT NULL,
    closed_ms bigint NOT NULL,
    id        uuid   NOT NULL,
    PRIMARY KEY (tenant, kind, value, closed_ms, id)
);

-- The tags of a conversation, from the columns of its row.
CREATE FUNCTION archive_tags(users bigint[], routing_groups uuid[], project bigint, channel text, reason text)
RETURNS TABLE (kind text, value text) LANGUAGE sql IMMUTABLE AS $$
    SELECT 'user', one::text FROM unnest(users) AS one
    UNION SELECT 'routing_group', one::text FROM unnest(routing_groups) AS one
    UNION SELECT 'project', project::text WHERE project IS NOT NULL
    UNION SELECT 'channel', channel
    UNION SELECT 'reason', reason WHERE reason IS NOT NULL
$$;

INSERT INTO archive_tag
SELECT tenant, tag.kind, tag.value, closed_ms, id
FROM archive, archive_tags(users, routing_groups, project, channel, reason) AS tag;

CREATE FUNCTION tag_archive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM archive_tag AS kept USING gone, archive_tags(users, routing_groups, project, channel, reason) AS tag
        WHERE kept.tenant = gone.tenant AND kept.kind = tag.kind AND kept.value = tag.value
          AND kept.closed_ms = gone.closed_ms AND kept.id = gone.id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO archive_tag
        SELECT tenant, tag.kind, tag.value, closed_ms, id
        FROM made, archive_tags(users, routing_groups, project, channel, reason) AS tag;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER archive_inserted AFTER INSERT ON archive
REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION tag_archive();

CREATE TRIGGER archive_updated AFTER UPDATE ON archive
REFERENCING OLD TABLE AS gone NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION tag_archive();

CREATE TRIGGER archive_deleted AFTER DELETE ON archive
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION tag_archive();
