//! The closed set of ways a request can fail. Each dialect translates it once, in its own words.

use super::directory::Problem;

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No credential where the dialect carries it.
    #[error("no credential was given")]
    CredentialMissing,
    /// A credential that is not, or no longer, known.
    #[error("the credential is not valid")]
    CredentialInvalid,
    /// A credential without the scope that the route asks for.
    #[error("the credential does not allow this")]
    Forbidden,
    /// No such thing, or somebody else's.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The request cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// A named value cannot be used.
    #[error("the value of {name} is not valid: {detail}")]
    Invalid {
        /// The parameter or member.
        name: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The document is readable but refused.
    #[error("the document is refused")]
    Refused(Vec<Problem>),
    /// It collides with something that exists.
    #[error("{0}")]
    Conflict(&'static str),
    /// Past a documented size.
    #[error("larger than the limit of {0}")]
    TooLarge(&'static str),
    /// A content type or encoding that the route does not take.
    #[error("unsupported media type: {0} is needed")]
    UnsupportedMediaType(&'static str),
    /// A method that the route does not take.
    #[error("the method is not allowed")]
    MethodNotAllowed,
    /// Too often, or too much at a time: a tenant that floods, or somebody who tries passwords.
    #[error("too many requests: try again in {seconds} s")]
    TooMany {
        /// When it is worth another attempt, in seconds.
        seconds: u32,
    },
    /// Not now: the store is away, the queue is full, or the position asked for was not reached. The outcome of a
    /// write is unknown: send the same event ids again.
    #[error("{0}")]
    Unavailable(&'static str),
    /// Too slow: the request's time ran out.
    #[error("the request took too long")]
    TimedOut,
    /// Our own mistake.
    #[error("internal error")]
    Internal,
}

impl Fault {
    /// A value that cannot be used.
    pub fn invalid(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Fault::Invalid { name: name.into(), detail: detail.into() }
    }

    /// A document refused for one problem.
    pub fn refused(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Fault::Refused(vec![Problem { pointer: pointer.into(), detail: detail.into() }])
    }

    /// The true HTTP status (CONTRACTS.md 5.5).
    pub const fn status(&self) -> u16 {
        match self {
            Fault::CredentialMissing | Fault::CredentialInvalid => 401,
            Fault::Forbidden => 403,
            Fault::NotFound(_) => 404,
            Fault::MethodNotAllowed => 405,
            Fault::TimedOut => 408,
            Fault::Malformed(_) | Fault::Invalid { .. } => 400,
            Fault::Refused(_) => 422,
            Fault::Conflict(_) => 409,
            Fault::TooLarge(_) => 413,
            Fault::UnsupportedMediaType(_) => 415,
            Fault::TooMany { .. } => 429,
            Fault::Unavailable(_) => 503,
            Fault::Internal => 500,
        }
    }

    /// After how many seconds to try again, where that helps.
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Fault::Unavailable(_) => Some(1),
            Fault::TooMany { seconds } => Some(*seconds),
            _ => None,
        }
    }
}
