//! The id of a request, by which a client's report can be found in the log.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::Clock;

/// The header with the id, of requests and answers.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken over, in bytes.
const MAX_BYTES: usize = 128;

/// The id of a request.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Takes over the id that a client or proxy gave the request; makes one if there is none, or several, or one that
    /// cannot be copied into a log line as it is.
    pub fn of(headers: &HeaderMap, clock: &Clock) -> Self {
        let mut given = headers.get_all(REQUEST_ID).iter();
        match (given.next(), given.next()) {
            (Some(id), None) if is_plain(id) => RequestId(id.clone()),
            _ => RequestId(made(clock)),
        }
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Returns the value of the answer's header.
    pub fn into_value(self) -> HeaderValue {
        self.0
    }
}

fn made(clock: &Clock) -> HeaderValue {
    // The text of a UUID is visible ASCII, which every header may have.
    HeaderValue::from_str(&clock.new_id().to_string()).unwrap_or(HeaderValue::from_static(""))
}

/// Returns true for 1 to [`MAX_BYTES`] letters, digits and signs without a meaning in logs.
fn is_plain(id: &HeaderValue) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@#$".contains(byte);
    (1..=MAX_BYTES).contains(&id.len()) && id.as_bytes().iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Time;

    #[test]
    fn an_id_is_taken_over_if_it_is_one_plain_word() {
        let clock = Clock::manual(Time::from_micros(0));
        let of = |given: &[&str]| {
            let mut headers = HeaderMap::new();
            for id in given {
                headers.append(REQUEST_ID, HeaderValue::from_str(id).unwrap());
            }
            RequestId::of(&headers, &clock).as_str().to_owned()
        };
        for plain in ["7", "req-1_2.3:4/5+6=7@8#9$", "0192f3c4-0000-7000-8000-000000000000", &"x".repeat(128)] {
            assert_eq!(of(&[plain]), plain);
        }
        let long = "x".repeat(129);
        for given in [&[][..], &[""], &["two words"], &["quote\""], &["a", "b"], &[long.as_str()]] {
            let made = of(given);
            assert!(uuid::Uuid::parse_str(&made).is_ok(), "{given:?} became {made}");
        }
    }
}
