//! The turns of TLS handshakes: one at a time, for the networks in turn.
//!
//! The processor time of each handshake is charged to its network, which may take a quarter of a core without being in
//! debt. Networks without debt come first: of these, networks that have shown a valid credential before the others, and
//! then the one with the newest handshake. Networks in debt follow, the smallest debt first. So a flood from one network
//! delays only its own handshakes, and a flood from many networks delays those of the flood itself and of clients that
//! are new here.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::clock::Clock;

/// Longest time that a handshake waits for its turn. Then the connection is closed: its client has given up, or will try
/// again.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time in which a network pays for one unit of processor time: it may take a quarter of a core without debt.
const REPAYMENT: u32 = 4;
/// The largest debt, as the time until it is paid, so that a past flood is forgotten soon.
const MOST_DEBT: Duration = Duration::from_secs(10);
/// Networks with a valid credential that are remembered.
const KNOWN_NETWORKS: usize = 10_000;
/// Time for which they are remembered.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 3_600);

/// The handshakes that wait for their turn. There are no more than connections. A clone shares them.
#[derive(Clone, Debug)]
pub struct Handshakes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    state: Mutex<State>,
}

/// The turn of one handshake. Dropping it grants the next.
#[derive(Debug)]
pub struct HandshakePermit {
    handshakes: Handshakes,
    network: IpAddr,
    took: Duration,
}

#[derive(Debug, Default)]
struct State {
    is_running: bool,
    last_id: u64,
    lanes: HashMap<IpAddr, Lane>,
    /// The networks without debt that have a waiting handshake; the first one is next.
    ready: BTreeSet<Ready>,
    /// The networks in debt that have a waiting handshake, by the time at which the debt is paid.
    in_debt: BTreeSet<(Duration, IpAddr)>,
    /// The networks that have shown a valid credential, and the monotonic time of the newest one.
    known: HashMap<IpAddr, Duration>,
}

/// One network's handshakes.
#[derive(Debug, Default)]
struct Lane {
    /// The monotonic time at which the network's debt is paid.
    paid_at: Duration,
    /// The waiting handshakes by id, which ascends with time.
    waiting: BTreeMap<u64, oneshot::Sender<HandshakePermit>>,
}

/// The place of a network without debt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ready {
    is_unknown: bool,
    newest: Reverse<u64>,
    network: IpAddr,
}

/// The waiting side of a handshake. Dropping it leaves the order.
struct Waiting<'h> {
    handshakes: &'h Handshakes,
    network: IpAddr,
    id: u64,
    granted: oneshot::Receiver<HandshakePermit>,
}

impl Handshakes {
    /// Makes an empty order.
    pub fn new(clock: &Clock) -> Self {
        Handshakes(Arc::new(Inner { clock: clock.clone(), state: Mutex::default() }))
    }

    /// Returns the clock by which debts are paid.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Waits for the turn of a handshake from a network. `None` after [`WAIT_TIMEOUT`].
    pub async fn turn(&self, network: IpAddr) -> Option<HandshakePermit> {
        self.turn_within(network, WAIT_TIMEOUT).await
    }

    /// Notes that a client of a network has shown a valid credential.
    pub fn has_credential(&self, network: IpAddr) {
        let now = self.0.clock.monotonic();
        let mut state = self.0.state.lock();
        if state.known.len() >= KNOWN_NETWORKS {
            state.known.retain(|_, since| *since + KNOWN_FOR > now);
        }
        if state.known.len() < KNOWN_NETWORKS || state.known.contains_key(&network) {
            state.known.insert(network, now);
        }
    }

    async fn turn_within(&self, network: IpAddr, timeout: Duration) -> Option<HandshakePermit> {
        match self.join(network) {
            Ok(permit) => Some(permit),
            Err(mut waiting) => tokio::time::timeout(timeout, &mut waiting.granted).await.ok()?.ok(),
        }
    }

    /// Takes the turn if no handshake is running, or joins those that wait.
    fn join(&self, network: IpAddr) -> Result<HandshakePermit, Waiting<'_>> {
        let now = self.0.clock.monotonic();
        let mut state = self.0.state.lock();
        if !state.is_running {
            // Then none waits either.
            state.is_running = true;
            return Ok(self.permit(network));
        }
        let (grant, granted) = oneshot::channel();
        state.last_id += 1;
        let id = state.last_id;
        state.leave_order(network);
        state.lanes.entry(network).or_default().waiting.insert(id, grant);
        state.enter_order(network, now);
        Err(Waiting { handshakes: self, network, id, granted })
    }

    fn permit(&self, network: IpAddr) -> HandshakePermit {
        HandshakePermit { handshakes: self.clone(), network, took: Duration::ZERO }
    }
}

impl HandshakePermit {
    /// Charges processor time to the network when the turn ends.
    pub fn charge(&mut self, took: Duration) {
        self.took += took;
    }
}

impl State {
    fn place(&self, network: IpAddr) -> Option<(Ready, (Duration, IpAddr))> {
        let lane = self.lanes.get(&network)?;
        let (newest, _) = lane.waiting.last_key_value()?;
        let is_unknown = !self.known.contains_key(&network);
        Some((Ready { is_unknown, newest: Reverse(*newest), network }, (lane.paid_at, network)))
    }

    /// Takes a network out of the order, before its lane changes.
    fn leave_order(&mut self, network: IpAddr) {
        if let Some((ready, debt)) = self.place(network) {
            self.ready.remove(&ready);
            // It may have become known since.
            self.ready.remove(&Ready { is_unknown: !ready.is_unknown, ..ready });
            self.in_debt.remove(&debt);
        }
    }

    /// Puts a network into the order if a handshake of it waits. Forgets a network that has neither those nor debt.
    fn enter_order(&mut self, network: IpAddr, now: Duration) {
        let Some((ready, debt)) = self.place(network) else {
            if self.lanes.get(&network).is_some_and(|lane| lane.paid_at <= now) {
                self.lanes.remove(&network);
            }
            return;
        };
        if debt.0 > now {
            self.in_debt.insert(debt);
        } else {
            self.ready.insert(ready);
        }
    }

    /// Ends a turn of a network. Removes and returns the next handshake.
    fn next(
        &mut self,
        network: IpAddr,
        took: Duration,
        now: Duration,
    ) -> Option<(IpAddr, oneshot::Sender<HandshakePermit>)> {
        self.leave_order(network);
        let lane = self.lanes.entry(network).or_default();
        lane.paid_at = (lane.paid_at.max(now) + took * REPAYMENT).min(now + MOST_DEBT);
        self.enter_order(network, now);
        while let Some((_, network)) = self.in_debt.first().copied().filter(|(paid_at, _)| *paid_at <= now) {
            self.leave_order(network);
            self.enter_order(network, now);
        }
        let ready = self.ready.first().map(|ready| ready.network);
        let Some(network) = ready.or_else(|| self.in_debt.first().map(|(_, network)| *network)) else {
            // No network competes with those in debt.
            self.lanes.clear();
            self.is_running = false;
            return None;
        };
        if self.lanes.len() > 2 * (self.ready.len() + self.in_debt.len()) + KNOWN_NETWORKS {
            self.lanes.retain(|_, lane| !lane.waiting.is_empty() || lane.paid_at > now);
        }
        self.leave_order(network);
        let (_, grant) = self.lanes.get_mut(&network)?.waiting.pop_last()?;
        self.enter_order(network, now);
        Some((network, grant))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let now = self.handshakes.0.clock.monotonic();
        let mut state = self.handshakes.0.state.lock();
        state.leave_order(self.network);
        if let Some(lane) = state.lanes.get_mut(&self.network) {
            lane.waiting.remove(&self.id);
        }
        state.enter_order(self.network, now);
    }
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        let Inner { clock, state } = &*self.handshakes.0;
        let now = clock.monotonic();
        let next = state.lock().next(self.network, self.took, now);
        if let Some((network, grant)) = next {
            // Sent outside of the lock: if the handshake was dropped meanwhile, so is the permit, which comes here again.
            let _received = grant.send(self.handshakes.permit(network));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    fn network(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn stage() -> (Clock, Handshakes) {
        let clock = Clock::manual(Time::from_micros(0));
        (clock.clone(), Handshakes::new(&clock))
    }

    fn waiting(handshakes: &Handshakes, last: u8) -> Waiting<'_> {
        handshakes.join(network(last)).expect_err("another is running")
    }

    /// Ends turns that take 1 ms each until none waits; returns the ids in the order of their turns.
    fn order(clock: &Clock, mut permit: HandshakePermit, mut all: Vec<Waiting<'_>>) -> Vec<u64> {
        let mut served = Vec::new();
        loop {
            clock.advance(Duration::from_millis(1));
            permit.charge(Duration::from_millis(1));
            drop(permit);
            let granted = all.iter_mut().enumerate().find_map(|(n, one)| Some((n, one.granted.try_recv().ok()?)));
            let Some((n, next)) = granted else { return served };
            served.push(all.remove(n).id);
            permit = next;
        }
    }

    #[test]
    fn a_flood_from_one_network_delays_another_by_one_handshake() {
        let (clock, handshakes) = stage();
        let first = handshakes.join(network(1)).ok().unwrap();
        let all = [1, 2, 1, 1, 1].map(|last| waiting(&handshakes, last)).into();
        assert_eq!(order(&clock, first, all), [2, 5, 4, 3, 1]);
        let state = handshakes.0.state.lock();
        assert!(state.lanes.is_empty() && state.ready.is_empty() && state.in_debt.is_empty() && !state.is_running);
    }

    #[test]
    fn networks_take_turns_by_the_time_that_they_took() {
        let (clock, handshakes) = stage();
        let first = handshakes.join(network(1)).ok().unwrap();
        let all = [1, 1, 2, 2, 3, 3].map(|last| waiting(&handshakes, last)).into();
        assert_eq!(order(&clock, first, all), [6, 4, 2, 5, 3, 1]);
    }

    #[test]
    fn of_many_new_networks_the_newest_is_next_unless_one_is_known() {
        let (clock, handshakes) = stage();
        let mut permit = handshakes.join(network(0)).ok().unwrap();
        let mut flood: Vec<_> = (1..=250).map(|last| waiting(&handshakes, last)).collect();
        for _ in 0..100 {
            permit.charge(Duration::from_millis(1));
            clock.advance(Duration::from_millis(1));
            drop(permit);
            permit = flood.iter_mut().find_map(|one| one.granted.try_recv().ok()).unwrap();
        }
        handshakes.has_credential(network(254));
        let (mut known, mut new) = (waiting(&handshakes, 254), waiting(&handshakes, 255));
        drop(permit);
        let permit = known.granted.try_recv().unwrap();
        drop(permit);
        assert!(new.granted.try_recv().is_ok());
    }

    #[test]
    fn a_network_that_takes_less_than_its_share_is_not_in_debt() {
        let (clock, handshakes) = stage();
        let mut permit = handshakes.join(network(0)).ok().unwrap();
        permit.charge(Duration::from_millis(1));
        let _flood: Vec<_> = (1..=250).map(|last| waiting(&handshakes, last)).collect();
        drop(permit);
        clock.advance(Duration::from_millis(4));
        let mut again = waiting(&handshakes, 0);
        drop(_flood);
        assert!(again.granted.try_recv().is_ok());
    }

    #[tokio::test]
    async fn a_handshake_waits_for_a_limited_time() {
        let (_, handshakes) = stage();
        let first = handshakes.turn(network(1)).await.unwrap();
        assert!(handshakes.turn_within(network(2), Duration::from_millis(20)).await.is_none());
        assert!(handshakes.0.state.lock().ready.is_empty());
        drop(first);
        assert!(handshakes.turn(network(2)).await.is_some());
    }

    #[test]
    fn a_dropped_handshake_passes_its_turn_on() {
        let (_, handshakes) = stage();
        let first = handshakes.join(network(1)).ok().unwrap();
        let [one, two, mut three] = [1, 2, 3].map(|last| waiting(&handshakes, last));
        drop(two);
        drop(first);
        assert!(three.granted.try_recv().is_ok_and(|permit| permit.network == network(3)));
        drop(one);
        assert!(!handshakes.0.state.lock().is_running);
    }
}
