//! `/v1/agent-monitor/search`: lists the agents that `/v1/user-activity/search` counts.
//!
//! The response has those of the vendor's fields that this service knows. Data of a dialler, such as leads and lists,
//! is not among them.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::search::{self, Opened, Search, SearchBody, example};
use super::{ConvosoFault, JSON, OrFailure};
use crate::domain::AgentActivity;
use crate::http::extract::long_answer::{Lists, Steps, json_in_slices};
use crate::http::extract::reply;
use crate::http::state::AppState;
use crate::limits::TurnKey;
use crate::projection::roster::Connection;
use crate::query;
use crate::query::agent_monitor::{Monitor, MonitoredAgent, NamedEntity};

#[derive(Serialize, ToSchema)]
#[schema(as = ConvosoMonitorAnswer)]
struct Answer<'a> {
    success: bool,
    data: Data<'a>,
}

impl Answer<'static> {
    fn example() -> Self {
        let agent = Agent {
            user_id: String::from("107"),
            user_full_name: String::from("Gwen"),
            campaign_id: String::from("444"),
            campaign_name: String::from("Renewals"),
            queue_id: String::from("222"),
            queue_name: String::from("Inbound"),
            queue_assignment: String::from("Inbound"),
            queue_assignment_ids: vec![String::from("222")],
            channel_type: "VOICE",
            status: "INCALL",
            status_label: "In call",
            skill_options: String::from("english,sales"),
        };
        let entries = Entries {
            success: true,
            code: 200,
            campaigns: vec![Choice { value: 444, name: "Renewals" }],
            queues: vec![Choice { value: 222, name: "Inbound" }],
            agents: vec![agent],
            agent_total: 1,
            agent_ready: 0,
            agent_incall: 1,
            agent_paused: 0,
        };
        Answer { success: true, data: Data { entries } }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = ConvosoMonitorData)]
struct Data<'a> {
    entries: Entries<'a>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ConvosoMonitorEntries)]
struct Entries<'a> {
    success: bool,
    code: u16,
    campaigns: Vec<Choice<'a>>,
    queues: Vec<Choice<'a>>,
    agents: Vec<Agent>,
    agent_total: usize,
    agent_ready: usize,
    agent_incall: usize,
    agent_paused: usize,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ConvosoMonitorChoice)]
struct Choice<'a> {
    value: i64,
    name: &'a str,
}

/// One agent. Ids are strings, as in the vendor's API; absent values are empty strings.
#[derive(Serialize, ToSchema)]
#[schema(as = ConvosoMonitorAgent)]
struct Agent {
    user_id: String,
    user_full_name: String,
    campaign_id: String,
    campaign_name: String,
    queue_id: String,
    queue_name: String,
    queue_assignment: String,
    queue_assignment_ids: Vec<String>,
    channel_type: &'static str,
    status: &'static str,
    status_label: &'static str,
    skill_options: String,
}

/// Lists the logged-in agents, with parameters in the query.
///
/// An agent must match all filters, and of one filter any value; an unknown id matches no agent. A malformed id is
/// answered with 200, `success` false and the vendor's code. 503 if the state is too old to act on. Scope:
/// `user-activity:read`.
#[utoipa::path(
    get,
    operation_id = "monitor_agents",
    path = "/agent-monitor/search",
    params(Search),
    responses((status = 200, description = "The agents", body = OrFailure<Answer>, example = json!(Answer::example())), ConvosoFault),
)]
pub async fn watch_by_query(app: State<AppState>, request: Request) -> Result<Response<Body>, ConvosoFault> {
    watch(app, request).await
}

/// Lists the logged-in agents, with parameters in a form or JSON.
///
/// An agent must match all filters, and of one filter any value; an unknown id matches no agent. A malformed id is
/// answered with 200, `success` false and the vendor's code. 503 if the state is too old to act on. A
/// parameter in the body takes precedence over the query. Scope: `user-activity:read`.
#[utoipa::path(
    post,
    operation_id = "monitor_agents_by_body",
    path = "/agent-monitor/search",
    request_body(content((SearchBody = "application/x-www-form-urlencoded", example = example), (SearchBody = "multipart/form-data", example = example), (SearchBody = "application/json", example = example))),
    responses((status = 200, description = "The agents", body = OrFailure<Answer>, example = json!(Answer::example())), ConvosoFault),
)]
pub async fn watch_by_body(app: State<AppState>, request: Request) -> Result<Response<Body>, ConvosoFault> {
    watch(app, request).await
}

async fn watch(State(app): State<AppState>, request: Request) -> Result<Response<Body>, ConvosoFault> {
    let Opened { tenant, filter, snapshot } = search::open(&app, request).await?;
    let is_long = query::is_long_list(&snapshot.view, &filter, Connection::Online);
    let view = snapshot.view.clone();
    let begin = move || MonitorResponse { counting: Some(Monitor::new(&view, &filter)), listing: None };
    let answer = json_in_slices(&app, TurnKey::Tenant(tenant), is_long, JSON, begin).await?;
    Ok(reply::from_snapshot(answer, &snapshot))
}

/// The response while it is written. Totals, campaigns and queues precede the agents in the JSON, so all agents are
/// counted before the first is listed.
struct MonitorResponse {
    counting: Option<Monitor>,
    listing: Option<Lists<Agent>>,
}

impl Steps for MonitorResponse {
    fn step(&mut self, out: &mut Vec<u8>) -> bool {
        if let Some(lists) = &mut self.listing {
            return lists.step(out);
        }
        if !self.counting.as_mut().is_some_and(Monitor::count_next) {
            self.listing = self.counting.take().map(listing);
        }
        true
    }
}

/// Returns the response of a monitor that has counted all its agents.
fn listing(monitor: Monitor) -> Lists<Agent> {
    let (counts, campaigns, queues) = (monitor.counts(), monitor.campaigns(), monitor.queues());
    let entries = Entries {
        success: true,
        code: 200,
        campaigns: campaigns.iter().map(Choice::from).collect(),
        queues: queues.iter().map(Choice::from).collect(),
        agents: Vec::new(),
        agent_total: counts.total,
        agent_ready: counts.ready,
        agent_incall: counts.in_call,
        agent_paused: counts.paused,
    };
    let answer = Answer { success: true, data: Data { entries } };
    Lists::within(&answer, "agents", monitor.into_agents().map(Agent::from))
}

impl<'a> From<&'a NamedEntity> for Choice<'a> {
    fn from(named: &'a NamedEntity) -> Self {
        Choice { value: named.id, name: &named.name }
    }
}

impl From<MonitoredAgent> for Agent {
    fn from(agent: MonitoredAgent) -> Self {
        let joined = |named: &[NamedEntity]| named.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(",");
        let first_id = |named: &[NamedEntity]| named.first().map(|n| n.id.to_string()).unwrap_or_default();
        let first_name = |named: &[NamedEntity]| named.first().map(|n| n.name.clone()).unwrap_or_default();
        let (status, status_label) = match agent.activity {
            AgentActivity::Ready => ("READY", "Ready"),
            AgentActivity::InCall => ("INCALL", "In call"),
            AgentActivity::Paused => ("PAUSED", "Paused"),
        };
        Agent {
            user_id: agent.id.to_string(),
            user_full_name: agent.full_name,
            campaign_id: first_id(&agent.campaigns),
            campaign_name: first_name(&agent.campaigns),
            queue_id: first_id(&agent.queues),
            queue_name: first_name(&agent.queues),
            queue_assignment: joined(&agent.queues),
            queue_assignment_ids: agent.queues.iter().map(|queue| queue.id.to_string()).collect(),
            channel_type: "VOICE",
            status,
            status_label,
            skill_options: joined(&agent.skills),
        }
    }
}
