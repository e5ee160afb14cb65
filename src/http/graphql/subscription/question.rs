//! A subscription as a live question: its document is executed on each view.

use std::sync::Arc;

use async_graphql::{Request, Response, SubscriptionType, Value};
use sha2::{Digest, Sha256};

use super::Subscription;
use super::board::BoardContext;
use super::selected::Selected;
use crate::domain::Fault;
use crate::engine::Snapshot;
use crate::http::graphql::cost::answer::AnswerMeter;
use crate::http::graphql::documents::Document;
use crate::http::graphql::executor::run_in_late_turns;
use crate::http::graphql::fault::{Answer, RequestError, refusal};
use crate::http::graphql::request::checked::CheckedRequest;
use crate::http::graphql::request::execution;
use crate::http::graphql::state::GraphqlState;
use crate::http::graphql::transport::answer_type::AnswerType;
use crate::http::live::authority::Authority;
use crate::http::live::{Answering, Computed, LiveQuery, Question};
use crate::limits::{Owner, TurnKey};

/// A subscription, executed again on each view.
struct Subscribed {
    state: GraphqlState,
    authority: Authority,
    document: Arc<Document>,
    /// What was sent, without data for resolvers, which each execution adds.
    sent: Sent,
    selected: Selected,
}

/// The parts of a request, which each execution repeats.
struct Sent {
    text: String,
    operation_name: Option<String>,
    variables: async_graphql::Variables,
}

impl Sent {
    fn request(&self) -> Request {
        let request = Request::new(self.text.clone()).variables(self.variables.clone());
        match &self.operation_name {
            Some(name) => request.operation_name(name.clone()),
            None => request,
        }
    }

    /// Returns the hash of all parts: equal for equal requests.
    fn id(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        // Serialising plain values into a hash cannot fail.
        let _infallible = serde_json::to_writer(&mut hash, &(&self.text, &self.operation_name, &self.variables));
        hash.finalize().into()
    }
}

/// Makes the live query of a checked subscription. A violation if it does not select exactly one field,
/// [`Fault::Forbidden`] if the authority may not subscribe to it.
pub fn live_query(
    state: &GraphqlState,
    authority: Authority,
    checked: CheckedRequest,
) -> Result<LiveQuery, RequestError> {
    let selected = Selected::of(&checked)?;
    // One that does not exist is left to the validator, which says so.
    let exists = state.executor.signatures.field(&Subscription::type_name(), &selected.field).is_some();
    if exists && !authority.allows(&selected.field) {
        return Err(Fault::Forbidden.into());
    }
    let CheckedRequest { request, document, .. } = checked;
    let Request { query, operation_name, variables, .. } = request;
    let sent = Sent { text: query, operation_name, variables };
    let (id, interval, min_position) = (sent.id(), selected.interval, selected.min_position);
    let question = Arc::new(Subscribed { state: state.clone(), authority, document, sent, selected });
    Ok(LiveQuery { authority, id, question, interval, min_position })
}

impl Question for Subscribed {
    fn answer(self: Arc<Self>, snapshot: Snapshot) -> Answering {
        let (app, key) = (self.state.app.clone(), TurnKey::Tenant(self.authority.tenant()));
        Box::pin(async move { run_in_late_turns(&app, key, self.execute(snapshot)).await? })
    }
}

impl Subscribed {
    async fn execute(self: Arc<Self>, snapshot: Snapshot) -> Result<Computed, Fault> {
        let owner = Owner::Tenant(self.authority.tenant());
        let meter = self.state.app.answers().map(|budget| Arc::new(AnswerMeter::new(budget.clone(), owner)));
        let request = self.sent.request();
        let request = match self.authority {
            Authority::Caller(caller) => request.data(execution::context(&self.state, caller, &snapshot)),
            Authority::Link(link) => request.data(BoardContext { link, snapshot, time: self.state.app.clock().now() }),
        };
        let response = self.state.executor.run(request, &self.document, meter.clone()).await;
        let response = match &meter {
            Some(meter) => meter.finish(response)?,
            None => response,
        };
        Ok(self.computed(response))
    }

    fn computed(&self, mut response: Response) -> Computed {
        // A board that was deleted can be put again.
        let is_of_board = matches!(self.authority, Authority::Link(_));
        let is_temporary = is_of_board && response.errors.iter().any(|error| !error.path.is_empty());
        if !is_temporary && let Some(body) = refusal(&response) {
            return Computed { body, fingerprint: [0; 32], is_refused: true };
        }
        let errors = response.errors.clone();
        let moment = match &mut response.data {
            Value::Object(members) => members.get_mut(&self.selected.key),
            _ => None,
        };
        let mut hash = Sha256::new();
        // Writing plain values into a hash cannot fail.
        let _infallible = match moment {
            Some(Value::Object(members)) => {
                let mut counted = members.iter().filter(|(name, _)| !self.selected.ignored.contains(*name));
                counted.try_for_each(|member| serde_json::to_writer(&mut hash, &member))
            }
            _ => serde_json::to_writer(&mut hash, &response.data),
        };
        let _infallible = errors.iter().try_for_each(|error| serde_json::to_writer(&mut hash, error));
        let body = Answer::of(response, AnswerType::GraphqlResponse).body;
        Computed { body, fingerprint: hash.finalize().into(), is_refused: false }
    }
}

/// Adds the extension `reset` to an answer, which is an object without extensions.
pub fn with_reset(body: &[u8]) -> Vec<u8> {
    let mut text = body.strip_suffix(b"}").unwrap_or(body).to_vec();
    text.extend_from_slice(b",\"extensions\":{\"reset\":true}}");
    text
}
