//! Tickets of live queries as credentials.

use crate::auth::{Caller, Tickets};
use crate::domain::Fault;
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;

/// Authenticates the caller that a ticket for a WebSocket was made for. The ticket is used afterwards.
///
/// [`Fault::CredentialInvalid`] if it is not valid, or its caller's credential is not any more; [`Fault::TooMany`] and
/// [`Fault::Unavailable`] if that cannot be found out now.
pub async fn caller_of_socket(
    app: &AppState,
    tickets: &Tickets,
    request: &RequestContext,
    ticket: &str,
) -> Result<Caller, Fault> {
    let (caller, ()) = app.ticket_holder(request, tickets.redeem_live(ticket, request.peer().0)).await?;
    Ok(caller)
}

/// Authenticates the caller that a ticket for streams with this query was made for, as [`caller_of_socket`] does. The
/// ticket stays valid, and the request takes its permits.
pub async fn caller_of_stream(
    app: &AppState,
    tickets: &Tickets,
    request: &RequestContext,
    [ticket, query]: [&str; 2],
) -> Result<Caller, Fault> {
    let (caller, ()) = app.ticket_holder(request, tickets.of_stream(ticket, query, request.peer().0)).await?;
    app.admit(request, caller.tenant())?;
    Ok(caller)
}
