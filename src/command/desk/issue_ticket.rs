//! Issues a ticket to a back end, with which a browser connects one user's desk.

use crate::auth::secret::Secret;
use crate::auth::tickets::{Pass, SECONDS, USUAL_SECONDS};
use crate::auth::{Authorized, EventsWrite, Tickets};
use crate::domain::event;
use crate::domain::{Fault, Time, UserRef};
use crate::engine::{Reader, Snapshot};

/// The parameters of a ticket.
#[derive(Clone, Debug)]
pub struct TicketRequest {
    /// The user of the desk.
    pub user: UserRef,
    /// The only session that the ticket opens; any if absent.
    pub session: Option<String>,
    /// Lifetime in seconds, from 1 to 300; 60 if absent.
    pub seconds: Option<u32>,
}

/// A ticket that was just issued.
pub struct IssuedTicket {
    /// The ticket. Only its hash is kept, so that it cannot be shown again.
    pub ticket: Secret,
    /// Time from which it is invalid.
    pub expires: Time,
    /// The user and session that it opens.
    pub pass: Pass,
    /// The state in which the user was found.
    pub snapshot: Snapshot,
}

/// Issues a ticket. [`Fault::NotFound`] for an unknown user, [`Fault::Refused`] for an invalid session or lifetime,
/// [`Fault::TooMany`] if too many of the tenant's tickets are unused, [`Fault::Unavailable`] if the store does not answer.
pub async fn issue_ticket(
    caller: &Authorized<EventsWrite>,
    reader: &Reader,
    tickets: &Tickets,
    request: TicketRequest,
) -> Result<IssuedTicket, Fault> {
    let session = request.session.as_deref().map(event::session).transpose();
    let session = session.map_err(|reason| Fault::refused("/session", reason.text()))?;
    let seconds = request.seconds.unwrap_or(USUAL_SECONDS);
    if !SECONDS.contains(&seconds) {
        return Err(Fault::refused("/seconds", "must be from 1 to 300"));
    }
    let find = |snapshot: &Snapshot| {
        let profile = snapshot.view.directory().profile_of(&request.user).ok_or(Fault::NotFound("user"))?;
        Ok::<_, Fault>((profile.id, snapshot.clone()))
    };
    let (user, snapshot) = reader.decide(caller.tenant(), find).await?;
    let pass = Pass { user, session };
    let (ticket, expires) = tickets.issue(caller, pass.clone(), seconds).await?;
    Ok(IssuedTicket { ticket, expires, pass, snapshot })
}
