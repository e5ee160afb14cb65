//! Lists the agents that are logged in, with what each is doing, for the Convoso dialect.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::directory::Kind;
use crate::domain::{AgentActivity, EntityRef, Filter};
use crate::live::View;
use crate::live::count::index::Plane;
use crate::projection::roster::{Connection, roster_by_id};

/// An entity by its integer id and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedEntity {
    /// The entity's integer id.
    pub id: i64,
    /// The entity's name.
    pub name: String,
}

/// One agent that is logged in.
#[derive(Clone, Debug)]
pub struct MonitoredAgent {
    /// The agent's integer id.
    pub id: i64,
    /// First and last name.
    pub full_name: String,
    /// The agent's activity.
    pub activity: AgentActivity,
    /// Campaigns that the agent is assigned to, ascending by id.
    pub campaigns: Vec<NamedEntity>,
    /// Queues that the agent is assigned to, ascending by id.
    pub queues: Vec<NamedEntity>,
    /// The agent's skills, ascending by id.
    pub skills: Vec<NamedEntity>,
}

/// The agents of a selection that are logged in. Their number, and the number of those ready, are the same as
/// [`super::user_activity`] counts. Agents are counted one at a time before they are listed, so that a long answer can
/// be made in slices.
#[derive(Debug)]
pub struct Monitor {
    view: Arc<View>,
    /// The agents' indexes in the directory, ascending by integer id.
    agents: Vec<u32>,
    /// Agents counted so far.
    counted: usize,
    counts: Counts,
    campaigns: BTreeSet<i64>,
    queues: BTreeSet<i64>,
}

/// Numbers of agents by activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All agents of the selection, counted yet or not.
    pub total: usize,
    /// Agents that are [`AgentActivity::Ready`].
    pub ready: usize,
    /// Agents that are [`AgentActivity::InCall`].
    pub in_call: usize,
    /// Agents that are [`AgentActivity::Paused`].
    pub paused: usize,
}

impl Monitor {
    /// Finds the agents of the selection. None of them is counted yet.
    pub fn new(view: &Arc<View>, filter: &Filter) -> Self {
        let mut agents = roster_by_id(view, filter, Connection::Online);
        agents.retain(|ix| view.columns(*ix).has(Plane::Agent));
        let counts = Counts { total: agents.len(), ..Counts::default() };
        let (campaigns, queues) = (BTreeSet::new(), BTreeSet::new());
        Monitor { view: view.clone(), agents, counted: 0, counts, campaigns, queues }
    }

    /// Counts the next agent. Returns false if all are counted.
    pub fn count_next(&mut self) -> bool {
        let Some(ix) = self.agents.get(self.counted) else { return false };
        self.counted += 1;
        match activity(&self.view, *ix) {
            AgentActivity::Ready => self.counts.ready += 1,
            AgentActivity::InCall => self.counts.in_call += 1,
            AgentActivity::Paused => self.counts.paused += 1,
        }
        if let Some(profile) = self.view.directory().profile(*ix) {
            self.campaigns.extend(profile.campaigns());
            self.queues.extend(profile.queues());
        }
        true
    }

    /// Returns the numbers of the agents counted so far.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns the campaigns that the agents counted so far are assigned to, ascending by id.
    pub fn campaigns(&self) -> Vec<NamedEntity> {
        named(&self.view, Kind::Campaign, self.campaigns.iter().copied())
    }

    /// Returns the queues that the agents counted so far are assigned to, ascending by id.
    pub fn queues(&self) -> Vec<NamedEntity> {
        named(&self.view, Kind::Queue, self.queues.iter().copied())
    }

    /// Returns every agent of the selection, ascending by id.
    pub fn into_agents(self) -> impl Iterator<Item = MonitoredAgent> + Send {
        self.agents.into_iter().filter_map(move |ix| monitored(&self.view, ix))
    }
}

fn monitored(view: &View, ix: u32) -> Option<MonitoredAgent> {
    let profile = view.directory().profile(ix)?;
    let names = profile.first_name().into_iter().chain([profile.name()]);
    Some(MonitoredAgent {
        id: profile.id,
        full_name: names.collect::<Vec<_>>().join(" "),
        activity: activity(view, ix),
        campaigns: named(view, Kind::Campaign, profile.campaigns()),
        queues: named(view, Kind::Queue, profile.queues()),
        skills: named(view, Kind::Skill, profile.skills()),
    })
}

fn activity(view: &View, ix: u32) -> AgentActivity {
    let columns = view.columns(ix);
    AgentActivity::on(
        view.directory().settings().reference_channel,
        columns.has(Plane::Assigned),
        |channel| columns.has(Plane::Available(channel)),
        |channel| columns.current[channel] > 0,
    )
}

/// Returns the entities of these ids with their names. Unknown ids are left out.
fn named(view: &View, kind: Kind, ids: impl Iterator<Item = i64>) -> Vec<NamedEntity> {
    let table = view.directory().table(kind);
    let name = |id| Some(table.get(EntityRef::Id(id))?.name.clone());
    ids.filter_map(|id| Some(NamedEntity { id, name: name(id)? })).collect()
}
