//! Trusted proxies, and the address of the client that they name (docs/decisions/0071-trusted-proxies.md).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// A network of proxies, such as `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl FromStr for Network {
    type Err = &'static str;

    /// Accepts an address, or an address with the length of its prefix. Bits behind the prefix must be 0: a mistyped
    /// length would otherwise trust other networks than the one that is meant.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "a network is an address, such as 10.1.2.3, or one with the length of its prefix and no \
                              bits behind it, such as 10.0.0.0/8 or 2001:db8::/32";
        let net: IpNet = match text.parse::<IpAddr>() {
            Ok(address) => address.into(),
            Err(_) => text.parse().map_err(|_| WANTED)?,
        };
        if net.addr() == net.network() { Ok(Network(canonical(net))) } else { Err(WANTED) }
    }
}

/// Returns a network of mapped addresses as the IPv4 network, as addresses are compared.
fn canonical(net: IpNet) -> IpNet {
    let mapped = |net: ipnet::Ipv6Net| {
        let length = net.prefix_len().checked_sub(96)?;
        Ipv4Net::new(net.addr().to_ipv4_mapped()?, length).ok()
    };
    match net {
        IpNet::V6(net) => mapped(net).map_or(IpNet::V6(net), IpNet::V4),
        IpNet::V4(net) => IpNet::V4(net),
    }
}

/// The header in which the proxies name the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientHeader {
    /// `X-Forwarded-For`: addresses with commas between them.
    XForwardedFor,
    /// `Forwarded` (RFC 7239): elements with `for=`.
    Forwarded,
}

impl ClientHeader {
    /// The name of the header, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            ClientHeader::XForwardedFor => "x-forwarded-for",
            ClientHeader::Forwarded => "forwarded",
        }
    }
}

/// The proxies that are trusted to name the client, and the one header that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies {
    /// The networks of the proxies.
    pub networks: Vec<Network>,
    /// The header.
    pub header: ClientHeader,
}

impl TrustedProxies {
    /// Returns the address of the client of a request that came from `peer`. Its header has these lines, in order.
    ///
    /// Each proxy appends the address that it was connected from, so the list is read from its end: the first address
    /// that is no trusted proxy's is the client's, and what is before it was written by the client. If all are proxies,
    /// it is the first of the list. The peer's own address if it is no trusted proxy, and if the list is malformed
    /// before the client's address is found.
    pub fn client<'a>(&self, peer: IpAddr, lines: impl DoubleEndedIterator<Item = &'a [u8]>) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let mut client = peer;
        for line in lines.rev() {
            let Ok(line) = std::str::from_utf8(line) else { return peer };
            let mut rest = Some(line);
            while let Some(list) = rest {
                let (before, element) = self.header.split_last(list);
                rest = before;
                // An empty element is none (RFC 9110, section 5.6.1).
                if element.trim().is_empty() {
                    continue;
                }
                let Some(address) = self.header.address(element.trim()) else { return peer };
                client = address.to_canonical();
                if !self.trusts(client) {
                    return client;
                }
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.0.contains(&address))
    }
}

impl ClientHeader {
    /// Splits the last element from a list; the rest is `None` if there is no other.
    ///
    /// The list is read from its end, so that what a client wrote before a proxy appended to it cannot change how the
    /// proxy's part is read, such as by a quotation mark that is not closed.
    fn split_last(self, list: &str) -> (Option<&str>, &str) {
        let mut is_quoted = false;
        for (at, byte) in list.bytes().enumerate().rev() {
            match byte {
                b'"' if self == ClientHeader::Forwarded && !is_escaped(list, at) => is_quoted = !is_quoted,
                b',' if !is_quoted => return (Some(&list[..at]), &list[at + 1..]),
                _ => {}
            }
        }
        (None, list)
    }

    /// Returns the address that an element names. `None` if there is none, such as for `unknown`.
    fn address(self, element: &str) -> Option<IpAddr> {
        match self {
            ClientHeader::XForwardedFor => node(element),
            ClientHeader::Forwarded => {
                let mut found = None;
                for pair in pairs(element)? {
                    let (name, value) = pair.trim().split_once('=')?;
                    if name.eq_ignore_ascii_case("for") {
                        if found.is_some() {
                            return None;
                        }
                        found = Some(node(unquoted(value)?)?);
                    }
                }
                found
            }
        }
    }
}

/// Returns true if the quotation mark at `at` is escaped by a backslash that is not escaped itself.
fn is_escaped(text: &str, at: usize) -> bool {
    text.as_bytes()[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Splits an element of `Forwarded` at the semicolons outside of quotation marks. `None` if a mark is not closed.
fn pairs(element: &str) -> Option<Vec<&str>> {
    let (mut pairs, mut begin, mut is_quoted) = (Vec::new(), 0, false);
    for (at, byte) in element.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped(element, at) => is_quoted = !is_quoted,
            b';' if !is_quoted => {
                pairs.push(&element[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    pairs.push(&element[begin..]);
    (!is_quoted).then_some(pairs)
}

/// Returns a value without its quotation marks. `None` for marks elsewhere, and for escapes, which no address needs.
fn unquoted(value: &str) -> Option<&str> {
    let inner = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    (!inner.contains(['"', '\\'])).then_some(inner)
}

/// Parses an address, possibly with a port; one of IPv6 with a port is in brackets, and may be without one.
fn node(text: &str) -> Option<IpAddr> {
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(|| in_brackets().map(IpAddr::from)).or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(header: ClientHeader) -> TrustedProxies {
        let networks = ["10.0.0.0/8", "192.0.2.1", "2001:db8:1::/48", "::ffff:172.16.0.0/108"];
        TrustedProxies { networks: networks.map(|text| text.parse().unwrap()).into(), header }
    }

    fn client(header: ClientHeader, peer: &str, lines: &[&str]) -> String {
        let lines = lines.iter().map(|line| line.as_bytes());
        proxies(header).client(peer.parse().unwrap(), lines).to_string()
    }

    #[test]
    fn networks_are_exact() {
        for good in ["10.0.0.0/8", "10.1.2.3", "0.0.0.0/0", "::1", "2001:db8::/32", "::/0", "::ffff:10.0.0.0/104"] {
            assert!(good.parse::<Network>().is_ok(), "{good}");
        }
        for bad in ["", "*", "10.0.0.1/8", "10.0.0.0/33", "10.0.0", "proxy.example", "2001:db8::1/32", "10.0.0.0/8 "] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        assert_eq!("::ffff:10.0.0.0/104".parse::<Network>(), "10.0.0.0/8".parse());
    }

    #[test]
    fn only_a_trusted_peer_names_the_client() {
        let of = |peer, lines: &[&str]| client(ClientHeader::XForwardedFor, peer, lines);
        assert_eq!(of("203.0.113.9", &["198.51.100.7"]), "203.0.113.9");
        assert_eq!(of("2001:db8:2::1", &["198.51.100.7"]), "2001:db8:2::1");
        assert_eq!(of("::ffff:203.0.113.9", &["198.51.100.7"]), "203.0.113.9");
        for peer in ["10.1.2.3", "192.0.2.1", "2001:db8:1::9", "172.16.5.5", "::ffff:10.1.2.3"] {
            assert_eq!(of(peer, &["198.51.100.7"]), "198.51.100.7", "{peer}");
        }
        assert_eq!(of("192.0.2.2", &["198.51.100.7"]), "192.0.2.2");
        assert_eq!(of("10.1.2.3", &[]), "10.1.2.3");
    }

    #[test]
    fn the_last_address_that_is_no_proxys_is_the_clients() {
        let of = |lines: &[&str]| client(ClientHeader::XForwardedFor, "10.1.2.3", lines);
        assert_eq!(of(&["198.51.100.1, 198.51.100.7"]), "198.51.100.7", "the client wrote the first");
        assert_eq!(of(&["198.51.100.1, 198.51.100.7,10.9.9.9 , 2001:db8:1::7"]), "198.51.100.7");
        assert_eq!(of(&["198.51.100.1", "198.51.100.7", "10.9.9.9"]), "198.51.100.7", "several lines");
        assert_eq!(of(&["198.51.100.7", "", " , ,"]), "198.51.100.7", "empty elements");
        assert_eq!(of(&["10.7.7.7, 10.8.8.8"]), "10.7.7.7", "a client inside of the network");
        assert_eq!(of(&["2001:db8:9::5"]), "2001:db8:9::5");
        assert_eq!(of(&["::ffff:198.51.100.7"]), "198.51.100.7");
        assert_eq!(of(&["198.51.100.7, ::ffff:10.9.9.9"]), "198.51.100.7");
        for with_port in ["198.51.100.7:4711", "[2001:db8:9::5]:4711", "[2001:db8:9::5]"] {
            assert!(["198.51.100.7", "2001:db8:9::5"].contains(&of(&[with_port]).as_str()), "{with_port}");
        }
    }

    #[test]
    fn a_malformed_list_names_the_peer() {
        let of = |lines: &[&str]| client(ClientHeader::XForwardedFor, "10.1.2.3", lines);
        for last in ["unknown", "x", "198.51.100", "198.51.100.7:port", "fe80::1%eth0", "\"198.51.100.7\"", "1", "a b"]
        {
            assert_eq!(of(&[&format!("198.51.100.7, {last}")]), "10.1.2.3", "{last}");
            assert_eq!(of(&[&format!("198.51.100.1, {last}, 10.9.9.9")]), "10.1.2.3", "{last}");
            assert_eq!(of(&[&format!("{last}, 198.51.100.7")]), "198.51.100.7", "what a client writes is not read");
        }
        let lines = [&b"\xff"[..]];
        let peer = "10.1.2.3".parse().unwrap();
        assert_eq!(proxies(ClientHeader::XForwardedFor).client(peer, lines.into_iter()), peer);
    }

    #[test]
    fn forwarded_is_read_with_its_quotation_marks() {
        let of = |lines: &[&str]| client(ClientHeader::Forwarded, "10.1.2.3", lines);
        for (line, found) in [
            ("for=198.51.100.7", "198.51.100.7"),
            ("For=198.51.100.7;proto=https;by=10.1.2.3", "198.51.100.7"),
            ("proto=http; for=\"198.51.100.7:4711\" ;host=\"a;b, c\"", "198.51.100.7"),
            ("for=\"[2001:db8:9::5]:4711\"", "2001:db8:9::5"),
            ("for=\"[2001:db8:9::5]\"", "2001:db8:9::5"),
            ("for=198.51.100.1, for=198.51.100.7;host=\"x\\\", for=198.51.100.2\"", "198.51.100.7"),
            ("for=198.51.100.7, for=\"[2001:db8:1::7]\", for=10.9.9.9", "198.51.100.7"),
            ("for=\", for=198.51.100.7", "198.51.100.7"),
            ("for=\"198.51.100.1, for=198.51.100.7", "198.51.100.7"),
            ("for=unknown, for=198.51.100.7", "198.51.100.7"),
        ] {
            assert_eq!(of(&[line]), found, "{line}");
        }
        assert_eq!(of(&["for=198.51.100.1", "for=198.51.100.7", "for=10.9.9.9"]), "198.51.100.7");
        for line in [
            "for=unknown",
            "for=_hidden",
            "for=",
            "for",
            "198.51.100.7",
            "proto=https",
            "for=198.51.100.7;for=198.51.100.8",
            "for=\"198.51.100.7",
            "for=198.51.100.7\"",
            "for=\"198.51.100\\.7\"",
            "for=198.51.100.7;host",
            "for =198.51.100.7",
        ] {
            assert_eq!(of(&[line]), "10.1.2.3", "{line}");
        }
    }
}
