//! Sessions: who is connected.

use super::State;
use super::endings::Ending;
use crate::domain::event::{Event, Rejection, Surface};
use crate::domain::{EntityRef, Outcome, Time, UserRef};
use crate::live::person::Session;

/// What a `desk.connected` says besides who and which session.
pub(super) struct Opening<'a> {
    pub lease_seconds: Option<u32>,
    pub device: Option<&'a str>,
    pub surface: Surface,
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
        let person = &mut self.people[ix as usize];
        // Even a stale connection tells that the person has been there.
        let first = opening.surface == Surface::Desk && !person.ever_logged_in;
        person.ever_logged_in |= first;
        let known = person.sessions.get(session);
        let newest = known.map_or(person.closed_all, |known| known.at.max(person.closed_all));
        let time = effective(event, newest);
        if time < newest {
            if first {
                self.touch(ix);
            }
            return Ok(Outcome::Stale);
        }
        person.desk_at = person.desk_at.max(time);
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
            },
        );
        self.place_session(ix, session, before.and_then(|before| before.ended), None);
        Ok(Outcome::Applied)
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
        let person = &mut self.people[ix as usize];
        // A desk that came back before its old connection ended is not to be ended by that.
        let is_other = |opened| !person.sessions.get(session).is_some_and(|s| s.open && s.opened == opened);
        if opened.is_some_and(is_other) {
            return Err(Rejection::OtherIncarnation);
        }
        let newest = person.sessions.get(session).map_or(person.closed_all, |known| known.at.max(person.closed_all));
        let time = effective(event, newest);
        if time < newest {
            return Ok(Outcome::Stale);
        }
        // A session that was never heard of may still connect late; the end is remembered for that.
        let known = person.sessions.entry(session.into()).or_insert(Session {
            at: time,
            open: false,
            surface: Surface::default(),
            lease_seconds: None,
            device: None,
            opened: 0,
            ended: None,
        });
        known.at = time;
        known.open = false;
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
        let mut closed = Vec::new();
        for (name, session) in person.sessions.iter_mut().filter(|(_, session)| session.open) {
            session.at = session.at.max(time);
            session.open = false;
            session.ended = Some(recorded);
            person.desk_at = person.desk_at.max(session.at);
            closed.push(name.clone());
        }
        self.touch(ix);
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

    pub(super) fn forget_session(&mut self, user: i64, session: &str, ended: Time) {
        let Some(ix) = self.directory.users().by_id(user) else { return };
        let sessions = &mut self.people[ix as usize].sessions;
        if sessions.get(session).is_some_and(|known| known.ended == Some(ended)) {
            sessions.remove(session);
            self.touch(ix);
        }
    }

    /// Remembers an end, or that it is none any more, and lets the rows follow.
    fn place_session(&mut self, ix: u32, session: &str, before: Option<Time>, after: Option<Time>) {
        self.endings.place(Ending::Session(self.user_id(ix), session.into()), before, after);
        self.touch(ix);
    }
}

/// An event's own time, or for an authoritative one the later of that and the time of what it sets.
pub(super) fn effective(event: &Event, newest: Time) -> Time {
    if event.is_authoritative() { event.fact.time.max(newest) } else { event.fact.time }
}
