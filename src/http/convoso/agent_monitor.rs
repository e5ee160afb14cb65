//! `/v1/agent-monitor/search`: the agents behind the counts of `/v1/user-activity/search`, one by one.
//!
//! Of the vendor's fields those are here that this service knows; what its dialler would know, such as leads and lists,
//! is not.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::routing::{MethodRouter, get};
use serde::Serialize;
use utoipa::ToSchema;

use super::search::{self, Search};
use super::{ConvosoFault, JSON, OrFailure, wrong_method};
use crate::http::extract::reply;
use crate::http::services::Services;
use crate::query::agent_monitor::{Named, Watched, Work, agent_monitor};

/// The route, the same under both of its paths.
pub fn routes() -> MethodRouter<Services> {
    get(watch_by_query).post(watch_by_body).fallback(wrong_method)
}

#[derive(Serialize, ToSchema)]
#[schema(as = ConvosoMonitorAnswer)]
struct Answer<'a> {
    success: bool,
    data: Data<'a>,
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
    agents: Vec<Agent<'a>>,
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

/// One agent. Ids are texts here, as the vendor has them; what there is none of is an empty text.
#[derive(Serialize, ToSchema)]
#[schema(as = ConvosoMonitorAgent)]
struct Agent<'a> {
    user_id: String,
    user_full_name: String,
    campaign_id: String,
    campaign_name: &'a str,
    queue_id: String,
    queue_name: &'a str,
    queue_assignment: String,
    queue_assignment_ids: Vec<String>,
    channel_type: &'static str,
    status: &'static str,
    status_label: &'static str,
    skill_options: String,
}

/// Shows agents one by one, by the parameters of the query.
#[utoipa::path(
    get,
    operation_id = "monitor_agents",
    path = "/agent-monitor/search",
    params(Search),
    responses((status = 200, description = "The agents", body = OrFailure<Answer>), ConvosoFault),
)]
pub async fn watch_by_query(services: State<Services>, request: Request) -> Result<Response<Body>, ConvosoFault> {
    watch(services, request).await
}

/// Shows agents one by one, by a form or JSON.
#[utoipa::path(
    post,
    operation_id = "monitor_agents_by_body",
    path = "/agent-monitor/search",
    params(Search),
    request_body(content((Search = "application/x-www-form-urlencoded"), (Search = "application/json"))),
    responses((status = 200, description = "The agents", body = OrFailure<Answer>), ConvosoFault),
)]
pub async fn watch_by_body(services: State<Services>, request: Request) -> Result<Response<Body>, ConvosoFault> {
    watch(services, request).await
}

async fn watch(State(services): State<Services>, request: Request) -> Result<Response<Body>, ConvosoFault> {
    let (filter, snapshot) = search::open(&services, request).await?;
    let monitor = agent_monitor(&snapshot.view, &filter);
    let number = |work| monitor.agents.iter().filter(|agent| agent.work == work).count();
    let entries = Entries {
        success: true,
        code: 200,
        campaigns: monitor.campaigns.iter().map(Choice::from).collect(),
        queues: monitor.queues.iter().map(Choice::from).collect(),
        agents: monitor.agents.iter().map(Agent::from).collect(),
        agent_total: monitor.agents.len(),
        agent_ready: number(Work::Ready),
        agent_incall: number(Work::InCall),
        agent_paused: number(Work::Paused),
    };
    let answer = Answer { success: true, data: Data { entries } };
    Ok(reply::from_snapshot(reply::json(200, JSON, &answer), &snapshot))
}

impl<'a> From<&'a Named> for Choice<'a> {
    fn from(named: &'a Named) -> Self {
        Choice { value: named.id, name: &named.name }
    }
}

impl<'a> From<&'a Watched> for Agent<'a> {
    fn from(agent: &'a Watched) -> Self {
        let joined = |named: &[Named]| named.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(",");
        let first_id = |named: &[Named]| named.first().map(|n| n.id.to_string()).unwrap_or_default();
        let (status, status_label) = match agent.work {
            Work::Ready => ("READY", "Ready"),
            Work::InCall => ("INCALL", "In call"),
            Work::Paused => ("PAUSED", "Paused"),
        };
        Agent {
            user_id: agent.id.to_string(),
            user_full_name: agent.full_name.clone(),
            campaign_id: first_id(&agent.campaigns),
            campaign_name: agent.campaigns.first().map_or("", |campaign| &campaign.name),
            queue_id: first_id(&agent.queues),
            queue_name: agent.queues.first().map_or("", |queue| &queue.name),
            queue_assignment: joined(&agent.queues),
            queue_assignment_ids: agent.queues.iter().map(|queue| queue.id.to_string()).collect(),
            channel_type: "VOICE",
            status,
            status_label,
            skill_options: joined(&agent.skills),
        }
    }
}
