//! The host that a request names (RFC 9112, section 3.2).

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Request, Version};

use crate::domain::Fault;

/// Returns [`Fault::Malformed`] unless the request names one host: a request that proxies could read in two ways is
/// answered in neither.
///
/// HTTP/1.1 has exactly one `Host`, which may be empty. HTTP/2 has the authority in its place, and may have an equal
/// `Host`. HTTP/1.0 needs none.
pub fn check<B>(request: &Request<B>) -> Result<(), Fault> {
    let malformed = |why: &str| Err(Fault::Malformed(format!("the Host header {why}")));
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return malformed("is given twice");
    }
    if host.is_some_and(|host| !is_host(host)) {
        return malformed("is not a host");
    }
    let authority = request.uri().authority().filter(|_| request.version() == Version::HTTP_2);
    if let (Some(authority), Some(host)) = (authority, host)
        && authority.as_str() != host
    {
        return malformed("is not the authority");
    }
    let is_named = match request.version() {
        Version::HTTP_09 | Version::HTTP_10 => true,
        Version::HTTP_11 => host.is_some(),
        _ => host.is_some() || request.uri().authority().is_some(),
    };
    if is_named { Ok(()) } else { malformed("is missing") }
}

/// Adds the authority of a request of HTTP/2 as its `Host`, where the other layers read it. One that is there stays.
pub fn add<B>(request: &mut Request<B>) {
    let authority = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    if let Some(Ok(host)) = authority
        && !request.headers().contains_key(HOST)
    {
        request.headers_mut().insert(HOST, host);
    }
}

/// Returns true for a name or an address, with or without a port, and for an empty value.
fn is_host(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    // An authority may also have a user.
    bytes.is_empty() || (!bytes.contains(&b'@') && Authority::try_from(bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(version: Version, uri: &str, hosts: &[&str]) -> Result<(), String> {
        let request = hosts.iter().fold(Request::builder().uri(uri), |request, host| request.header(HOST, *host));
        let request = request.version(version).body(()).unwrap();
        check(&request).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_request_names_one_host() {
        let error = |why: &str| Err(format!("the Host header {why}"));
        for host in ["rollcall", "rollcall.example:8080", "[::1]:8080", "127.0.0.1", ""] {
            assert_eq!(checked(Version::HTTP_11, "/livez", &[host]), Ok(()), "{host:?}");
        }
        for host in ["a b", "user@host", "http://host/", "host/path", "[::1", "höst"] {
            assert_eq!(checked(Version::HTTP_11, "/livez", &[host]), error("is not a host"), "{host:?}");
        }
        assert_eq!(checked(Version::HTTP_11, "/livez", &[]), error("is missing"));
        assert_eq!(checked(Version::HTTP_11, "http://rollcall/livez", &[]), error("is missing"));
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            assert_eq!(checked(version, "http://a/", &["a", "a"]), error("is given twice"), "{version:?}");
        }
        assert_eq!(checked(Version::HTTP_10, "/livez", &[]), Ok(()));
        assert_eq!(checked(Version::HTTP_2, "http://rollcall/livez", &[]), Ok(()));
        assert_eq!(checked(Version::HTTP_2, "/livez", &[]), error("is missing"));
        assert_eq!(checked(Version::HTTP_2, "http://rollcall/livez", &["rollcall"]), Ok(()));
        assert_eq!(checked(Version::HTTP_2, "http://rollcall/livez", &["other"]), error("is not the authority"));
        // A proxy sends its own form, and HTTP/1.1 takes the header (RFC 9112, section 3.2.2, is for the sender).
        assert_eq!(checked(Version::HTTP_11, "http://rollcall/livez", &["other"]), Ok(()));
    }

    #[test]
    fn the_authority_stands_for_the_host() {
        let mut request =
            Request::builder().version(Version::HTTP_2).uri("http://rollcall:8080/livez").body(()).unwrap();
        add(&mut request);
        assert_eq!(request.headers()[HOST], "rollcall:8080");
        request.headers_mut().insert(HOST, HeaderValue::from_static("other"));
        add(&mut request);
        assert_eq!(request.headers()[HOST], "other");
        let mut request = Request::builder().uri("http://user@rollcall/").version(Version::HTTP_2).body(()).unwrap();
        add(&mut request);
        assert_eq!(
            check(&request).map_err(|fault| fault.to_string()),
            Err(String::from("the Host header is not a host"))
        );
    }
}
