//! `POST /v1/desk/tickets`: issues tickets for browsers, so that a browser never holds the tenant's key.

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::{Authenticated, Document};
use super::DeskState;
use crate::auth::EventsWrite;
use crate::command::desk::issue_ticket as command;
use crate::domain::{Time, UserRef};
use crate::http::describe;
use crate::http::extract::reply;
use crate::http::fault::{Details, NativeFault};

/// A ticket to be issued.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTicket {
    /// The user of the desk: an integer id, a GUID, or `external:` and the external id.
    #[schema(value_type = String, examples("101"))]
    user: UserRef,
    /// The only session that the ticket can open; any if absent.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    session: Option<String>,
    /// Lifetime of the ticket in seconds; 60 if absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 300)]
    seconds: Option<u32>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DeskTicket)]
struct Answer<'a> {
    ticket: &'a str,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
    user: String,
    #[schema(required)]
    session: Option<&'a str>,
}

/// Issues a ticket for one connection of one user's desk.
///
/// A page in a browser connects with it, so that it never holds the tenant's key. It can be used once, for a minute unless
/// `seconds` says otherwise. Scope: `events:write`.
#[utoipa::path(
    post,
    path = "/v1/desk/tickets",
    request_body(content = NewTicket, example = json!({ "user": "101", "session": "desk-101", "seconds": 60 })),
    responses(
        (status = 201, description = "The new ticket; it is shown here only", body = Answer, example = json!(Answer { ticket: "rd_…", expires_at: describe::EXAMPLE_TIME, user: String::from("101"), session: Some("desk-101") })),
        (status = 429, description = "The tenant has too many unused tickets", body = Details, content_type = "application/problem+json"),
        NativeFault,
    ),
)]
pub async fn issue_ticket(
    State(desks): State<DeskState>,
    caller: Authenticated<EventsWrite>,
    Document(wanted): Document<NewTicket>,
) -> Result<Response<Body>, NativeFault> {
    let NewTicket { user, session, seconds } = wanted;
    let wanted = command::TicketRequest { user, session, seconds };
    let issued = command::issue_ticket(&caller, desks.app.reader(), &desks.tickets, wanted).await?;
    let answer = Answer {
        ticket: issued.ticket.reveal(),
        expires_at: issued.expires,
        user: issued.pass.user.to_string(),
        session: issued.pass.session.as_deref(),
    };
    Ok(reply::from_snapshot(reply::json(201, "application/json", &answer), &issued.snapshot))
}
