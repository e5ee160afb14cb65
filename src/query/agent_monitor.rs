//! The agents behind Convoso's counts: who is logged in, and what each is doing.

use crate::domain::directory::Kind;
use crate::domain::{Channel, EntityRef, Filter};
use crate::live::View;
use crate::live::index::{Columns, Plane};
use crate::projection::roster::{Connection, roster};

/// What an agent is doing, as a dialler sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Counted as available: can be given a call, and has a campaign or a queue to be given one from.
    Ready,
    /// Holds a call.
    InCall,
    /// Neither.
    Paused,
}

impl Work {
    fn of(columns: &Columns) -> Self {
        if columns.has(Plane::Available(Channel::Call)) && columns.has(Plane::Assigned) {
            Work::Ready
        } else if columns.current[Channel::Call] > 0 {
            Work::InCall
        } else {
            Work::Paused
        }
    }
}

/// An entity by its integer id and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Integer id.
    pub id: i64,
    /// Name.
    pub name: String,
}

/// One agent who is logged in.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Integer id.
    pub id: i64,
    /// First and last name.
    pub full_name: String,
    /// What they are doing.
    pub work: Work,
    /// Campaigns they are assigned to, ascending by id.
    pub campaigns: Vec<Named>,
    /// Queues they are assigned to, likewise.
    pub queues: Vec<Named>,
    /// Skills, likewise.
    pub skills: Vec<Named>,
}

/// Everybody who is logged in, and where they are assigned.
#[derive(Clone, Debug)]
pub struct Monitor {
    /// Agents, ascending by id.
    pub agents: Vec<Watched>,
    /// The campaigns that at least one of them is assigned to, ascending by id.
    pub campaigns: Vec<Named>,
    /// The queues, likewise.
    pub queues: Vec<Named>,
}

/// The agents of the selection: as many as [`super::user_activity`] counts, and as many of them ready.
pub fn agent_monitor(view: &View, filter: &Filter) -> Monitor {
    let online = roster(view, filter, Connection::Online).into_iter();
    let mut agents: Vec<Watched> = online.filter_map(|ix| watched(view, ix)).collect();
    agents.sort_unstable_by_key(|agent| agent.id);
    let assigned = |of: fn(&Watched) -> &Vec<Named>| {
        let mut all: Vec<Named> = agents.iter().flat_map(|agent| of(agent).iter().cloned()).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let (campaigns, queues) = (assigned(|agent| &agent.campaigns), assigned(|agent| &agent.queues));
    Monitor { agents, campaigns, queues }
}

fn watched(view: &View, ix: u32) -> Option<Watched> {
    let columns = view.columns(ix);
    if !columns.has(Plane::Agent) {
        return None;
    }
    let profile = view.directory().profile(ix)?;
    let named = |kind: Kind, ids: &[i64]| {
        let table = view.directory().table(kind);
        let name = |id: &i64| Some(table.get(EntityRef::Id(*id))?.name.clone());
        ids.iter().filter_map(|id| Some(Named { id: *id, name: name(id)? })).collect()
    };
    let names = profile.first_name.iter().chain([&profile.name]);
    Some(Watched {
        id: profile.id,
        full_name: names.map(String::as_str).collect::<Vec<_>>().join(" "),
        work: Work::of(&columns),
        campaigns: named(Kind::Campaign, &profile.campaigns),
        queues: named(Kind::Queue, &profile.queues),
        skills: named(Kind::Skill, &profile.skills),
    })
}
