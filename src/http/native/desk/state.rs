//! The state of the desk endpoints.

use axum::extract::FromRef;

use super::connections::Connections;
use crate::auth::tickets::Pass;
use crate::auth::{Authorized, EventsWrite, Tickets};
use crate::domain::Fault;
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;

/// The handles of all endpoints, and what only desks use. Cheap to clone.
#[derive(Clone)]
pub struct DeskState {
    /// The handles that every endpoint may use.
    pub app: AppState,
    /// Tickets that were issued.
    pub tickets: Tickets,
    /// The desks connected to this process.
    pub connections: Connections,
}

impl DeskState {
    /// Creates the state, without connections.
    pub fn new(app: AppState, tickets: Tickets) -> Self {
        let connections = Connections::default();
        app.settings().on_deleted({
            let (tickets, connections) = (tickets.clone(), connections.clone());
            move |tenant| {
                tickets.remove_all(tenant);
                connections.close_all(tenant);
            }
        });
        DeskState { app, tickets, connections }
    }

    /// Redeems a ticket; returns its issuer, still authorised, and the desk that it is for.
    pub async fn ticket_holder(
        &self,
        request: &RequestContext,
        ticket: &str,
    ) -> Result<(Authorized<EventsWrite>, Pass), Fault> {
        let using = self.tickets.redeem(ticket, request.peer().0);
        let (caller, pass) = self.app.ticket_holder(request, using).await?;
        Ok((caller.authorize()?, pass))
    }
}

impl FromRef<DeskState> for AppState {
    fn from_ref(desks: &DeskState) -> Self {
        desks.app.clone()
    }
}
