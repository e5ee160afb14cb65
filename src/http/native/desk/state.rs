//! The state of the desk endpoints.

use std::sync::Arc;

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
    pub tickets: Arc<Tickets>,
    /// The desks connected to this process.
    pub connections: Connections,
}

impl DeskState {
    /// Creates the state, without tickets and connections.
    pub fn new(app: AppState) -> Self {
        let (tickets, connections) = (Arc::new(Tickets::new(app.store(), app.clock())), Connections::default());
        app.settings().on_deleted({
            let (tickets, connections) = (tickets.clone(), connections.clone());
            move |tenant| {
                tickets.remove_all(tenant);
                connections.close_all(tenant);
            }
        });
        DeskState { app, tickets, connections }
    }

    /// Redeems a ticket; returns its issuer, still authorised, and the desk that it is for. A ticket that is not valid
    /// counts as a request without a valid credential.
    pub async fn ticket_holder(
        &self,
        request: &RequestContext,
        ticket: &str,
    ) -> Result<(Authorized<EventsWrite>, Pass), Fault> {
        let from = request.peer().0;
        self.app.throttle().look_up(from)?;
        let redeemed = self.tickets.redeem(ticket, from).await.map_err(|fault| match fault {
            Fault::CredentialInvalid => self.app.refuse(request, fault),
            fault => fault,
        })?;
        let caller = self.app.issuer(request, &redeemed).await?;
        Ok((caller.authorize()?, redeemed.pass))
    }
}

impl FromRef<DeskState> for AppState {
    fn from_ref(desks: &DeskState) -> Self {
        desks.app.clone()
    }
}
