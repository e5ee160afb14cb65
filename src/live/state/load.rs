//! Restores a state from the rows of a checkpoint.

use std::sync::Arc;

use super::State;
use super::tombstones::Tombstone;
use crate::domain::{Conversation, ConversationId, TenantId, Time};
use crate::live::claim::{Claim, Take};
use crate::live::conversations::{Conversations, Remembered};
use crate::live::directory::{Directory, Password};
use crate::live::person::{Person, Presence, Register, Session};
use crate::live::since::Since;
use crate::live::stored::{ClaimBody, ConversationBody, Row, RowKey, StampBody, TenantBody, UserBody};

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

/// Compares the number of rows with the one that the tenant's row names. The rows are in the order of their keys.
fn check_count(rows: &[Row]) -> Result<(), BadCheckpoint> {
    let Some((tenant, others)) = rows.split_first().filter(|(first, _)| first.key == RowKey::Tenant) else {
        return Err(BadCheckpoint::NoTenant);
    };
    let body = serde_json::from_str(&tenant.body);
    let body: TenantBody = body.map_err(|error| BadCheckpoint::Row { kind: "tenant", key: String::new(), error })?;
    let found = others.len() as u64;
    match body.rows {
        Some(expected) if expected != found => Err(BadCheckpoint::Count { found, expected }),
        _ => Ok(()),
    }
}

impl State {
    /// Restores the state at `position` from all of its rows, in any order. [`BadCheckpoint`] if one cannot be read, or
    /// if rows are missing: a state without some of its users would answer with wrong numbers.
    pub fn load(tenant: TenantId, position: u64, mut rows: Vec<Row>) -> Result<Self, BadCheckpoint> {
        let mut state = State::new(tenant);
        state.position = position;
        state.saved = position;
        // By the order of `RowKey`: entities before the users that refer to them, users before the claims they hold.
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        let mut directory = Directory::new(tenant);
        for row in &rows {
            state.restore(&mut directory, row).map_err(|error| BadCheckpoint::Row {
                kind: row.key.kind(),
                key: row.key.key(),
                error,
            })?;
        }
        // Position 0 is a state without a checkpoint.
        if position > 0 {
            check_count(&rows)?;
        }
        state.directory = Arc::new(directory);
        state.fill_held();
        state.usage = state.recount();
        state.derive_values();
        // Index and details are not stored: the first view derives them for all users.
        state.touched = (0..state.people.len() as u32).collect();
        Ok(state)
    }

    fn restore(&mut self, directory: &mut Directory, row: &Row) -> Result<(), serde_json::Error> {
        match &row.key {
            RowKey::Tenant => {
                let body: TenantBody = serde_json::from_str(&row.body)?;
                self.recorded = body.recorded.unwrap_or(Time::NEVER);
                self.floor = body.floor.unwrap_or(Time::NEVER);
                self.limits = body.limits.unwrap_or_default();
                directory.restore_high_water(&body.high_water);
                directory.restore_settings(body.settings);
            }
            RowKey::Entity(kind, _) => directory.restore_entity(*kind, serde_json::from_str(&row.body)?),
            RowKey::User(id) => {
                let body: UserBody = serde_json::from_str(&row.body)?;
                let (person, since) = (self.person_from(*id, &body), Since::from_stored(&body.since));
                let ix = directory.restore_user(body.profile, person.deleted);
                let password = body.password.map(|known| Password { hash: known.hash, set: known.set, by: known.by });
                directory.set_password(ix, password);
                *self.people.reach(ix as usize) = person;
                *self.since.reach(ix as usize) = since;
            }
            RowKey::Conversation(id) => {
                let body: ConversationBody = serde_json::from_str(&row.body)?;
                self.tombstones.place(Tombstone::Conversation(*id), None, body.ended);
                let conversation = Arc::new(Conversation::with(*id, body.history));
                self.conversations.put(Remembered { conversation, ended: body.ended, is_leaving: false });
            }
            RowKey::Claim(conversation) => {
                let claim = claim_from(serde_json::from_str(&row.body)?);
                self.tombstones.place(Tombstone::Claim(conversation.clone()), None, claim.ended);
                self.claims.insert(conversation.clone(), claim);
            }
            RowKey::Board(name) => self.restore_board(name, serde_json::from_str(&row.body)?),
        }
        Ok(())
    }

    fn person_from(&mut self, id: i64, body: &UserBody) -> Person {
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
            self.tombstones.place(Tombstone::Session(id, known.session.clone()), None, known.ended);
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
        self.tombstones.place(Tombstone::User(id), None, person.deleted);
        person
    }

    /// Fills the holders' sets, which are not stored but derived from the claims.
    fn fill_held(&mut self) {
        let held: Vec<_> = self
            .claims
            .iter()
            .filter_map(|(conversation, claim)| Some((conversation.clone(), self.holder(claim)?)))
            .collect();
        for (conversation, (ix, channel)) in held {
            self.people[ix as usize].held.insert(channel, conversation);
        }
    }

    pub(in crate::live) fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(in crate::live) fn person(&self, ix: u32) -> Option<&Person> {
        self.people.get(ix as usize)
    }

    pub(in crate::live) fn since(&self, ix: u32) -> &Since {
        self.since.get(ix as usize).unwrap_or(&Since::UNKNOWN)
    }

    pub(in crate::live) fn claim(&self, conversation: &ConversationId) -> Option<&Claim> {
        self.claims.get(conversation)
    }

    pub(in crate::live) fn conversations(&self) -> &Conversations {
        &self.conversations
    }

    pub(in crate::live) fn claims(&self) -> impl Iterator<Item = &ConversationId> {
        self.claims.iter().map(|(conversation, _)| conversation)
    }
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
