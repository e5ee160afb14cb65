//! A back end asks for a ticket, with which a browser connects one user's desk.

use crate::auth::secret::Secret;
use crate::auth::tickets::{Pass, SECONDS, USUAL_SECONDS};
use crate::auth::{Caller, Tickets};
use crate::domain::event;
use crate::domain::{Fault, Scope, Time, UserRef};
use crate::engine::Snapshot;

/// What a ticket is to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Whose desk it opens.
    pub user: UserRef,
    /// As which session; any when absent.
    pub session: Option<String>,
    /// For how many seconds it is good.
    pub seconds: Option<u32>,
}

/// A ticket that was just made.
pub struct Issued {
    /// The ticket, shown this once.
    pub ticket: Secret,
    /// Until when it is good.
    pub expires: Time,
    /// What it is good for.
    pub pass: Pass,
}

/// Makes a ticket. [`Fault::NotFound`] for an unknown user, [`Fault::Refused`] for a value that cannot be used,
/// [`Fault::TooMany`] when too many wait to be used.
pub fn issue_ticket(caller: &Caller, snapshot: &Snapshot, tickets: &Tickets, wanted: Wanted) -> Result<Issued, Fault> {
    caller.require(Scope::EventsWrite)?;
    let session = wanted.session.as_deref().map(event::session).transpose();
    let session = session.map_err(|why| Fault::refused("/session", why))?;
    let seconds = wanted.seconds.unwrap_or(USUAL_SECONDS);
    if !SECONDS.contains(&seconds) {
        return Err(Fault::refused("/seconds", "must be from 1 to 300"));
    }
    let user = snapshot.view.directory().profile_of(&wanted.user).ok_or(Fault::NotFound("user"))?.id;
    let pass = Pass { user, session };
    let (ticket, expires) = tickets.issue(caller, pass.clone(), seconds)?;
    Ok(Issued { ticket, expires, pass })
}
