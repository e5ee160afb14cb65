//! Reads credentials from the headers in which the dialects carry them.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::prelude::{BASE64_STANDARD, Engine};

/// Returns the token of `Authorization: Bearer <token>`, or of `Authorization: <token>` as in some of the vendors'
/// examples. The scheme is case-insensitive.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    token(headers.get(AUTHORIZATION)?.to_str().ok()?)
}

/// Returns the token of a value of `Authorization`, as [`bearer`].
pub fn token(value: &str) -> Option<&str> {
    let value = value.trim();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim()),
        Some(_) => None,
        None if value.eq_ignore_ascii_case("bearer") => None,
        None => Some(value),
    }
}

/// Returns the value of `X-API-Key`.
pub fn api_key(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-api-key")?.to_str().ok()
}

/// Returns the user name of `Authorization: Basic`, whatever the password.
pub fn basic_user(headers: &HeaderMap) -> Option<String> {
    basic(headers).map(|(user, _)| user)
}

/// Returns the user name and the password of `Authorization: Basic`; without a colon the password is empty.
pub fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':').unwrap_or((&text, ""));
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn with(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))])
    }

    #[test]
    fn bearer_tokens_are_read_with_and_without_the_scheme() {
        assert_eq!(bearer(&with("Bearer abc")), Some("abc"));
        assert_eq!(bearer(&with("bearer  abc ")), Some("abc"));
        assert_eq!(bearer(&with("abc")), Some("abc"));
        assert_eq!(bearer(&with("Bearer")), None);
        assert_eq!(bearer(&with("Basic abc")), None);
    }

    #[test]
    fn basic_credentials_are_decoded() {
        assert_eq!(basic_user(&with("Basic a2V5OnB3")), Some(String::from("key")));
        assert_eq!(basic_user(&with("basic a2V5Og==")), Some(String::from("key")));
        assert_eq!(basic_user(&with("Basic ???")), None);
        assert_eq!(basic(&with("Basic a2V5OnB3")), Some((String::from("key"), String::from("pw"))));
    }
}
