//! The numbers of live sockets and operations of each tenant, and of sockets that have not shown a credential yet.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use metrics::gauge;
use parking_lot::Mutex;

use crate::domain::{Fault, TenantId};
use crate::limits::throttle::network;

/// Most live sockets of one tenant; connections over SSE count as well.
pub const MAX_SOCKETS: usize = 1_000;
/// Most operations of one tenant.
pub const MAX_OPERATIONS: usize = 4_000;
/// Most sockets without a credential from one network.
pub const MAX_UNAUTHENTICATED_A_NETWORK: usize = 100;
/// Most sockets without a credential in all.
pub const MAX_UNAUTHENTICATED: usize = 1_000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Counted {
    Socket(TenantId),
    Operation(TenantId),
    Unauthenticated(Option<IpAddr>),
}

impl Counted {
    const fn most(self) -> usize {
        match self {
            Counted::Socket(_) => MAX_SOCKETS,
            Counted::Operation(_) => MAX_OPERATIONS,
            Counted::Unauthenticated(Some(_)) => MAX_UNAUTHENTICATED_A_NETWORK,
            Counted::Unauthenticated(None) => MAX_UNAUTHENTICATED,
        }
    }

    /// Changes the metric of what is counted.
    fn measure(self, by: f64) {
        match self {
            Counted::Socket(_) => gauge!("rollcall_live_sockets").increment(by),
            Counted::Operation(_) => gauge!("rollcall_live_operations").increment(by),
            Counted::Unauthenticated(_) => {}
        }
    }
}

/// All numbers. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Permits(Arc<Mutex<HashMap<Counted, usize>>>);

/// One of what is counted, until it is dropped.
#[derive(Debug)]
pub struct LivePermit {
    permits: Permits,
    counted: Counted,
}

impl Permits {
    /// Counts a socket of a tenant; [`Fault::TooMany`] above [`MAX_SOCKETS`].
    pub fn socket(&self, tenant: TenantId) -> Result<LivePermit, Fault> {
        self.take(Counted::Socket(tenant)).ok_or(Fault::TooMany { seconds: 1 })
    }

    /// Counts an operation of a tenant; [`Fault::TooMany`] above [`MAX_OPERATIONS`].
    pub fn operation(&self, tenant: TenantId) -> Result<LivePermit, Fault> {
        self.take(Counted::Operation(tenant)).ok_or(Fault::TooMany { seconds: 1 })
    }

    /// Counts a socket without a credential, for its network and among all. [`Fault::TooMany`] above
    /// [`MAX_UNAUTHENTICATED_A_NETWORK`], [`Fault::Unavailable`] above [`MAX_UNAUTHENTICATED`].
    pub fn unauthenticated(&self, from: IpAddr) -> Result<[LivePermit; 2], Fault> {
        let too_many = Fault::TooMany { seconds: 1 };
        let of_network = self.take(Counted::Unauthenticated(Some(network(from)))).ok_or(too_many)?;
        let of_all = self.take(Counted::Unauthenticated(None));
        Ok([of_network, of_all.ok_or(Fault::Unavailable("too many sockets without a credential"))?])
    }

    fn take(&self, counted: Counted) -> Option<LivePermit> {
        let mut numbers = self.0.lock();
        let number = numbers.entry(counted).or_default();
        if *number >= counted.most() {
            return None;
        }
        *number += 1;
        counted.measure(1.0);
        Some(LivePermit { permits: self.clone(), counted })
    }
}

impl Drop for LivePermit {
    fn drop(&mut self) {
        let mut numbers = self.permits.0.lock();
        if let Some(number) = numbers.get_mut(&self.counted) {
            *number -= 1;
            if *number == 0 {
                numbers.remove(&self.counted);
            }
        }
        self.counted.measure(-1.0);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_tenant_and_each_network_has_its_numbers() {
        let permits = Permits::default();
        let [ours, theirs] = [1, 2].map(|n| TenantId(Uuid::from_u128(n)));
        let held: Vec<_> = std::iter::from_fn(|| permits.socket(ours).ok()).collect();
        assert_eq!((held.len(), permits.socket(theirs).is_ok(), permits.operation(ours).is_ok()), (1_000, true, true));
        let held: Vec<_> = std::iter::from_fn(|| permits.operation(ours).ok()).collect();
        assert_eq!(held.len(), 4_000);
        drop(held);
        assert!(permits.operation(ours).is_ok());
        let address = |n: u8| IpAddr::from([192, 0, 2, n]);
        let mut held: Vec<_> = std::iter::from_fn(|| permits.unauthenticated(address(1)).ok()).collect();
        assert_eq!(held.len(), 100);
        assert_eq!(permits.unauthenticated(address(1)).unwrap_err(), Fault::TooMany { seconds: 1 });
        for n in 2..=20 {
            held.extend(std::iter::from_fn(|| permits.unauthenticated(address(n)).ok()));
        }
        assert_eq!(held.len(), 1_000);
        assert!(matches!(permits.unauthenticated(address(30)), Err(Fault::Unavailable(_))));
        drop(held);
        assert!(permits.unauthenticated(address(1)).is_ok());
        assert_eq!(permits.0.lock().len(), 1, "the sockets of the first tenant");
    }
}
