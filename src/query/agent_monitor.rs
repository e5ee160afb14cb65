//! The agents behind Convoso's counts: who is logged in, and what each is doing.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::directory::Kind;
use crate::domain::{Channel, EntityRef, Filter};
use crate::live::View;
use crate::live::count::index::{Columns, Plane};
use crate::projection::roster::{Connection, roster_by_id};

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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// The agents of a selection who are logged in: as many as [`super::user_activity`] counts, and as many of them ready.
/// They are counted one by one before they are listed, so that neither takes long at a time.
#[derive(Debug)]
pub struct Monitor {
    view: Arc<View>,
    /// Ascending by id.
    agents: Vec<u32>,
    counted: usize,
    counts: Counts,
    campaigns: BTreeSet<i64>,
    queues: BTreeSet<i64>,
}

/// How many agents do what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of the selection, in all.
    pub total: usize,
    /// [`Work::Ready`].
    pub ready: usize,
    /// [`Work::InCall`].
    pub in_call: usize,
    /// [`Work::Paused`].
    pub paused: usize,
}

impl Monitor {
    /// The agents of the selection, none of them counted yet.
    pub fn new(view: &Arc<View>, filter: &Filter) -> Self {
        let mut agents = roster_by_id(view, filter, Connection::Online);
        agents.retain(|ix| view.columns(*ix).has(Plane::Agent));
        let counts = Counts { total: agents.len(), ..Counts::default() };
        let (campaigns, queues) = (BTreeSet::new(), BTreeSet::new());
        Monitor { view: view.clone(), agents, counted: 0, counts, campaigns, queues }
    }

    /// Counts the next agent; false if all are counted.
    pub fn count_next(&mut self) -> bool {
        let Some(ix) = self.agents.get(self.counted) else { return false };
        self.counted += 1;
        match Work::of(&self.view.columns(*ix)) {
            Work::Ready => self.counts.ready += 1,
            Work::InCall => self.counts.in_call += 1,
            Work::Paused => self.counts.paused += 1,
        }
        if let Some(profile) = self.view.directory().profile(*ix) {
            self.campaigns.extend(&profile.campaigns);
            self.queues.extend(&profile.queues);
        }
        true
    }

    /// How many of the agents counted so far do what.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The campaigns that at least one of the agents counted so far is assigned to, ascending by id.
    pub fn campaigns(&self) -> Vec<Named> {
        named(&self.view, Kind::Campaign, &self.campaigns)
    }

    /// The same for queues.
    pub fn queues(&self) -> Vec<Named> {
        named(&self.view, Kind::Queue, &self.queues)
    }

    /// Every agent of the selection, ascending by id.
    pub fn into_agents(self) -> impl Iterator<Item = Watched> + Send {
        self.agents.into_iter().filter_map(move |ix| watched(&self.view, ix))
    }
}

fn watched(view: &View, ix: u32) -> Option<Watched> {
    let profile = view.directory().profile(ix)?;
    let names = profile.first_name.iter().chain([&profile.name]);
    Some(Watched {
        id: profile.id,
        full_name: names.map(String::as_str).collect::<Vec<_>>().join(" "),
        work: Work::of(&view.columns(ix)),
        campaigns: named(view, Kind::Campaign, &profile.campaigns),
        queues: named(view, Kind::Queue, &profile.queues),
        skills: named(view, Kind::Skill, &profile.skills),
    })
}

/// The names of those of the ids that there are.
fn named<'i>(view: &View, kind: Kind, ids: impl IntoIterator<Item = &'i i64>) -> Vec<Named> {
    let table = view.directory().table(kind);
    let name = |id: &i64| Some(table.get(EntityRef::Id(*id))?.name.clone());
    ids.into_iter().filter_map(|id| Some(Named { id: *id, name: name(id)? })).collect()
}
