//! A row of the breakdown with its keys and numbers side by side, for tables and CSV alike.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;
use utoipa::ToSchema;

use crate::domain::Channel;
use crate::domain::filter::Dimension;
use crate::domain::status::Reason;
use crate::projection::Reasons;
use crate::query::breakdown::{Key, Row, Value};

/// The numbers of a row or of the total.
#[derive(Clone, Copy, Debug, serde::Serialize, ToSchema)]
#[schema(as = BreakdownCounts)]
pub struct Counts {
    /// Users, connected or not: the sum of the ten reasons.
    people: u64,
    /// Users with a connected desk.
    connected: u64,
    /// Can take one more conversation.
    available: u64,
    /// Full or blocked only because slots are reserved; always 0, since slots cannot be reserved yet.
    reserved: u64,
    /// At the maximum of simultaneous conversations.
    full: u64,
    /// Blocked by a conversation on another channel.
    blocked: u64,
    /// The channel is switched off.
    switched_off: u64,
    /// Ready with a presence that is not routable.
    not_routable: u64,
    /// Away.
    away: u64,
    /// Extended away.
    extended_away: u64,
    /// The channel is not enabled.
    disabled: u64,
    /// No desk is connected.
    offline: u64,
    /// Conversations held by users in production.
    held_slots: u64,
    /// Reserved slots; always 0, since slots cannot be reserved yet.
    reserved_slots: u64,
    /// Most conversations that users in production may hold at once.
    max_slots: u64,
    /// Slots in which a conversation could begin now.
    free_slots: u64,
    /// `held_slots` in percent of `max_slots`; `null` if that is 0.
    #[schema(required)]
    occupancy_rate: Option<f64>,
}

impl Counts {
    /// Converts the numbers of an aggregate.
    pub fn of(counted: &Reasons) -> Self {
        let people = |reason| counted.people.of(reason);
        Counts {
            people: counted.people.people(),
            connected: counted.connected(),
            available: people(Reason::Available),
            reserved: people(Reason::Reserved),
            full: people(Reason::Full),
            blocked: people(Reason::Blocked),
            switched_off: people(Reason::SwitchedOff),
            not_routable: people(Reason::NotRoutable),
            away: people(Reason::Away),
            extended_away: people(Reason::ExtendedAway),
            disabled: people(Reason::Disabled),
            offline: people(Reason::Offline),
            held_slots: counted.held,
            reserved_slots: 0,
            max_slots: counted.max,
            free_slots: counted.free,
            occupancy_rate: counted.occupancy_percent(),
        }
    }

    /// Returns the numbers of the description's example.
    pub fn example() -> Self {
        Counts { available: 1, max_slots: 4, held_slots: 1, free_slots: 3, ..Counts::of(&Reasons::default()) }
            .with_people(1)
    }

    const fn with_people(self, people: u64) -> Self {
        Counts { people, connected: people, occupancy_rate: Some(25.0), ..self }
    }
}

/// The columns of the numbers, in their order.
pub const NUMBERS: [&str; 17] = [
    "people",
    "connected",
    "available",
    "reserved",
    "full",
    "blocked",
    "switched_off",
    "not_routable",
    "away",
    "extended_away",
    "disabled",
    "offline",
    "held_slots",
    "reserved_slots",
    "max_slots",
    "free_slots",
    "occupancy_rate",
];

/// The columns of a key: one for channels and presences, else the id and the name.
pub fn columns(key: Key) -> &'static [&'static str] {
    match key {
        Key::Channel => &["channel"],
        Key::Presence => &["presence"],
        Key::Of(Dimension::Group) => &["group_id", "group"],
        Key::Of(Dimension::Skill) => &["skill_id", "skill"],
        Key::Of(Dimension::Queue) => &["queue_id", "queue"],
        Key::Of(Dimension::Campaign) => &["campaign_id", "campaign"],
        Key::Of(Dimension::Project) => &["project_id", "project"],
        Key::Of(Dimension::RoutingGroup) => &["routing_group_id", "routing_group"],
    }
}

/// A row of the answer, for the OpenAPI description. Only the columns of the keys are present.
#[derive(serde::Serialize, ToSchema)]
#[schema(as = BreakdownRow)]
pub struct DescribedRow {
    /// The channel: `chat`, `call`, `video` or `third_party`.
    channel: Option<String>,
    /// Integer id of the group.
    group_id: Option<i64>,
    /// Name of the group.
    group: Option<String>,
    /// Integer id of the skill.
    skill_id: Option<i64>,
    /// Name of the skill.
    skill: Option<String>,
    /// Integer id of the queue.
    queue_id: Option<i64>,
    /// Name of the queue.
    queue: Option<String>,
    /// Integer id of the campaign.
    campaign_id: Option<i64>,
    /// Name of the campaign.
    campaign: Option<String>,
    /// Integer id of the project.
    project_id: Option<i64>,
    /// Name of the project.
    project: Option<String>,
    /// Integer id of the routing group.
    routing_group_id: Option<i64>,
    /// Name of the routing group.
    routing_group: Option<String>,
    /// The presence: `ready`, `away`, `extended_away` or `logged_out`.
    presence: Option<String>,
    /// The numbers, as in the total.
    #[serde(flatten)]
    counts: Counts,
}

/// A row of the answer: the columns of its keys, then the numbers.
#[derive(Debug)]
pub struct FlatRow {
    keys: Vec<(&'static str, Json)>,
    counts: Counts,
}

impl FlatRow {
    /// Converts a row of a breakdown by `keys`.
    pub fn new(keys: &[Key], row: Row) -> Self {
        let counts = Counts::of(&row.counted);
        let cells = keys.iter().zip(row.values).flat_map(|(key, value)| {
            let cells = match value {
                Some(Value::Channel(channel)) => vec![Json::from(channel.name())],
                Some(Value::Presence(category)) => vec![Json::from(category.name())],
                Some(Value::Entity(entity)) => vec![Json::from(entity.id()), Json::from(entity.name())],
                None => vec![Json::Null; columns(*key).len()],
            };
            columns(*key).iter().copied().zip(cells)
        });
        FlatRow { keys: cells.collect(), counts }
    }

    /// Returns all columns with their values, in order.
    pub fn cells(&self) -> Vec<(&'static str, Json)> {
        let c = &self.counts;
        let reasons = [
            c.available,
            c.reserved,
            c.full,
            c.blocked,
            c.switched_off,
            c.not_routable,
            c.away,
            c.extended_away,
            c.disabled,
            c.offline,
        ];
        let slots = [c.held_slots, c.reserved_slots, c.max_slots, c.free_slots];
        let numbers = [c.people, c.connected].into_iter().chain(reasons).chain(slots).map(Json::from);
        let numbers = numbers.chain([c.occupancy_rate.map_or(Json::Null, Json::from)]);
        self.keys.iter().cloned().chain(NUMBERS.into_iter().zip(numbers)).collect()
    }

    /// Returns the row of the description's example, for the channel alone or for channel and skill.
    pub fn example(keys: &[Key]) -> Self {
        let all = [("channel", Json::from(Channel::Chat.name())), ("skill_id", 1.into()), ("skill", "english".into())];
        let columns: Vec<&str> = keys.iter().flat_map(|key| columns(*key)).copied().collect();
        let keys = all.into_iter().filter(|(name, _)| columns.contains(name)).collect();
        FlatRow { keys, counts: Counts::example() }
    }
}

impl Serialize for FlatRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        for (name, value) in self.cells() {
            members.serialize_entry(name, &value)?;
        }
        members.end()
    }
}
