//! The address that a request came from.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::Extensions;

/// The address at the other end of the connection; the accept loop attaches it to every request. Behind a proxy it is
/// the proxy's: headers such as `X-Forwarded-For` are not read, since any client can set them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// Returns the address of a request, or 0.0.0.0 if the request did not pass the accept loop.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or(Peer(Ipv4Addr::UNSPECIFIED.into()))
    }
}
