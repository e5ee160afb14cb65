//! The closed set of errors a request can end with. Each API dialect maps it to its own error format in one place.

pub mod found;

use serde_json::Value;

use super::directory::Problem;

/// The error a request ended with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The request has no credential where the dialect expects one.
    #[error("no credential was given")]
    CredentialMissing,
    /// The credential, password or signature is not valid: unknown, wrong, expired or revoked.
    #[error("the credential is not valid")]
    CredentialInvalid,
    /// The credential lacks the scope that the route requires.
    #[error("the credential does not allow this")]
    Forbidden,
    /// The object does not exist, or belongs to another tenant. The two are not distinguished, so that ids of other
    /// tenants cannot be probed.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The request cannot be parsed.
    #[error("{0}")]
    Malformed(String),
    /// A parameter or member has an unusable value.
    #[error("{name} {detail}")]
    Invalid {
        /// Name of the parameter or member.
        name: String,
        /// Description of the problem, as a predicate such as "is given twice".
        detail: String,
    },
    /// The document is well formed but has these problems.
    #[error("the document is refused")]
    Refused(Vec<Problem>),
    /// The request conflicts with an existing object.
    #[error("{0}")]
    Conflict(&'static str),
    /// The request exceeds a documented size.
    #[error("larger than the limit of {0}")]
    TooLarge(&'static str),
    /// The route does not accept the content type or encoding.
    #[error("unsupported media type: {0} is needed")]
    UnsupportedMediaType(&'static str),
    /// The body is text in this encoding, and not in UTF-8.
    #[error("the body is in {0}: UTF-8 is needed")]
    UnsupportedEncoding(&'static str),
    /// The route does not accept the method.
    #[error("the method is not allowed")]
    MethodNotAllowed,
    /// A limit on the rate of requests, concurrent work, memory, connections or failed logins was exceeded.
    #[error("too many requests: try again in {seconds} s")]
    TooMany {
        /// Seconds after which a retry can succeed.
        seconds: u32,
    },
    /// Temporarily impossible: the store is unreachable, a queue is full, or the requested position was not reached in
    /// time. The outcome of a write is unknown; the caller retries it with the same event ids.
    #[error("{0}")]
    Unavailable(&'static str),
    /// The request exceeded its time limit.
    #[error("the request took too long")]
    TimedOut,
    /// A defect of the server.
    #[error("internal error")]
    Internal,
}

impl Fault {
    /// Creates [`Fault::Invalid`].
    pub fn invalid(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Fault::Invalid { name: name.into(), detail: detail.into() }
    }

    /// Creates [`Fault::Invalid`] for a value that does not fit. `fits` is a predicate, such as "must be 0 or 1".
    pub fn misfit(name: impl Into<String>, fits: &str, found: &Value) -> Self {
        Fault::invalid(name, format!("{fits}: {} is given", found::found(found)))
    }

    /// Creates [`Fault::Invalid`] for a text that does not fit, as [`Fault::misfit`] does.
    pub fn misfit_text(name: impl Into<String>, fits: &str, found: &str) -> Self {
        Fault::invalid(name, format!("{fits}: {} is given", found::quoted(found)))
    }

    /// Creates [`Fault::Refused`] with a single problem; `pointer` is a JSON pointer (RFC 6901).
    pub fn refused(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Fault::Refused(vec![Problem { pointer: pointer.into(), detail: detail.into() }])
    }

    /// Seconds after which a retry is worthwhile; `None` if a retry does not help.
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Fault::Unavailable(_) => Some(1),
            Fault::TooMany { seconds } => Some(*seconds),
            _ => None,
        }
    }
}
