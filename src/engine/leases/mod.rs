//! The leases of open sessions. Deadlines live here, outside of state and journal: a heartbeat costs no write, and
//! handlers renew leases directly, without waiting for the engine.

mod pauses;

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::domain::TenantId;
use crate::domain::event::Rejection;
use crate::live::state::Lease;
use pauses::Pauses;

pub use pauses::watch as watch_pauses;

/// A pause of the process beyond which every lease is given a full term again.
const LONG_PAUSE: Duration = Duration::from_secs(5);
/// The number of locks that sessions are spread over, so that heartbeats seldom contend.
const SHARDS: usize = 64;

/// One session's key in the order of deadlines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    tenant: TenantId,
    user: i64,
    session: Box<str>,
}

/// An open session.
#[derive(Debug)]
struct Session {
    name: Box<str>,
    /// Position of the event that opened it.
    opened: u64,
    /// Lease length in seconds; `None` for a session that lasts until it is closed.
    seconds: Option<u32>,
    /// Lease time of the newest heartbeat, or of the opening.
    heard: Duration,
    /// The deadline under which the session is in the order. Renewals do not move it: the real deadline may be later.
    queued: Duration,
    /// True once the lease ran out and its end is on the way to the journal: it can no longer be renewed.
    is_ending: bool,
}

impl Session {
    fn deadline(&self) -> Option<Duration> {
        self.seconds.map(|seconds| self.heard + Duration::from_secs(seconds.into()))
    }
}

/// A desk's heartbeat, with its user resolved.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat<'a> {
    /// The user's integer id.
    pub user: i64,
    /// The session's name.
    pub session: &'a str,
    /// The incarnation that is renewed, by the position at which it was opened; `None` for any.
    pub opened: Option<u64>,
}

/// A lease that ran out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// The tenant of the session.
    pub tenant: TenantId,
    /// The user's integer id.
    pub user: i64,
    /// The session's name.
    pub session: Box<str>,
    /// The incarnation that ends, by the position at which it was opened.
    pub opened: u64,
}

type Shard = HashMap<(TenantId, i64), Vec<Session>>;

/// Every open session, by user.
///
/// The engine opens and closes sessions as it applies events; handlers renew them. Deadlines are in lease time:
/// monotonic time less the pauses of the process, in which no heartbeat could be received.
#[derive(Debug)]
pub struct LeaseTable {
    clock: Clock,
    pauses: Pauses,
    // Seeded at random: a tenant cannot choose user ids that all share one lock.
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
    /// Sessions with a lease, by their `queued` deadline, which is never later than the real one.
    order: Mutex<BTreeSet<(Duration, Key)>>,
}

impl LeaseTable {
    /// Makes a table without sessions.
    pub fn new(clock: Clock) -> Self {
        LeaseTable {
            pauses: Pauses::new(&clock),
            clock,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            order: Mutex::default(),
        }
    }

    /// Notes that the process runs. After a long pause every lease gets a full term: a desk may have taken the silence
    /// for the end of its connection, and needs time to connect again.
    fn note(&self) {
        if self.pauses.note(self.clock.monotonic()) > LONG_PAUSE {
            self.restart();
        }
    }

    fn shard(&self, tenant: TenantId, user: i64) -> &Mutex<Shard> {
        &self.shards[self.hasher.hash_one((tenant, user)) as usize % SHARDS]
    }

    /// Opens a session, or opens it again, with a lease from monotonic time `heard`.
    pub fn open(&self, tenant: TenantId, lease: Lease, heard: Duration) {
        let Lease { user, session, opened, seconds } = lease;
        // A session that is opened again is another incarnation, and its old deadline must not end it.
        self.close(tenant, user, &session);
        let heard = self.pauses.lease_time(heard);
        let key = Key { tenant, user, session };
        let mut new =
            Session { name: key.session.clone(), opened, seconds, heard, queued: Duration::ZERO, is_ending: false };
        if let Some(deadline) = new.deadline() {
            new.queued = deadline;
            // Only the engine opens, closes and expires sessions: this entry is not taken before the session is in its
            // shard.
            self.order.lock().insert((deadline, key));
        }
        self.shard(tenant, user).lock().entry((tenant, user)).or_default().push(new);
    }

    /// Removes a session that is no longer open.
    pub fn close(&self, tenant: TenantId, user: i64, session: &str) {
        let mut shard = self.shard(tenant, user).lock();
        let Some(sessions) = shard.get_mut(&(tenant, user)) else { return };
        let Some(at) = sessions.iter().position(|known| *known.name == *session) else { return };
        let closed = sessions.swap_remove(at);
        if sessions.is_empty() {
            shard.remove(&(tenant, user));
        }
        // No method holds a shard and the order at once, so that they cannot deadlock.
        drop(shard);
        if closed.seconds.is_some() {
            self.order.lock().remove(&(closed.queued, Key { tenant, user, session: closed.name }));
        }
    }

    /// Removes every session of a user.
    pub fn close_user(&self, tenant: TenantId, user: i64) {
        let Some(closed) = self.shard(tenant, user).lock().remove(&(tenant, user)) else { return };
        let mut order = self.order.lock();
        for session in closed.into_iter().filter(|session| session.seconds.is_some()) {
            order.remove(&(session.queued, Key { tenant, user, session: session.name }));
        }
    }

    /// Renews the lease of an open session by a heartbeat that was received at monotonic time `heard`.
    ///
    /// [`Rejection::UnknownSession`] if the session is not open or its lease ran out, [`Rejection::OtherIncarnation`]
    /// if it was opened at another position than [`Heartbeat::opened`].
    pub fn renew(&self, tenant: TenantId, heartbeat: Heartbeat<'_>, heard: Duration) -> Result<(), Rejection> {
        let Heartbeat { user, session, opened } = heartbeat;
        // A heartbeat may be handled before anything else noticed a pause: its time would be converted without it, and the
        // lease then be longer by the pause.
        self.note();
        let heard = self.pauses.lease_time(heard);
        let mut shard = self.shard(tenant, user).lock();
        let known = shard
            .get_mut(&(tenant, user))
            .and_then(|sessions| sessions.iter_mut().find(|known| *known.name == *session && !known.is_ending));
        let known = known.ok_or(Rejection::UnknownSession)?;
        if opened.is_some_and(|opened| opened != known.opened) {
            return Err(Rejection::OtherIncarnation);
        }
        // Handlers may process two heartbeats of a session in either order.
        known.heard = known.heard.max(heard);
        Ok(())
    }

    /// Returns the monotonic time at which the engine should next call [`LeaseTable::expire`].
    pub fn next(&self) -> Option<Duration> {
        let deadline = self.order.lock().first().map(|(deadline, _)| *deadline)?;
        Some(self.pauses.monotonic(deadline))
    }

    /// Returns up to `limit` leases that ran out by now and marks them as ending: a later heartbeat is rejected.
    pub fn expire(&self, limit: usize) -> Vec<Expired> {
        // A pause that ended just now must be recorded first, or its length would count as the desks' silence.
        self.note();
        let now = self.pauses.lease_time(self.clock.monotonic());
        let mut expired = Vec::new();
        while expired.len() < limit {
            let mut order = self.order.lock();
            let Some((queued, key)) = order.first().filter(|(deadline, _)| *deadline <= now).cloned() else { break };
            order.remove(&(queued, key.clone()));
            drop(order);
            let mut shard = self.shard(key.tenant, key.user).lock();
            let sessions = shard.get_mut(&(key.tenant, key.user));
            let known = sessions.and_then(|sessions| {
                // `queued` is compared as well: the entry may be of an earlier session of this name.
                sessions.iter_mut().find(|known| known.name == key.session && known.queued == queued)
            });
            // Closed between the two locks of `restart`, which then queued it all the same.
            let Some(known) = known else { continue };
            let Some(deadline) = known.deadline() else { continue };
            if deadline > now {
                // Renewed since it was queued: back into the order, under its real deadline.
                known.queued = deadline;
                drop(shard);
                self.order.lock().insert((deadline, key));
                continue;
            }
            known.is_ending = true;
            let opened = known.opened;
            drop(shard);
            expired.push(Expired { tenant: key.tenant, user: key.user, session: key.session, opened });
        }
        expired
    }

    /// Gives every lease a full term from now, and reopens those that were ending. Called after a stretch in which
    /// heartbeats could not be received or ends of leases could not be journalled.
    pub fn restart(&self) {
        let now = self.pauses.lease_time(self.clock.monotonic());
        for shard in &self.shards {
            let mut queue = Vec::new();
            for ((tenant, user), sessions) in shard.lock().iter_mut() {
                for session in sessions {
                    session.heard = session.heard.max(now);
                    // A session that was ending was removed from the order.
                    if std::mem::take(&mut session.is_ending)
                        && let Some(deadline) = session.deadline()
                    {
                        session.queued = deadline;
                        queue.push((deadline, Key { tenant: *tenant, user: *user, session: session.name.clone() }));
                    }
                }
            }
            self.order.lock().extend(queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    const TENANT: TenantId = TenantId(uuid::Uuid::nil());

    fn lease(session: &str, seconds: Option<u32>) -> Lease {
        Lease { user: 1, session: session.into(), opened: 7, seconds }
    }

    fn heartbeat(session: &str) -> Heartbeat<'_> {
        Heartbeat { user: 1, session, opened: None }
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn table() -> (Clock, LeaseTable) {
        let clock = Clock::manual(Time::from_micros(0));
        (clock.clone(), LeaseTable::new(clock))
    }

    fn ends(table: &LeaseTable) -> Vec<Box<str>> {
        table.expire(10).into_iter().map(|expired| expired.session).collect()
    }

    #[test]
    fn a_renewed_lease_runs_a_full_term_from_the_renewal() {
        let (clock, table) = table();
        table.open(TENANT, lease("a", Some(10)), seconds(0));
        table.open(TENANT, lease("b", Some(10)), seconds(0));
        table.open(TENANT, lease("c", None), seconds(0));
        clock.advance(seconds(5));
        assert_eq!(table.renew(TENANT, heartbeat("a"), seconds(5)), Ok(()));
        assert_eq!(table.renew(TENANT, Heartbeat { opened: Some(7), ..heartbeat("c") }, seconds(5)), Ok(()));
        clock.advance(seconds(4));
        assert_eq!(ends(&table), [] as [Box<str>; 0]);
        clock.advance(seconds(1));
        assert_eq!(ends(&table), ["b".into()]);
        assert_eq!(table.next(), Some(seconds(15)));
        clock.advance(seconds(5));
        assert_eq!(ends(&table), ["a".into()]);
        assert_eq!(table.next(), None);
        // A heartbeat that was received in time, and handled after the lease was taken as expired.
        assert_eq!(table.renew(TENANT, heartbeat("a"), seconds(14)), Err(Rejection::UnknownSession));
    }

    #[test]
    fn only_open_sessions_of_the_same_incarnation_are_renewed() {
        let (_clock, table) = table();
        assert_eq!(table.renew(TENANT, heartbeat("a"), seconds(0)), Err(Rejection::UnknownSession));
        table.open(TENANT, lease("a", Some(10)), seconds(0));
        assert_eq!(
            table.renew(TENANT, Heartbeat { opened: Some(6), ..heartbeat("a") }, seconds(0)),
            Err(Rejection::OtherIncarnation)
        );
        assert_eq!(
            table.renew(TENANT, Heartbeat { user: 2, ..heartbeat("a") }, seconds(0)),
            Err(Rejection::UnknownSession)
        );
        table.close(TENANT, 1, "a");
        assert_eq!(table.renew(TENANT, heartbeat("a"), seconds(0)), Err(Rejection::UnknownSession));
        table.open(TENANT, lease("a", Some(10)), seconds(0));
        table.open(TENANT, lease("b", Some(10)), seconds(0));
        table.close_user(TENANT, 1);
        assert_eq!(table.next(), None);
        assert!(table.shards.iter().all(|shard| shard.lock().is_empty()));
    }

    #[test]
    fn restart_gives_every_lease_a_full_term() {
        let (clock, table) = table();
        table.open(TENANT, lease("a", Some(10)), seconds(0));
        table.open(TENANT, lease("b", Some(20)), seconds(0));
        clock.advance(seconds(10));
        assert_eq!(ends(&table), ["a".into()], "its end cannot be journalled");
        table.restart();
        assert_eq!(table.renew(TENANT, heartbeat("a"), seconds(10)), Ok(()));
        clock.advance(seconds(9));
        assert_eq!(ends(&table), [] as [Box<str>; 0]);
        clock.advance(seconds(1));
        assert_eq!(ends(&table), ["a".into()]);
        clock.advance(seconds(10));
        assert_eq!(ends(&table), ["b".into()]);
    }

    #[test]
    fn a_heartbeat_that_is_handled_before_a_pause_is_noticed_leaves_one_term() {
        let (clock, mut table) = table();
        table.pauses.count_jumps();
        table.open(TENANT, lease("a", Some(5)), seconds(0));
        // The process stood still for three seconds, which nothing has noticed yet.
        clock.advance(seconds(3));
        assert_eq!(table.renew(TENANT, heartbeat("a"), seconds(3)), Ok(()));
        let deadline = table.shard(TENANT, 1).lock()[&(TENANT, 1)][0].deadline().expect("a lease");
        table.note();
        assert_eq!(table.pauses.monotonic(deadline), seconds(8), "five seconds after the resume");
    }

    #[test]
    fn pauses_of_the_process_do_not_count_as_silence() {
        let (clock, table) = table();
        table.open(TENANT, lease("a", Some(5)), seconds(0));
        clock.advance(seconds(10));
        table.pauses.add(seconds(2), seconds(10));
        assert_eq!(ends(&table), [] as [Box<str>; 0], "two seconds of silence");
        assert_eq!(table.next(), Some(seconds(13)));
        // A heartbeat received before the pause and handled after it leaves three seconds as well.
        assert_eq!(table.renew(TENANT, heartbeat("a"), seconds(2)), Ok(()));
        clock.advance(seconds(5) - Duration::from_millis(1));
        assert_eq!(ends(&table), [] as [Box<str>; 0]);
        clock.advance(Duration::from_millis(1));
        assert_eq!(ends(&table), ["a".into()]);
    }
}
