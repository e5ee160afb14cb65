-- How long a tenant's silent desks are waited for, and how often they are to be heard of, in seconds; as the service has
-- it when absent. Two heartbeats fit into a lease, so that one that is lost ends nothing.

ALTER TABLE tenant ADD COLUMN desk_lease_seconds INTEGER CHECK (desk_lease_seconds BETWEEN 5 AND 3600);

ALTER TABLE tenant ADD COLUMN desk_heartbeat_seconds INTEGER
    CHECK (desk_heartbeat_seconds BETWEEN 1 AND 1800 AND desk_heartbeat_seconds * 2 <= desk_lease_seconds);
