//! The leases of open sessions. Deadlines live here, outside of state and journal: a heartbeat is no entry, and handlers
//! renew leases directly, without waiting for the engine. On PostgreSQL heartbeats are written to a table as well, from
//! which the deadlines come after a restart (`keeper.rs`); the embedded store's are in memory alone.

mod holders;
mod keeper;
mod pauses;
mod silence;
mod unwritten;

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::TenantId;
use crate::domain::event::Rejection;
use crate::live::state::Lease;
use crate::store::Incarnation;
use holders::Holders;
use pauses::Pauses;
use silence::Silence;
use unwritten::Unwritten;

pub use holders::HeldSession;
pub use keeper::Keeper;
pub(super) use keeper::{KeeperParts, StoredAges, stored_ages};
pub use pauses::{PAUSE_THRESHOLD, watch as watch_pauses};
pub(super) use unwritten::BatchNumber;

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
    /// Lease time at which the lease ends, if it has a length.
    ends: Duration,
    /// The deadline under which the session is in the order. Renewals do not move it: the real deadline may be later.
    queued: Duration,
    /// True once the lease ran out and its end is on the way to the journal: it can no longer be renewed.
    is_ending: bool,
}

impl Session {
    fn deadline(&self) -> Option<Duration> {
        self.seconds.map(|_| self.ends)
    }

    /// Extends the lease to a full term from lease time `heard`, unless it is longer already.
    fn renew(&mut self, heard: Duration) {
        self.ends = self.ends.max(heard + term(self.seconds));
    }
}

/// The length of a lease; zero for a session without one.
fn term(seconds: Option<u32>) -> Duration {
    Duration::from_secs(seconds.unwrap_or_default().into())
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
    /// What is kept in the store as well; `None` on the embedded store.
    kept: Option<Kept>,
    /// The connections of this server that opened a session.
    holders: Holders,
}

/// Signs of life for the store, and what was found there.
#[derive(Debug, Default)]
struct Kept {
    unwritten: Unwritten,
    silence: Silence,
}

impl LeaseTable {
    /// Makes a table without sessions. With `is_kept` a [`Keeper`] keeps heartbeats in the store.
    pub fn new(clock: Clock, is_kept: bool) -> Self {
        LeaseTable {
            pauses: Pauses::new(&clock),
            clock,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            order: Mutex::default(),
            kept: is_kept.then(Kept::default),
            holders: Holders::default(),
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
        let ends = self.pauses.lease_time(heard) + term(lease.seconds);
        let kept = self.kept.as_ref().filter(|_| lease.seconds.is_some());
        let of = kept.map(|_| incarnation(tenant, lease.user, &lease.session, lease.opened));
        self.insert(tenant, lease, ends);
        if let Some((kept, of)) = kept.zip(of) {
            kept.unwritten.add(of, heard);
        }
    }

    /// Opens a session of the journal that was heard `age` ago, as the store has it. Without an age it has a full term.
    pub fn resume(&self, tenant: TenantId, lease: Lease, age: Option<Duration>) {
        let now = self.clock.monotonic();
        match age {
            Some(age) => {
                let ends = (self.pauses.lease_time(now) + term(lease.seconds)).saturating_sub(age);
                self.insert(tenant, lease, ends);
            }
            None => self.open(tenant, lease, now),
        }
    }

    /// Opens a session by an entry of another server, or of an append of unknown outcome. Its lease is looked for in the
    /// store at once, which has it unless it was heard here only; it has a full term otherwise.
    pub fn follow(&self, tenant: TenantId, lease: Lease) {
        let age = self.kept.as_ref().map(|_| Duration::MAX);
        self.resume(tenant, lease, age);
    }

    fn insert(&self, tenant: TenantId, lease: Lease, ends: Duration) {
        let Lease { user, session, opened, seconds } = lease;
        // A session that is opened again is another incarnation, and its old deadline must not end it.
        self.close(tenant, user, &session);
        let key = Key { tenant, user, session };
        let of = (tenant, user, key.session.clone());
        let new = Session { name: key.session.clone(), opened, seconds, ends, queued: ends, is_ending: false };
        self.shard(tenant, user).lock().entry((tenant, user)).or_default().push(new);
        // Last: an entry of the order that is taken before its session is in the shard would be lost.
        if seconds.is_some() {
            self.order.lock().insert((ends, key));
        }
        self.holders.opened(of, opened);
    }

    /// Adds a connection of this server to a session that was opened for it. The token is cancelled once the session is opened
    /// again, also if that was already.
    pub fn hold(&self, of: Incarnation, token: CancellationToken) -> HeldSession {
        let Incarnation { tenant, user, session, opened } = of;
        let key = (tenant, user, session);
        let held = self.holders.add(key.clone(), opened, token);
        // The opening of another connection may have been applied before this one was added.
        if let Some(newest) = self.opened(tenant, user, &key.2) {
            self.holders.opened(key, newest);
        }
        held
    }

    /// Returns the position at which a session that is open was opened.
    fn opened(&self, tenant: TenantId, user: i64, session: &str) -> Option<u64> {
        let shard = self.shard(tenant, user).lock();
        shard.get(&(tenant, user))?.iter().find(|known| *known.name == *session).map(|known| known.opened)
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
            self.forget(incarnation(tenant, user, &closed.name, closed.opened));
            self.order.lock().remove(&(closed.queued, Key { tenant, user, session: closed.name }));
        }
    }

    /// Deletes the row of an incarnation that is not open, if the store has one.
    pub fn forget(&self, of: Incarnation) {
        if let Some(kept) = &self.kept {
            kept.unwritten.end(of);
        }
    }

    /// Removes every session of a user.
    pub fn close_user(&self, tenant: TenantId, user: i64) {
        let Some(closed) = self.shard(tenant, user).lock().remove(&(tenant, user)) else { return };
        for session in closed.into_iter().filter(|session| session.seconds.is_some()) {
            self.forget(incarnation(tenant, user, &session.name, session.opened));
            self.order.lock().remove(&(session.queued, Key { tenant, user, session: session.name }));
        }
    }

    /// Renews the lease of an open session by a heartbeat that was received at monotonic time `heard`.
    ///
    /// Returns the batch that it will be written with; `None` if it need not be written.
    ///
    /// [`Rejection::UnknownSession`] if the session is not open or its lease ran out, [`Rejection::OtherIncarnation`]
    /// if it was opened at another position than [`Heartbeat::opened`].
    pub fn renew(
        &self,
        tenant: TenantId,
        heartbeat: Heartbeat<'_>,
        heard: Duration,
    ) -> Result<Option<BatchNumber>, Rejection> {
        let Heartbeat { user, session, opened } = heartbeat;
        // A heartbeat may be handled before anything else noticed a pause: its time would be converted without it, and the
        // lease then be longer by the pause.
        self.note();
        let mut shard = self.shard(tenant, user).lock();
        let known = shard
            .get_mut(&(tenant, user))
            .and_then(|sessions| sessions.iter_mut().find(|known| *known.name == *session && !known.is_ending));
        let known = known.ok_or(Rejection::UnknownSession)?;
        if opened.is_some_and(|opened| opened != known.opened) {
            return Err(Rejection::OtherIncarnation);
        }
        // Handlers may process two heartbeats of a session in either order.
        known.renew(self.pauses.lease_time(heard));
        let kept = self.kept.as_ref().filter(|_| known.seconds.is_some());
        let of = kept.map(|_| incarnation(tenant, user, session, known.opened));
        drop(shard);
        Ok(kept.zip(of).map(|(kept, of)| kept.unwritten.add(of, heard)))
    }

    /// Waits until a batch of heartbeats is written. False if that takes too long.
    pub async fn until_written(&self, batch: BatchNumber) -> bool {
        match &self.kept {
            Some(kept) => kept.unwritten.until_written(batch).await,
            None => true,
        }
    }

    fn unwritten(&self) -> Option<&Unwritten> {
        self.kept.as_ref().map(|kept| &kept.unwritten)
    }

    /// Returns the monotonic time at which the engine should next call [`LeaseTable::expire`].
    pub fn next(&self) -> Option<Duration> {
        if let Some(kept) = &self.kept {
            return kept.silence.is_due().then_some(Duration::ZERO);
        }
        let deadline = self.order.lock().first().map(|(deadline, _)| *deadline)?;
        Some(self.pauses.monotonic(deadline))
    }

    /// Returns up to `limit` leases that ran out by now and marks them as ending: a later heartbeat is rejected. Where
    /// heartbeats are kept in the store, these are the leases that were found silent there as well.
    pub fn expire(&self, limit: usize) -> Vec<Incarnation> {
        // A pause that ended just now must be recorded first, or its length would count as the desks' silence.
        self.note();
        match &self.kept {
            Some(kept) => self.end_silent(&kept.silence, limit),
            None => std::iter::from_fn(|| self.next_due(true)).take(limit).collect(),
        }
    }

    /// Takes the next lease that ran out by now from the order, and marks it as ending if that is wanted. One that was
    /// renewed since it was queued goes back under its real deadline.
    fn next_due(&self, is_ending: bool) -> Option<Incarnation> {
        let now = self.pauses.lease_time(self.clock.monotonic());
        loop {
            let mut order = self.order.lock();
            let (queued, key) = order.first().filter(|(deadline, _)| *deadline <= now).cloned()?;
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
                known.queued = deadline;
                drop(shard);
                self.order.lock().insert((deadline, key));
                continue;
            }
            known.is_ending = is_ending;
            let opened = known.opened;
            drop(shard);
            return Some(Incarnation { tenant: key.tenant, user: key.user, session: key.session, opened });
        }
    }

    /// Gives every lease a full term from now, and reopens those that were ending. Called after a stretch in which
    /// heartbeats could not be received or ends of leases could not be journalled.
    pub fn restart(&self) {
        self.reopen(Some(self.pauses.lease_time(self.clock.monotonic())));
    }

    /// Reopens the leases that were ending, after a stretch in which ends could not be journalled. On the embedded store
    /// every lease gets a full term. Where heartbeats are kept, the store has what does not count.
    pub fn recover(&self) {
        match &self.kept {
            Some(_) => self.reopen(None),
            None => self.restart(),
        }
    }

    /// Reopens the leases that were ending; all leases are renewed at lease time `heard`, if one is given.
    fn reopen(&self, heard: Option<Duration>) {
        for shard in &self.shards {
            let mut queue = Vec::new();
            for ((tenant, user), sessions) in shard.lock().iter_mut() {
                for session in sessions {
                    heard.into_iter().for_each(|heard| session.renew(heard));
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

fn incarnation(tenant: TenantId, user: i64, session: &str, opened: u64) -> Incarnation {
    Incarnation { tenant, user, session: session.into(), opened }
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
        (clock.clone(), LeaseTable::new(clock, false))
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
        assert_eq!(table.renew(TENANT, heartbeat("a"), seconds(5)), Ok(None));
        assert_eq!(table.renew(TENANT, Heartbeat { opened: Some(7), ..heartbeat("c") }, seconds(5)), Ok(None));
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
        assert_eq!(table.renew(TENANT, heartbeat("a"), seconds(10)), Ok(None));
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
        assert_eq!(table.renew(TENANT, heartbeat("a"), seconds(3)), Ok(None));
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
        assert_eq!(table.renew(TENANT, heartbeat("a"), seconds(2)), Ok(None));
        clock.advance(seconds(5) - Duration::from_millis(1));
        assert_eq!(ends(&table), [] as [Box<str>; 0]);
        clock.advance(Duration::from_millis(1));
        assert_eq!(ends(&table), ["a".into()]);
    }
}
