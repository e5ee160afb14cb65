//! Sessions: applies connections, disconnections and expired leases of desks.

use super::FORGOTTEN_PER_ENTRY;
use super::State;
use super::tombstones::Tombstone;
use crate::domain::event::{Event, Rejection, Surface};
use crate::domain::settings::limits::{ENDED_SESSIONS_PER_USER, SOCKETS_PER_USER};
use crate::domain::{EntityRef, Outcome, Quota, Time, UserRef};
use crate::live::persistent::steps;
use crate::live::person::{Person, Session};

/// The members of a `desk.connected` besides user and session.
pub(super) struct Opening<'a> {
    pub lease_seconds: Option<u32>,
    pub device: Option<&'a str>,
    pub surface: Surface,
    pub socket: bool,
}

/// An open session with the terms of its lease. The engine computes deadlines from it and from heartbeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The user of the session, by integer id.
    pub user: i64,
    /// Session id, unique within the user.
    pub session: Box<str>,
    /// Journal position of the `desk.connected` that opened it.
    pub opened: u64,
    /// Seconds it stays open without a heartbeat; `None`: until disconnected.
    pub seconds: Option<u32>,
}

impl State {
    pub(super) fn open_session(
        &mut self,
        event: &Event,
        user: &UserRef,
        session: &str,
        opening: &Opening<'_>,
    ) -> Result<Outcome, Rejection> {
        let ix = self.subject(user)?;
        let opened = self.position;
        let time = self.session_time(event, &self.people[ix as usize], session);
        if time.is_some() {
            // Checked before anything changes, since a rejected event must have no effect.
            self.check_sessions(ix, session, opening.socket)?;
        }
        let person = &mut self.people[ix as usize];
        // A stale connection still shows that the user was logged in once. The administration counts too: the vendor lists
        // operators who are offline once they were logged in to the platform (docs/reference/iadvize-rest.md).
        let first = !std::mem::replace(&mut person.ever_logged_in, true);
        let logged_in = person.logged_in.max(time.unwrap_or(event.fact.time));
        let is_newer = std::mem::replace(&mut person.logged_in, logged_in) != logged_in;
        let is_desk = opening.surface == Surface::Desk;
        let Some(time) = time else {
            let is_named = is_desk && person.begin_desk(session, event.fact.time);
            if first || is_newer || is_named {
                self.touch(ix);
            }
            return Ok(Outcome::Stale);
        };
        let known = person.sessions.get(session);
        let (of_desk, ended_at) = known.map_or((false, Time::NEVER), |known| (known.of_desk, known.ended_at));
        let before = person.sessions.insert(
            session,
            Session {
                at: time,
                open: true,
                surface: opening.surface,
                lease_seconds: opening.lease_seconds,
                device: opening.device.map(Into::into),
                opened,
                ended: None,
                socket: opening.socket,
                of_desk,
                ended_at,
            },
        );
        if is_desk {
            person.begin_desk(session, time);
        }
        // A session that was open is counted already.
        self.usage.sessions += usize::from(!before.as_ref().is_some_and(|before| before.open));
        self.place_session(ix, session, before.and_then(|before| before.ended), None);
        Ok(Outcome::Applied)
    }

    /// The time at which an event applies to a session. `None` if a newer event about the session was applied, or if
    /// the session is unknown and the event so late that the session may have been dropped.
    fn session_time(&self, event: &Event, person: &Person, session: &str) -> Option<Time> {
        let (newest, is_late) = match person.sessions.get(session) {
            Some(known) => (known.at.max(person.closed_all), false),
            None => {
                let floor = self.floor.max(person.sessions_floor);
                // At the floor counts as late: the dropped session may have had that very time.
                let is_late = event.fact.time <= floor && !event.is_authoritative();
                // An authoritative event is applied at the floor's time at least, after everything dropped.
                (person.closed_all.max(if is_late { Time::NEVER } else { floor }), is_late)
            }
        };
        let time = effective(event, newest);
        (time >= newest && !is_late).then_some(time)
    }

    /// Checks the quotas for opening a session. One that is open already counts again only if it changes between socket
    /// and other.
    fn check_sessions(&self, ix: u32, session: &str, socket: bool) -> Result<(), Rejection> {
        let person = &self.people[ix as usize];
        let known = person.sessions.get(session).filter(|known| known.open);
        if known.is_none() {
            self.check_room(Quota::Sessions, self.usage.sessions, self.usage.sessions + 1)?;
        }
        if known.is_some_and(|known| known.socket == socket) {
            return Ok(());
        }
        let beside = person.open_beside(session, socket);
        if !socket {
            return self.check_room(Quota::SessionsPerUser, beside, beside + 1);
        }
        // Not a quota that can be set, so not `check_room`.
        let limit = SOCKETS_PER_USER;
        if beside >= limit as usize { Err(Rejection::Limit { name: "sockets_per_user", limit }) } else { Ok(()) }
    }

    pub(super) fn close_session(
        &mut self,
        event: &Event,
        user: &UserRef,
        session: &str,
        opened: Option<u64>,
    ) -> Result<Outcome, Rejection> {
        let ix = self.subject(user)?;
        let recorded = self.recorded;
        let person = &self.people[ix as usize];
        // The session may have been reopened by a new connection before the end of the old one arrived.
        let is_other = |opened| !person.sessions.get(session).is_some_and(|s| s.open && s.opened == opened);
        if opened.is_some_and(is_other) {
            return Err(Rejection::OtherIncarnation);
        }
        let time = self.session_time(event, &self.people[ix as usize], session);
        let person = &mut self.people[ix as usize];
        let Some(time) = time else {
            if person.end_session(session, event.fact.time) {
                self.touch(ix);
            }
            return Ok(Outcome::Stale);
        };
        // The `desk.connected` of an unknown session may still arrive late; the recorded end makes it stale.
        let unknown = Session {
            at: time,
            open: false,
            surface: Surface::default(),
            lease_seconds: None,
            device: None,
            opened: 0,
            ended: None,
            socket: false,
            of_desk: false,
            ended_at: Time::NEVER,
        };
        let known = person.sessions.get_or_insert(session, unknown);
        known.at = time;
        self.usage.sessions -= usize::from(std::mem::take(&mut known.open));
        let before = known.ended.replace(recorded);
        person.end_session(session, time);
        self.place_session(ix, session, before, Some(recorded));
        Ok(Outcome::Applied)
    }

    pub(super) fn close_all(&mut self, event: &Event, user: &UserRef) -> Result<Outcome, Rejection> {
        let ix = self.subject(user)?;
        self.close_every_session(ix, event.fact.time);
        Ok(Outcome::Applied)
    }

    pub(super) fn close_every_session(&mut self, ix: u32, time: Time) {
        let recorded = self.recorded;
        let person = &mut self.people[ix as usize];
        person.closed_all = person.closed_all.max(time);
        steps::count(person.sessions.size());
        let mut closed = Vec::new();
        for (name, session) in person.sessions.iter_mut().filter(|(_, session)| session.open) {
            session.at = session.at.max(time);
            session.open = false;
            session.ended = Some(recorded);
            closed.push((Box::<str>::from(name), session.at));
        }
        for (name, at) in &closed {
            person.end_session(name, *at);
        }
        self.touch(ix);
        self.usage.sessions -= closed.len();
        for (session, _) in closed {
            self.place_session(ix, &session, None, Some(recorded));
        }
    }

    /// Ends a session whose lease expired. The session's time stays that of its connection: the expiry is an assumption
    /// of the server, and any later event of the desk, even by a slow clock, must win over it. `desk_at` does become
    /// the time of the expiry, since the user's visible presence changed then.
    pub(super) fn expire(
        &mut self,
        event: &Event,
        user: &UserRef,
        session: &str,
        opened: u64,
    ) -> Result<Outcome, Rejection> {
        let ix = self.subject(user)?;
        let recorded = self.recorded;
        let known = self.people[ix as usize].sessions.get_mut(session);
        let known = known.filter(|s| s.open && s.opened == opened).ok_or(Rejection::OtherIncarnation)?;
        known.open = false;
        known.ended = Some(recorded);
        self.usage.sessions -= 1;
        let person = &mut self.people[ix as usize];
        person.end_session(session, event.fact.time);
        self.place_session(ix, session, None, Some(recorded));
        Ok(Outcome::Applied)
    }

    /// Returns the integer id of a user that is not deleted.
    pub fn user(&self, user: &UserRef) -> Option<i64> {
        self.directory.find(user).map(|ix| self.user_id(ix))
    }

    /// Returns the integer id of a user, including deleted users that are still remembered. External ids find only
    /// users that are not deleted.
    pub fn remembered_user(&self, user: &UserRef) -> Option<i64> {
        let users = self.directory.users();
        let ix = match user {
            UserRef::Entity(EntityRef::Id(id)) => users.by_id(*id),
            UserRef::Entity(EntityRef::Guid(guid)) => users.by_guid(*guid),
            UserRef::External(_) => self.directory.find(user),
        };
        ix.map(|ix| self.user_id(ix))
    }

    /// Returns the lease of an open session, to be renewed by a heartbeat. [`Rejection::UnknownUser`] or
    /// [`Rejection::UnknownSession`] if there is none.
    pub fn lease(&self, user: &UserRef, session: &str) -> Result<Lease, Rejection> {
        let ix = self.subject(user)?;
        let known = self.people[ix as usize].sessions.get(session).filter(|known| known.open);
        let known = known.ok_or(Rejection::UnknownSession)?;
        Ok(Lease {
            user: self.user_id(ix),
            session: session.into(),
            opened: known.opened,
            seconds: known.lease_seconds,
        })
    }

    /// Returns every open session that has a lease.
    pub fn leases(&self) -> Vec<Lease> {
        self.open_sessions().into_iter().filter(|lease| lease.seconds.is_some()).collect()
    }

    /// Returns every open session, with or without a lease.
    pub fn open_sessions(&self) -> Vec<Lease> {
        let mut leases = Vec::new();
        for (ix, profile) in self.directory.users().live() {
            for (session, known) in self.people[ix as usize].sessions.iter() {
                if known.open {
                    leases.push(Lease {
                        user: profile.id,
                        session: session.into(),
                        opened: known.opened,
                        seconds: known.lease_seconds,
                    });
                }
            }
        }
        leases
    }

    /// Drops a session. Returns the newest event time stored for it.
    pub(super) fn forget_session(&mut self, user: i64, session: &str) -> Time {
        let Some(ix) = self.directory.users().by_id(user) else { return Time::NEVER };
        let known = self.people[ix as usize].sessions.remove(session);
        self.touch(ix);
        known.map_or(Time::NEVER, |known| known.at)
    }

    /// Ends and drops every session of a user being deleted.
    pub(super) fn drop_sessions(&mut self, ix: u32) {
        let user = self.user_id(ix);
        let sessions = std::mem::take(&mut self.people[ix as usize].sessions);
        steps::count(sessions.size());
        for (session, known) in sessions {
            self.usage.sessions -= usize::from(known.open);
            self.tombstones.place(Tombstone::Session(user, session), known.ended, None);
        }
    }

    /// Moves a session's tombstone and marks the user as changed. After an end, drops ended sessions beyond the limit.
    fn place_session(&mut self, ix: u32, session: &str, before: Option<Time>, after: Option<Time>) {
        self.tombstones.place(Tombstone::Session(self.user_id(ix), session.into()), before, after);
        self.touch(ix);
        if after.is_some() {
            self.bound_ended(ix);
        }
    }

    /// Drops the oldest ended sessions of a user beyond [`ENDED_SESSIONS_PER_USER`], a bounded number at a time. Only
    /// this user's floor rises, so that one device that reconnects constantly does not make other users' events late.
    fn bound_ended(&mut self, ix: u32) {
        let user = self.user_id(ix);
        for _ in 0..FORGOTTEN_PER_ENTRY {
            let person = &mut self.people[ix as usize];
            steps::count(person.sessions.size());
            let ended = || person.sessions.iter().filter_map(|(name, known)| Some((known.ended?, name)));
            if ended().count() <= ENDED_SESSIONS_PER_USER {
                return;
            }
            // By time, then by name: every replay must drop the same session.
            let Some((since, name)) = ended().min().map(|(since, name)| (since, Box::<str>::from(name))) else {
                return;
            };
            let known = person.sessions.remove(&name);
            person.sessions_floor = person.sessions_floor.max(known.map_or(Time::NEVER, |known| known.at));
            self.tombstones.place(Tombstone::Session(user, name), Some(since), None);
        }
    }
}

/// The time at which an event is applied: its own, or, if it is authoritative, the later of its own and `newest`, the
/// time of the value it replaces.
pub(super) fn effective(event: &Event, newest: Time) -> Time {
    if event.is_authoritative() { event.fact.time.max(newest) } else { event.fact.time }
}
