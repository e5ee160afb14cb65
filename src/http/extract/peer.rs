//! The address that a request came from.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::Extensions;

/// The address that a request came from; the accept loop attaches it to every request. It is that of the other end of
/// the connection or, if that is a trusted proxy (docs/decisions/0071-trusted-proxies.md), the one that the proxy
/// names. Without such a proxy no header is read, since any client can set them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// Returns the address of a request, or 0.0.0.0 if the request did not pass the accept loop.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or(Peer(Ipv4Addr::UNSPECIFIED.into()))
    }
}
