//! Where a request came from.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::Extensions;

/// The address at the other end of the connection, which the accept loop puts into every request. Behind a proxy it is
/// the proxy's: headers that name another are anybody's to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// That of a request; all that come by another way than the accept loop are one somebody.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or(Peer(Ipv4Addr::UNSPECIFIED.into()))
    }
}
