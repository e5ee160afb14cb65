//! The request at hand: where it came from, and its place among those of its tenant, which it has until it is answered.
//!
//! Handlers learn who asks in the middle of their work, each dialect in its own way; what they find out has to outlive
//! that call, and to end with the request however that ends. So it belongs to the request's own future.

use std::cell::OnceCell;
use std::future::Future;

use super::extract::Peer;
use crate::auth::Place;
use crate::domain::Fault;

tokio::task_local! {
    static ASKING: Asking;
}

struct Asking {
    peer: Peer,
    place: OnceCell<Place>,
}

/// Answers one request. Its place is given back when the answer is there, or when its client went away before.
pub async fn answer<F: Future>(peer: Peer, answering: F) -> F::Output {
    ASKING.scope(Asking { peer, place: OnceCell::new() }, answering).await
}

/// Where the request came from, if this is one.
pub fn peer() -> Option<Peer> {
    ASKING.try_with(|asking| asking.peer).ok()
}

/// Takes a place for the request, unless it has one: however often it asks who asks, it counts once.
pub fn take_place(take: impl FnOnce() -> Result<Place, Fault>) -> Result<(), Fault> {
    match ASKING.try_with(|asking| asking.place.get().is_some()) {
        Ok(true) => Ok(()),
        Ok(false) => {
            let place = take()?;
            ASKING.with(|asking| drop(asking.place.set(place)));
            Ok(())
        }
        // Outside of a request there is nothing that a place could last for.
        Err(_) => take().map(drop),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::auth::{TenantLimits, Traffic};
    use crate::clock::Clock;
    use crate::domain::{TenantId, Time};

    #[tokio::test]
    async fn a_request_has_one_place_until_it_is_answered() {
        let limits = TenantLimits { rate: 0, at_a_time: 1 };
        let traffic = Traffic::new(limits, &Clock::manual(Time::from_micros(0)));
        let enter = || take_place(|| traffic.enter(TenantId(uuid::Uuid::nil())));
        let home = Peer(Ipv4Addr::LOCALHOST.into());
        let within = answer(home, async {
            assert_eq!(peer(), Some(home));
            assert_eq!((enter(), enter()), (Ok(()), Ok(())));
            // Another one finds none.
            assert!(answer(home, async { enter() }).await.is_err());
        });
        within.await;
        assert_eq!(answer(home, async { enter() }).await, Ok(()));
        // One that is given up gives it back as well.
        let given_up = answer(home, async {
            enter().unwrap();
            std::future::pending::<()>().await;
        });
        let _given_up = tokio::time::timeout(std::time::Duration::from_millis(1), given_up).await;
        assert_eq!(answer(home, async { enter() }).await, Ok(()));
    }
}
