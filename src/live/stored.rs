//! The rows that checkpoints store and the digest is computed from.
//!
//! A row's body is JSON, to be readable by people and queryable with SQL. Values that were never set are left out.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::claim::{Claim, Stamp};
use super::directory::{Account, Password};
use super::listed::Listed;
use super::person::{Person, Presence, Session};
use super::since::{Since, StoredSince};
use crate::domain::conversation::HistoryEntry;
use crate::domain::directory::{DirectorySettings, Kind};
use crate::domain::event::{PasswordHash, Surface};
use crate::domain::ids::parse_guid;
use crate::domain::{Category, Channel, Conversation, ConversationId, PackedProfile, Quotas, Time};

/// The kind and identity of the object that a row describes. The order of the variants is the order in which a
/// checkpoint is loaded: an object comes after those it refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// Data of the tenant as a whole.
    Tenant,
    /// An entity of reference data, by integer id.
    Entity(Kind, i64),
    /// A user, by integer id.
    User(i64),
    /// The history of a conversation.
    Conversation(Uuid),
    /// The takes and releases of a conversation.
    Claim(ConversationId),
    /// A wallboard, by name.
    Board(Box<str>),
}

impl RowKey {
    /// The kind, in its stored form.
    pub const fn kind(&self) -> &'static str {
        match self {
            RowKey::Tenant => "tenant",
            RowKey::Entity(kind, _) => kind.name(),
            RowKey::User(_) => "user",
            RowKey::Conversation(_) => "conversation",
            RowKey::Claim(_) => "claim",
            RowKey::Board(_) => "wallboard",
        }
    }

    /// The key within the kind, in its stored form; empty for the tenant.
    pub fn key(&self) -> String {
        match self {
            RowKey::Tenant => String::new(),
            RowKey::Entity(_, id) | RowKey::User(id) => id.to_string(),
            RowKey::Conversation(id) => id.to_string(),
            RowKey::Claim(conversation) => conversation.to_string(),
            RowKey::Board(name) => name.to_string(),
        }
    }

    /// Parses the stored form. `None` for an unknown kind or a malformed key.
    pub fn parse(kind: &str, key: &str) -> Option<Self> {
        Some(match kind {
            "tenant" => RowKey::Tenant,
            "user" => RowKey::User(key.parse().ok()?),
            "conversation" => RowKey::Conversation(parse_guid(key)?),
            "claim" => RowKey::Claim(ConversationId::new(key)?),
            "wallboard" => RowKey::Board(key.into()),
            _ => RowKey::Entity(Kind::ALL.into_iter().find(|k| k.name() == kind)?, key.parse().ok()?),
        })
    }
}

/// One row of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The object that the row describes.
    pub key: RowKey,
    /// The object as JSON.
    pub body: String,
}

/// Changes that bring the stored rows to one position: a whole checkpoint, or a slice of one.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Journal position of the state that the rows describe.
    pub position: u64,
    /// The journal's batch with the entry at the position, if known.
    pub batch: Option<Uuid>,
    /// Approximate size of the rows, in bytes.
    pub bytes: usize,
    /// Rows to insert or replace.
    pub upserts: Vec<Row>,
    /// Keys of the rows to delete.
    pub deletes: Vec<RowKey>,
    /// Closed conversations for the archive to insert or replace.
    pub archived: Vec<Listed>,
    /// Conversations that were closed and are open again, for the archive to delete.
    pub reopened: Vec<Uuid>,
}

impl Checkpoint {
    /// Creates a checkpoint without changes.
    pub(super) fn empty(position: u64, batch: Option<Uuid>) -> Self {
        let (archived, reopened) = (Vec::new(), Vec::new());
        Checkpoint { position, batch, bytes: 0, upserts: Vec::new(), deletes: Vec::new(), archived, reopened }
    }

    /// Iterates over the keys of all rows, upserted and deleted.
    pub fn keys(&self) -> impl Iterator<Item = &RowKey> {
        self.upserts.iter().map(|row| &row.key).chain(&self.deletes)
    }
}

/// The body of the tenant's row.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TenantBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Time>,
    pub high_water: Vec<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Quotas>,
    #[serde(default, skip_serializing_if = "DirectorySettings::is_default")]
    pub settings: DirectorySettings,
    /// The number of the other rows, by which a loss of rows is found. Checkpoints of older builds lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// The stored form of a [`Stamp`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct StampBody {
    pub time: Time,
    pub seq: u64,
}

impl StampBody {
    fn of(stamp: Stamp) -> Option<Self> {
        (stamp != Stamp::NEVER).then_some(StampBody { time: stamp.time, seq: stamp.seq })
    }

    pub(super) fn stamp(body: Option<Self>) -> Stamp {
        body.map_or(Stamp::NEVER, |body| Stamp { time: body.time, seq: body.seq })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PresenceBody {
    pub category: Category,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<i64>,
    /// Absent where it is true, as in every row from before it existed.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub routable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ToggleBody {
    pub channel: Channel,
    pub on: bool,
    pub at: Time,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FloorBody {
    pub channel: Channel,
    #[serde(flatten)]
    pub stamp: StampBody,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SessionBody {
    pub session: Box<str>,
    pub open: bool,
    pub at: Time,
    pub surface: Surface,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_seconds: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Box<str>>,
    pub opened: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub socket: bool,
    /// Absent if it follows from the surface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_desk: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PasswordBody {
    pub hash: PasswordHash,
    pub set: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Uuid>,
}

/// The body of a user's row: the profile and the live state.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UserBody {
    pub profile: Arc<PackedProfile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordBody>,
    pub presence: PresenceBody,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub toggles: Vec<ToggleBody>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub floors: Vec<FloorBody>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_all: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desk_at: Option<Time>,
    pub ever_logged_in: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logged_in: Option<Time>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub handled: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Time>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_floor: Option<Time>,
    #[serde(default, skip_serializing_if = "StoredSince::is_empty")]
    pub since: StoredSince,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TakeBody {
    pub user: i64,
    pub channel: Channel,
    #[serde(flatten)]
    pub stamp: StampBody,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReleaseBody {
    pub user: i64,
    #[serde(flatten)]
    pub stamp: StampBody,
}

/// The body of a claim's row. `held_by` is derived from the rest, for people who read the row, and is not read back.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ClaimBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<TakeBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<StampBody>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub released_by: Vec<ReleaseBody>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub takers: Vec<i64>,
    /// Journal position of each taker's first take, parallel to `takers`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub takers_at: Vec<u64>,
    /// The newest event time, if it does not follow from the other members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Returns the time, or `None` for one that was never set, which is not stored.
pub(super) fn set(time: Time) -> Option<Time> {
    (time != Time::NEVER).then_some(time)
}

impl UserBody {
    pub fn of(account: &Account, person: &Person, since: &Since) -> Self {
        let Presence { category, definition, routable } = person.presence.value;
        let toggles = person.lanes.iter().map(|(channel, lane)| (channel, lane.toggle));
        let toggles = toggles.filter(|(_, toggle)| toggle.at != Time::NEVER);
        let password =
            |password: &Password| PasswordBody { hash: password.hash.clone(), set: password.set, by: password.by };
        UserBody {
            profile: account.profile.clone(),
            password: account.password.as_deref().map(password),
            presence: PresenceBody { category, definition, routable, at: set(person.presence.at) },
            toggles: toggles.map(|(channel, t)| ToggleBody { channel, on: t.value, at: t.at }).collect(),
            floors: person
                .lanes
                .iter()
                .filter_map(|(channel, lane)| Some(FloorBody { channel, stamp: StampBody::of(lane.floor)? }))
                .collect(),
            // In the order of their ids, so that equal states have equal rows and digests.
            sessions: person.sessions.iter().map(|(session, known)| SessionBody::of(session, known)).collect(),
            closed_all: set(person.closed_all),
            desk_at: set(person.desk_at),
            ever_logged_in: person.ever_logged_in,
            logged_in: set(person.logged_in),
            handled: person.handled,
            deleted: person.deleted,
            created: person.created.unwrap_or(0),
            sessions_floor: set(person.sessions_floor),
            since: since.to_stored(),
        }
    }
}

impl SessionBody {
    fn of(session: &str, known: &Session) -> Self {
        SessionBody {
            session: session.into(),
            open: known.open,
            at: known.at,
            surface: known.surface,
            lease_seconds: known.lease_seconds,
            device: known.device.clone(),
            opened: known.opened,
            ended: known.ended,
            socket: known.socket,
            of_desk: Some(known.of_desk).filter(|of_desk| *of_desk != Session::is_desk(known.surface, known.opened)),
            ended_at: set(known.ended_at),
        }
    }
}

impl ClaimBody {
    pub fn of(claim: &Claim, held_by: Option<i64>) -> Self {
        let release = |(user, stamp): &(i64, Stamp)| Some(ReleaseBody { user: *user, stamp: StampBody::of(*stamp)? });
        ClaimBody {
            held_by,
            taken: claim.take.and_then(|take| {
                Some(TakeBody { user: take.user, channel: take.channel, stamp: StampBody::of(take.stamp)? })
            }),
            released: StampBody::of(claim.released),
            released_by: claim.released_by.iter().filter_map(release).collect(),
            takers: claim.takers.iter().map(|(user, _)| *user).collect(),
            takers_at: claim.takers.iter().map(|(_, seq)| *seq).collect(),
            newest: set(claim.newest).filter(|newest| *newest != claim.newest_standing()),
            ended: claim.ended,
        }
    }
}

/// The body of a conversation's row, for writing.
#[derive(Debug, Serialize)]
pub(super) struct ConversationRow<'a> {
    #[serde(flatten)]
    pub conversation: &'a Conversation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
}

/// The body of a conversation's row, for reading: without the derived members.
#[derive(Debug, Deserialize)]
pub(super) struct ConversationBody {
    // The member's name in rows that are stored already, and must stay readable.
    #[serde(rename = "moments")]
    pub history: Vec<HistoryEntry>,
    #[serde(default)]
    pub ended: Option<Time>,
}

/// Serializes the body of a row.
pub(super) fn json<T: Serialize>(body: &T) -> String {
    // Serialization of these plain types cannot fail.
    serde_json::to_string(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows from before a member existed are read as if it had its default, and equal states have the rows that they had
    /// before.
    #[test]
    fn rows_without_newer_members_are_read_and_written_as_before() {
        let old = r#"{"category":"Ready","definition":3}"#;
        let presence: PresenceBody = serde_json::from_str(old).unwrap();
        assert!(presence.routable);
        assert_eq!(json(&presence), old);
        let barred = r#"{"category":"Ready","definition":3,"routable":false}"#;
        assert!(!serde_json::from_str::<PresenceBody>(barred).unwrap().routable);
        let old = r#"{"recorded":"2021-03-01T09:00:00Z","high_water":[0,1]}"#;
        let tenant: TenantBody = serde_json::from_str(old).unwrap();
        assert!(tenant.settings.is_default());
        assert_eq!(json(&tenant), old);
    }
}
