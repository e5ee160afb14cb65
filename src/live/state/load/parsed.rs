//! Rows of a checkpoint, parsed. Parsing needs no state, so that it can be done on several threads, and in any order.

use std::sync::Arc;

use uuid::Uuid;

use crate::domain::directory::Kind;
use crate::domain::{ConversationId, PackedProfile, Time};
use crate::live::boards::StoredBoard;
use crate::live::claim::{Claim, Take};
use crate::live::directory::{Entity, Password};
use crate::live::person::{Person, Presence, Register, Session};
use crate::live::since::Since;
use crate::live::stored::{ClaimBody, ConversationBody, RowKey, StampBody, TenantBody, UserBody};

/// The reason why the rows of a checkpoint are not a state.
#[derive(Debug, thiserror::Error)]
pub enum BadCheckpoint {
    /// A row cannot be parsed.
    #[error("the checkpoint's row {kind} {key} cannot be read: {error}")]
    Row {
        /// The row's kind.
        kind: &'static str,
        /// The row's key.
        key: String,
        /// The parser's error.
        error: serde_json::Error,
    },
    /// The tenant's own row is missing, which every checkpoint has.
    #[error("the checkpoint has no row of the tenant itself: the store lost rows")]
    NoTenant,
    /// Rows are missing, or there are too many.
    #[error("the checkpoint has {found} rows instead of {expected}: the store lost or kept rows that it should not")]
    Count {
        /// The number of rows found, without the tenant's own.
        found: u64,
        /// The number that the tenant's row names.
        expected: u64,
    },
}

/// Parsed rows of one tenant, by kind.
#[derive(Debug, Default)]
pub struct ParsedRows {
    pub(super) tenants: Vec<TenantBody>,
    pub(super) entities: Vec<(Kind, i64, Entity)>,
    /// Boxed, since they are sorted before they are moved to where they belong.
    #[expect(clippy::vec_box, reason = "see above")]
    pub(super) users: Vec<Box<ParsedUser>>,
    pub(super) conversations: Vec<(Uuid, ConversationBody)>,
    pub(super) claims: Vec<(ConversationId, Claim)>,
    pub(super) boards: Vec<(Box<str>, StoredBoard)>,
}

/// The row of a user.
#[derive(Debug)]
pub(super) struct ParsedUser {
    pub id: i64,
    pub profile: Arc<PackedProfile>,
    pub password: Option<Arc<Password>>,
    pub person: Person,
    pub since: Since,
}

impl ParsedRows {
    /// Parses a row and adds it. [`BadCheckpoint::Row`] if that is not possible.
    pub fn add(&mut self, key: RowKey, body: &str) -> Result<(), BadCheckpoint> {
        let kind = key.kind();
        self.parse(&key, body).map_err(|error| BadCheckpoint::Row { kind, key: key.key(), error })
    }

    fn parse(&mut self, key: &RowKey, body: &str) -> Result<(), serde_json::Error> {
        match key {
            RowKey::Tenant => self.tenants.push(serde_json::from_str(body)?),
            RowKey::Entity(kind, id) => self.entities.push((*kind, *id, serde_json::from_str(body)?)),
            RowKey::User(id) => self.users.push(Box::new(ParsedUser::of(*id, serde_json::from_str(body)?))),
            RowKey::Conversation(id) => self.conversations.push((*id, serde_json::from_str(body)?)),
            RowKey::Claim(conversation) => {
                self.claims.push((conversation.clone(), claim_from(serde_json::from_str(body)?)));
            }
            RowKey::Board(name) => self.boards.push((name.clone(), serde_json::from_str(body)?)),
        }
        Ok(())
    }

    /// Adds the rows of another part of the same tenant.
    pub fn append(&mut self, mut other: ParsedRows) {
        self.tenants.append(&mut other.tenants);
        self.entities.append(&mut other.entities);
        self.users.append(&mut other.users);
        self.conversations.append(&mut other.conversations);
        self.claims.append(&mut other.claims);
        self.boards.append(&mut other.boards);
    }

    /// Compares the number of rows with the one that the tenant's row names.
    pub(super) fn check_count(&self) -> Result<(), BadCheckpoint> {
        let Some(tenant) = self.tenants.first() else { return Err(BadCheckpoint::NoTenant) };
        let found = self.others() as u64;
        match tenant.rows {
            Some(expected) if expected != found => Err(BadCheckpoint::Count { found, expected }),
            _ => Ok(()),
        }
    }

    /// The number of rows without the tenant's own.
    fn others(&self) -> usize {
        let people = self.users.len() + self.conversations.len() + self.claims.len();
        self.entities.len() + people + self.boards.len()
    }

    /// Sorts the rows by their ids, in whatever order they were read. The dense indexes of users follow that order.
    pub(super) fn sort(&mut self) {
        self.entities.sort_unstable_by_key(|(kind, id, _)| (*kind, *id));
        self.users.sort_unstable_by_key(|user| user.id);
        self.conversations.sort_unstable_by_key(|(id, _)| *id);
    }
}

impl ParsedUser {
    fn of(id: i64, body: UserBody) -> Self {
        let (person, since) = (person_from(&body), Since::from_stored(&body.since));
        let password = body.password.map(|known| Password { hash: known.hash, set: known.set, by: known.by });
        ParsedUser { id, profile: body.profile, password: password.map(Arc::new), person, since }
    }
}

/// Builds a user's live state, without the conversations held.
fn person_from(body: &UserBody) -> Person {
    let mut person = Person {
        presence: Register {
            value: Presence {
                category: body.presence.category,
                definition: body.presence.definition,
                routable: body.presence.routable,
            },
            at: body.presence.at.unwrap_or(Time::NEVER),
        },
        closed_all: body.closed_all.unwrap_or(Time::NEVER),
        desk_at: body.desk_at.unwrap_or(Time::NEVER),
        ever_logged_in: body.ever_logged_in,
        logged_in: body.logged_in.unwrap_or(Time::NEVER),
        handled: body.handled,
        deleted: body.deleted,
        // 0 in rows that lack it: then no take or release counts as an earlier owner's.
        created: Some(body.created),
        sessions_floor: body.sessions_floor.unwrap_or(Time::NEVER),
        ..Person::default()
    };
    for toggle in &body.toggles {
        person.lanes.of_mut(toggle.channel).toggle = Register { value: toggle.on, at: toggle.at };
    }
    for floor in &body.floors {
        person.lanes.of_mut(floor.channel).floor = StampBody::stamp(Some(floor.stamp));
    }
    for known in &body.sessions {
        let session = Session {
            at: known.at,
            open: known.open,
            surface: known.surface,
            lease_seconds: known.lease_seconds,
            device: known.device.clone(),
            opened: known.opened,
            ended: known.ended,
            socket: known.socket,
            of_desk: known.of_desk.unwrap_or(Session::is_desk(known.surface, known.opened)),
            ended_at: known.ended_at.unwrap_or(Time::NEVER),
        };
        person.sessions.insert(&known.session, session);
    }
    person
}

fn claim_from(body: ClaimBody) -> Claim {
    // Rows of older releases lack the positions.
    let takers_at = body.takers_at.into_iter().chain(std::iter::repeat(0));
    let mut claim = Claim {
        take: body.taken.map(|taken| Take {
            stamp: StampBody::stamp(Some(taken.stamp)),
            user: taken.user,
            channel: taken.channel,
        }),
        released: StampBody::stamp(body.released),
        released_by: body.released_by.iter().map(|r| (r.user, StampBody::stamp(Some(r.stamp)))).collect(),
        takers: body.takers.into_iter().zip(takers_at).collect(),
        newest: body.newest.unwrap_or(Time::NEVER),
        ended: body.ended,
    };
    // Not stored where it follows from the takes and releases.
    claim.newest = claim.newest.max(claim.newest_standing());
    claim
}
