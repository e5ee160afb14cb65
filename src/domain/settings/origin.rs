//! Origins of pages that may call the API from a browser.

use std::net::Ipv6Addr;
use std::str::FromStr;

/// An origin as browsers send it: `https://desk.example.com`, with a port unless it is the scheme's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// The text, in visible ASCII.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = &'static str;

    /// Accepts only the exact form that browsers send. Near misses are rejected rather than corrected, since they would
    /// silently match no browser.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "an origin is http:// or https:// and a lower-case host, with a port unless it is the \
                              scheme's default, and nothing else; wildcards are not supported";
        let (scheme, authority) = text.split_once("://").ok_or(WANTED)?;
        let usual = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(WANTED),
        };
        // The colons of an IPv6 address are within brackets.
        let after_address = authority.rfind(']').unwrap_or(0);
        let (host, port) = match authority[after_address..].find(':') {
            Some(at) => (&authority[..after_address + at], Some(&authority[after_address + at + 1..])),
            None => (authority, None),
        };
        let is_good = is_host(host) && port.is_none_or(|port| is_port(port, usual));
        if is_good { Ok(Origin(text.to_owned())) } else { Err(WANTED) }
    }
}

/// Returns true for an IPv6 address in brackets, or a name or IPv4 address of characters that RFC 3986 allows in a host.
/// Upper-case letters, `*` and `%` are excluded: browsers send no host with them.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok() && !address.bytes().any(|b| b.is_ascii_uppercase());
    }
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!$&'()+,-.;=_~".contains(&b);
    !host.is_empty() && host.bytes().all(is_allowed)
}

/// Returns true for a port in the usual notation that is not the scheme's default.
fn is_port(port: &str, usual: u16) -> bool {
    port.parse::<u16>().is_ok_and(|number| number != usual && number.to_string() == port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_exact() {
        for good in ["https://desk.example.com", "http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]:1"] {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        let bad =
            ["", "*", "null", "desk.example.com", "https://", "https://*", "https://*.example.com", "ftp://a.example"];
        let worse =
            ["https://a.example/", "https://a.example/x", "https://A.example", "https://a.example:443", "http://a:80"];
        let worst =
            ["https://a.example,https://b.example", "https://u@a.example", "https://a.example:x", "https://a b"];
        let ports = ["http://a:", "http://a:080", "http://a:+1", "http://a:65536", "http://a:1:2", "http://[::1]:80"];
        let addresses = ["http://[]", "http://[::1", "http://[::1]x", "http://[::A]", "http://a[::1]", "http://[x]"];
        for bad in bad.into_iter().chain(worse).chain(worst).chain(ports).chain(addresses) {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
