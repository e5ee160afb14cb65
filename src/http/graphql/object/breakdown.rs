//! The result of `breakdown` (docs/reference/iadvize-graphql.md, "breakdown").

use async_graphql::{Enum, Object, SimpleObject};

use super::availability::PresenceCategory;
use crate::domain::EntityRef;
use crate::domain::filter::Dimension;
use crate::domain::status::Reason;
use crate::http::graphql::scalar::{Guid, LegacyId, UserChannel};
use crate::projection::Reasons;
use crate::query::breakdown::{Breakdown as Found, Key, Value};

/// A property by which users are broken down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum BreakdownKey {
    /// The channel, on each of which a user has a reason.
    Channel,
    /// Groups, including the primary one.
    Group,
    /// Skills.
    Skill,
    /// Queues.
    Queue,
    /// Campaigns.
    Campaign,
    /// Projects.
    Project,
    /// Routing groups.
    RoutingGroup,
    /// The category of the presence that a user shows: READY, AWAY, EXTENDED_AWAY or LOGGED_OUT.
    Presence,
}

impl From<BreakdownKey> for Key {
    fn from(key: BreakdownKey) -> Self {
        match key {
            BreakdownKey::Channel => Key::Channel,
            BreakdownKey::Group => Key::Of(Dimension::Group),
            BreakdownKey::Skill => Key::Of(Dimension::Skill),
            BreakdownKey::Queue => Key::Of(Dimension::Queue),
            BreakdownKey::Campaign => Key::Of(Dimension::Campaign),
            BreakdownKey::Project => Key::Of(Dimension::Project),
            BreakdownKey::RoutingGroup => Key::Of(Dimension::RoutingGroup),
            BreakdownKey::Presence => Key::Presence,
        }
    }
}

/// Users by reason and their slots, in all and by row.
#[derive(SimpleObject)]
pub struct Breakdown {
    /// All users that the filters select, each counted once.
    total: BreakdownCell,
    /// The rows, in ascending order of the first key, then of the others. A user with several values of a key is in
    /// several rows. Without a key there is one row.
    rows: Vec<BreakdownRow>,
    /// The number of rows, with those that are not returned.
    row_count: u64,
    /// True if there are more rows than are returned.
    truncated: bool,
    /// The sum of `people` over all rows, also those that are not returned, less the `people` of `total`; with CHANNEL
    /// among the keys for each channel. 0 if no user is in two rows.
    overlap: u64,
    /// The ids of deleted users among the filters' `userIds`, as they were given. They match no user.
    unknown_ids: Vec<LegacyId>,
}

/// The users with one value of each key.
#[derive(SimpleObject)]
pub struct BreakdownRow {
    /// The values, in the order of `groupBy`.
    values: Vec<BreakdownValue>,
    /// The users.
    cell: BreakdownCell,
}

/// One value of a key. Except for `key` all fields are null for users without a value.
#[derive(SimpleObject)]
pub struct BreakdownValue {
    /// The key.
    key: BreakdownKey,
    /// The integer id of a group, skill, queue, campaign, project or routing group.
    id: Option<LegacyId>,
    /// The GUID of a group, skill, queue, campaign, project or routing group.
    guid: Option<Guid>,
    /// The name of a group, skill, queue, campaign, project or routing group.
    name: Option<String>,
    /// The channel, if CHANNEL is the key.
    channel: Option<UserChannel>,
    /// The category, if PRESENCE is the key.
    presence: Option<PresenceCategory>,
}

impl Breakdown {
    /// Converts a breakdown by some keys.
    pub fn new(keys: &[BreakdownKey], found: Found, unknown_ids: Vec<LegacyId>) -> Self {
        let (row_count, truncated, overlap) = (found.row_count, found.is_truncated(), found.overlap);
        let rows = found.rows.into_iter().map(|row| {
            let values = keys.iter().zip(row.values).map(|(key, value)| BreakdownValue::new(*key, value));
            BreakdownRow { values: values.collect(), cell: BreakdownCell(row.counted) }
        });
        let (total, rows) = (BreakdownCell(found.total), rows.collect());
        Breakdown { total, rows, row_count, truncated, overlap, unknown_ids }
    }
}

impl BreakdownValue {
    fn new(key: BreakdownKey, value: Option<Value>) -> Self {
        let empty = BreakdownValue { key, id: None, guid: None, name: None, channel: None, presence: None };
        match value {
            None => empty,
            Some(Value::Channel(channel)) => BreakdownValue { channel: Some(channel.into()), ..empty },
            Some(Value::Presence(category)) => BreakdownValue { presence: Some(category.into()), ..empty },
            Some(Value::Entity(entity)) => BreakdownValue {
                id: Some(LegacyId(EntityRef::Id(entity.id()))),
                guid: Some(Guid(entity.guid())),
                name: Some(entity.name().to_owned()),
                ..empty
            },
        }
    }
}

/// Users by reason, and their slots on the channels that count.
pub struct BreakdownCell(Reasons);

/// Users by reason, and their slots on the channels that count.
#[Object]
impl BreakdownCell {
    /// Users, connected or not: the sum of `reasons`.
    async fn people(&self) -> u64 {
        self.0.people.people()
    }

    /// Users with a connected desk.
    async fn connected(&self) -> u64 {
        self.0.connected()
    }

    /// Users by their best reason over the channels that count; each is in exactly one.
    async fn reasons(&self) -> UnavailabilityReasonCounts {
        UnavailabilityReasonCounts(self.0)
    }

    /// Conversations held by users in production, on the channels that count.
    async fn held_slots(&self) -> u64 {
        self.0.held
    }

    /// Slots that are reserved. Slots cannot be reserved yet, so that it is always 0.
    async fn reserved_slots(&self) -> u64 {
        0
    }

    /// Most conversations that users in production may hold at once, on the channels that count.
    async fn max_slots(&self) -> u64 {
        self.0.max
    }

    /// Slots in which a conversation could begin now: of users who are AVAILABLE, on each channel where they are. The
    /// slots of two channels that exclude each other count both.
    async fn free_slots(&self) -> u64 {
        self.0.free
    }

    /// `heldSlots` in percent of `maxSlots`. Not clamped: it can exceed 100 after a maximum was lowered. Null if
    /// `maxSlots` is 0.
    async fn occupancy_rate(&self) -> Option<f64> {
        self.0.occupancy_percent()
    }
}

/// A number of users for each reason.
pub struct UnavailabilityReasonCounts(Reasons);

/// A number of users for each reason.
#[Object]
impl UnavailabilityReasonCounts {
    /// Users who can take one more conversation now.
    async fn available(&self) -> u64 {
        self.0.people.of(Reason::Available)
    }

    /// Users who are full or blocked only because slots are reserved. Slots cannot be reserved yet, so that it is
    /// always 0.
    async fn reserved(&self) -> u64 {
        self.0.people.of(Reason::Reserved)
    }

    /// Users at the maximum of simultaneous conversations.
    async fn full(&self) -> u64 {
        self.0.people.of(Reason::Full)
    }

    /// Users whom a conversation on another channel blocks.
    async fn blocked(&self) -> u64 {
        self.0.people.of(Reason::Blocked)
    }

    /// Users who have the channel switched off.
    async fn switched_off(&self) -> u64 {
        self.0.people.of(Reason::SwitchedOff)
    }

    /// Users with a READY presence that is not routable.
    async fn not_routable(&self) -> u64 {
        self.0.people.of(Reason::NotRoutable)
    }

    /// Users with an AWAY presence.
    async fn away(&self) -> u64 {
        self.0.people.of(Reason::Away)
    }

    /// Users with an EXTENDED_AWAY presence.
    async fn extended_away(&self) -> u64 {
        self.0.people.of(Reason::ExtendedAway)
    }

    /// Connected users for whom the channel is not enabled.
    async fn disabled(&self) -> u64 {
        self.0.people.of(Reason::Disabled)
    }

    /// Users without a connected desk.
    async fn offline(&self) -> u64 {
        self.0.people.of(Reason::Offline)
    }
}
