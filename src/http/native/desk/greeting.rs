//! Until a desk has said who it is: whose it may be, and in which session.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::line::{Code, Gone, Heard, Line};
use super::protocol::{Hello, Message, Reply};
use super::seats::Seat;
use super::serving::{Desk, MAX_ERRORS, TOO_FAST, count};
use crate::auth::Caller;
use crate::auth::tickets::Pass;
use crate::command::desk::Link;
use crate::command::desk::connect::{Opening, connect};
use crate::domain::settings::desk::DeskTerms;
use crate::domain::{Fault, event};
use crate::http::services::Services;

/// How long a desk has to say who it is.
const HELLO: Duration = Duration::from_secs(10);

/// A connection that has not said who it is.
pub struct Guest {
    pub services: Services,
    pub line: Line,
    pub caller: Caller,
    /// Whose desk it may be, if it came with a ticket.
    pub pass: Option<Pass>,
}

/// Why a desk cannot be let in.
enum NotYet {
    /// It said something wrong, and may say it right.
    Wrong(&'static str),
    /// Not now; it may say it again.
    Unavailable(u32),
    /// It is closed.
    Close(Code, &'static str),
}

/// A desk that was let in.
pub struct Seated {
    /// The tenant's position at which it is connected.
    pub position: u64,
    /// The connection.
    pub link: Link,
    /// Its seat here.
    pub seat: Seat,
    /// What it is told.
    pub terms: DeskTerms,
    /// When it was heard of, by monotonic time.
    pub heard: Duration,
}

impl Guest {
    /// Waits for a desk to say who it is, and lets it in; nothing if it was not let in.
    pub async fn greet(mut self) -> Option<Desk> {
        let nobody = CancellationToken::new();
        let mut until = self.services.clock().monotonic() + HELLO;
        let mut errors = 0;
        loop {
            let refused = match self.line.hear(&nobody, until).await {
                Heard::Text(text) => match self.hello(&text).await {
                    Ok(seated) => return Desk::welcome(self, seated).await,
                    Err(refused) => refused,
                },
                Heard::Sign => continue,
                Heard::Binary => NotYet::Wrong("messages are text"),
                Heard::TooBig => NotYet::Close(Code::TooBig, "at most 16 KiB"),
                Heard::TooFast => NotYet::Close(Code::Policy, TOO_FAST),
                Heard::Due => NotYet::Close(Code::Policy, "no hello"),
                Heard::Stopping => NotYet::Close(Code::Restart, "stopping"),
                Heard::Closed | Heard::Lost | Heard::Ousted => {
                    self.line.finish().await;
                    return None;
                }
            };
            errors += u32::from(matches!(refused, NotYet::Wrong(_)));
            let said = match refused {
                NotYet::Wrong(reason) if errors < MAX_ERRORS => self.line.say(&Reply::Error { reason }).await,
                NotYet::Wrong(_) => {
                    self.line.close(Code::Policy, "too many mistakes").await;
                    return None;
                }
                NotYet::Unavailable(retry_after) => {
                    until = self.services.clock().monotonic() + HELLO;
                    self.line.say(&Reply::Unavailable { id: None, retry_after }).await
                }
                NotYet::Close(code, reason) => {
                    self.line.close(code, reason).await;
                    return None;
                }
            };
            if said == Err(Gone) {
                return None;
            }
        }
    }

    /// Opens the session that a desk asks for.
    async fn hello(&mut self, text: &str) -> Result<Seated, NotYet> {
        let Message::Hello(hello) = Message::read(text).map_err(NotYet::Wrong)? else {
            return Err(NotYet::Wrong("hello comes first"));
        };
        let services = &self.services;
        let heard = services.clock().monotonic();
        let caller = services.again(&self.caller).map_err(not_yet)?;
        count(services, &self.line, &caller, 0).map_err(not_yet)?;
        let terms = services.ring().settings(caller.tenant()).desk(services.edge().desk);
        let opening = self.opening(hello, &caller, terms)?;
        let too_many = NotYet::Close(Code::Later, "too many desks of this user");
        let seat = services.seats().take((caller.tenant(), opening.user), &opening.session).ok_or(too_many)?;
        let connected = connect(&caller, services.submitter(), services.clock(), opening).await;
        let (position, link) = connected.map_err(not_yet)?;
        Ok(Seated { position, link, seat, terms, heard })
    }

    fn opening(&self, hello: Hello, caller: &Caller, terms: DeskTerms) -> Result<Opening, NotYet> {
        let services = &self.services;
        let view = services.reader().snapshot(caller.tenant()).view;
        let named = hello.user.map(|user| view.directory().profile_of(&user).map(|profile| profile.id));
        let user = match (&self.pass, named) {
            (_, Some(None)) => return Err(NotYet::Wrong("unknown user")),
            (Some(pass), Some(Some(user))) if user != pass.user => {
                return Err(NotYet::Wrong("the ticket is for another user"));
            }
            (Some(pass), _) => pass.user,
            (None, Some(Some(user))) => user,
            (None, None) => return Err(NotYet::Wrong("user is missing")),
        };
        let session = hello.session.as_deref().map(event::session).transpose().map_err(NotYet::Wrong)?;
        let session = match (self.pass.as_ref().and_then(|pass| pass.session.clone()), session) {
            (Some(of_ticket), Some(session)) if of_ticket != session => {
                return Err(NotYet::Wrong("the ticket is for another session"));
            }
            (Some(session), _) | (None, Some(session)) => session,
            (None, None) => services.clock().new_id().to_string().into(),
        };
        let device = hello.device.as_deref().map(event::device).transpose().map_err(NotYet::Wrong)?;
        Ok(Opening { user, session, device, surface: hello.surface, lease_seconds: terms.lease })
    }
}

/// What a fault means to a desk that waits to be let in.
fn not_yet(fault: Fault) -> NotYet {
    match fault {
        Fault::NotFound(_) => NotYet::Wrong("unknown user"),
        Fault::CredentialMissing | Fault::CredentialInvalid | Fault::Forbidden => {
            NotYet::Close(Code::Policy, "the credential is no longer valid")
        }
        fault => NotYet::Unavailable(fault.retry_after().unwrap_or(1)),
    }
}
