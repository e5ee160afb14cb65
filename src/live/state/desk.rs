//! Sessions: who is connected.

use super::FORGOTTEN_PER_ENTRY;
use super::State;
use super::endings::Ending;
use crate::domain::event::{Event, Rejection, Surface};
use crate::domain::settings::limits::{ENDED_SESSIONS_PER_USER, SOCKETS_PER_USER};
use crate::domain::{EntityRef, Outcome, Quota, Time, UserRef};
use crate::live::persistent::steps;
use crate::live::person::{Person, Session};

/// What a `desk.connected` says besides who and which session.
pub(super) struct Opening<'a> {
    pub lease_seconds: Option<u32>,
    pub device: Option<&'a str>,
    pub surface: Surface,
    pub socket: bool,
}

/// An open session that ends without heartbeats. Deadlines are the engine's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Whose, by integer id.
    pub user: i64,
    /// Which.
    pub session: Box<str>,
    /// Position of the `desk.connected` that opened it.
    pub opened: u64,
    /// How long it lasts, in seconds; `None`: until disconnected.
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
        let word = self.word(event, &self.people[ix as usize], session);
        if let Some(time) = word {
            self.check_sessions(ix, session, opening.socket)?;
            self.people[ix as usize].desk_at = self.people[ix as usize].desk_at.max(time);
        }
        let person = &mut self.people[ix as usize];
        // Even a stale connection tells that the person has been there.
        let first = opening.surface == Surface::Desk && !person.ever_logged_in;
        person.ever_logged_in |= first;
        let Some(time) = word else {
            if first {
                self.touch(ix);
            }
            return Ok(Outcome::Stale);
        };
        let before = person.sessions.insert(
            session.into(),
            Session {
                at: time,
                open: true,
                surface: opening.surface,
                lease_seconds: opening.lease_seconds,
                device: opening.device.map(Into::into),
                opened,
                ended: None,
                socket: opening.socket,
            },
        );
        self.usage.sessions += usize::from(!before.as_ref().is_some_and(|before| before.open));
        self.place_session(ix, session, before.and_then(|before| before.ended), None);
        Ok(Outcome::Applied)
    }

    /// The time at which an event counts as said of a session; `None` when something newer was said, or when it is too
    /// late to be about a session that the state does not know.
    fn word(&self, event: &Event, person: &Person, session: &str) -> Option<Time> {
        let (newest, is_late) = match person.sessions.get(session) {
            Some(known) => (known.at.max(person.closed_all), false),
            None => {
                let floor = self.floor.max(person.sessions_floor);
                let is_late = event.fact.time <= floor && !event.is_authoritative();
                (person.closed_all.max(if is_late { Time::NEVER } else { floor }), is_late)
            }
        };
        let time = effective(event, newest);
        (time >= newest && !is_late).then_some(time)
    }

    /// Whether one more session may be open. One that is open already takes no other place, unless it changes its kind.
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
        // A desk that came back before its old connection ended is not to be ended by that.
        let is_other = |opened| !person.sessions.get(session).is_some_and(|s| s.open && s.opened == opened);
        if opened.is_some_and(is_other) {
            return Err(Rejection::OtherIncarnation);
        }
        let Some(time) = self.word(event, &self.people[ix as usize], session) else { return Ok(Outcome::Stale) };
        let person = &mut self.people[ix as usize];
        // A session that was never heard of may still connect late; the end is remembered for that.
        let known = person.sessions.entry(session.into()).or_insert(Session {
            at: time,
            open: false,
            surface: Surface::default(),
            lease_seconds: None,
            device: None,
            opened: 0,
            ended: None,
            socket: false,
        });
        known.at = time;
        self.usage.sessions -= usize::from(std::mem::take(&mut known.open));
        let before = known.ended.replace(recorded);
        person.desk_at = person.desk_at.max(time);
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
        steps::count(person.sessions.len());
        let mut closed = Vec::new();
        for (name, session) in person.sessions.iter_mut().filter(|(_, session)| session.open) {
            session.at = session.at.max(time);
            session.open = false;
            session.ended = Some(recorded);
            person.desk_at = person.desk_at.max(session.at);
            closed.push(name.clone());
        }
        self.touch(ix);
        self.usage.sessions -= closed.len();
        for session in closed {
            self.place_session(ix, &session, None, Some(recorded));
        }
    }

    /// The session's time stays that of its connection: the expiry is our guess, and any later word of the desk itself,
    /// whose clock may be behind ours, is to win over it. What the person shows has changed by our clock all the same.
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
        person.desk_at = person.desk_at.max(event.fact.time);
        self.place_session(ix, session, None, Some(recorded));
        Ok(Outcome::Applied)
    }

    /// Returns the integer id of a live user.
    pub fn user(&self, user: &UserRef) -> Option<i64> {
        self.directory.find(user).map(|ix| self.user_id(ix))
    }

    /// Returns the integer id of a user, live or deleted and remembered.
    pub fn remembered_user(&self, user: &UserRef) -> Option<i64> {
        let users = self.directory.users();
        let ix = match user {
            UserRef::Entity(EntityRef::Id(id)) => users.by_id(*id),
            UserRef::Entity(EntityRef::Guid(guid)) => users.by_guid(*guid),
            UserRef::External(_) => self.directory.find(user),
        };
        ix.map(|ix| self.user_id(ix))
    }

    /// The lease of an open session; what a heartbeat asks for.
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

    /// Returns every open session, with its lease if it has one.
    pub fn open_sessions(&self) -> Vec<Lease> {
        let mut leases = Vec::new();
        for (ix, profile) in self.directory.users().live() {
            for (session, known) in &self.people[ix as usize].sessions {
                if known.open {
                    leases.push(Lease {
                        user: profile.id,
                        session: session.clone(),
                        opened: known.opened,
                        seconds: known.lease_seconds,
                    });
                }
            }
        }
        leases
    }

    /// Forgets a session; returns the newest event time that was said of it.
    pub(super) fn forget_session(&mut self, user: i64, session: &str) -> Time {
        let Some(ix) = self.directory.users().by_id(user) else { return Time::NEVER };
        let known = self.people[ix as usize].sessions.remove(session);
        self.touch(ix);
        known.map_or(Time::NEVER, |known| known.at)
    }

    /// Ends and forgets every session of a user who is deleted.
    pub(super) fn drop_sessions(&mut self, ix: u32) {
        let user = self.user_id(ix);
        let sessions = std::mem::take(&mut self.people[ix as usize].sessions);
        steps::count(sessions.len());
        for (session, known) in sessions {
            self.usage.sessions -= usize::from(known.open);
            self.endings.place(Ending::Session(user, session), known.ended, None);
        }
    }

    /// Remembers an end, or that it is none any more, and lets the rows follow.
    fn place_session(&mut self, ix: u32, session: &str, before: Option<Time>, after: Option<Time>) {
        self.endings.place(Ending::Session(self.user_id(ix), session.into()), before, after);
        self.touch(ix);
        if after.is_some() {
            self.bound_ended(ix);
        }
    }

    /// Forgets the oldest ended sessions of a user of whom too many are remembered. Only this user's floor rises: one
    /// device that reconnects all the time does not make the events of others late.
    fn bound_ended(&mut self, ix: u32) {
        let user = self.user_id(ix);
        for _ in 0..FORGOTTEN_PER_ENTRY {
            let person = &mut self.people[ix as usize];
            steps::count(person.sessions.len());
            let ended = || person.sessions.iter().filter_map(|(name, known)| Some((known.ended?, name)));
            if ended().count() <= ENDED_SESSIONS_PER_USER {
                return;
            }
            let Some((since, name)) = ended().min().map(|(since, name)| (since, name.clone())) else { return };
            let known = person.sessions.remove(&name);
            person.sessions_floor = person.sessions_floor.max(known.map_or(Time::NEVER, |known| known.at));
            self.endings.place(Ending::Session(user, name), Some(since), None);
        }
    }
}

/// An event's own time, or for an authoritative one the later of that and the time of what it sets.
pub(super) fn effective(event: &Event, newest: Time) -> Time {
    if event.is_authoritative() { event.fact.time.max(newest) } else { event.fact.time }
}
