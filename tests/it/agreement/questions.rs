//! Random selections of users. Each dialect uses the properties that it can filter by.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rollcall::domain::filter::{Clause, Dimension, Value};
use rollcall::domain::{EntityRef, Role, Status};

/// Names as callers write them; entities have them in other cases and with surrounding spaces.
const NAMES: [&str; 5] = ["red", "RED", "Blue", "été", "unknown"];

/// A selection: of each property any of the values; an empty list selects all users.
#[derive(Clone, Debug, Default)]
pub struct Pick {
    pub users: Vec<i64>,
    pub groups: Vec<i64>,
    pub projects: Vec<i64>,
    pub skills: Vec<i64>,
    pub queues: Vec<i64>,
    pub campaigns: Vec<i64>,
    pub routing_groups: Vec<i64>,
    pub skill_names: Vec<&'static str>,
    pub roles: Vec<Role>,
    pub chat: Vec<Status>,
    pub overall: Vec<Status>,
    pub name: Option<&'static str>,
    pub offline: bool,
    pub liveness: usize,
    /// Whether to use queues or groups where a dialect takes only one of them.
    pub by_queue: bool,
}

impl Pick {
    /// Returns a random selection, or one of all users if `all` is set.
    pub fn new(random: &mut StdRng, all: bool) -> Self {
        let mut pick = Pick { liveness: random.random_range(0..3), by_queue: random.random(), ..Pick::default() };
        if all {
            return pick;
        }
        pick.offline = random.random_ratio(1, 4);
        pick.users = some(random, 4, &[1, 2, 3, 4, 5, 6, 41]);
        for list in [&mut pick.groups, &mut pick.projects, &mut pick.skills, &mut pick.queues] {
            *list = some(random, 3, &[1, 2, 3, 4]);
        }
        for list in [&mut pick.campaigns, &mut pick.routing_groups] {
            *list = some(random, 3, &[1, 2, 3, 4]);
        }
        pick.skill_names = some(random, 3, &NAMES);
        pick.roles = some(random, 4, &Role::ALL);
        let statuses = [Status::Available, Status::Busy, Status::ToggleOff];
        pick.chat = some(random, 4, &statuses);
        pick.overall = some(random, 4, &statuses);
        pick.name = some(random, 5, &["*e*", "red", "*d", "b*", "ét*"]).first().copied();
        pick
    }

    /// Returns a selection by user ids, which all dialects but one support.
    pub fn users(random: &mut StdRng) -> Self {
        let users = (1..=8).filter(|_| random.random()).chain([1]).collect();
        Pick { users, ..Pick::default() }
    }

    /// Returns the clause of the selected users.
    pub fn of_users(&self) -> Clause {
        Clause::Users(self.users.iter().map(|id| EntityRef::Id(*id)).collect())
    }
}

/// Returns a clause of any of these entities.
pub fn any_of(dimension: Dimension, ids: &[i64]) -> Clause {
    Clause::Any(dimension, ids.iter().map(|id| Value::Entity(EntityRef::Id(*id))).collect())
}

/// Returns names as filter values.
pub fn named(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| Value::Name((*name).to_owned())).collect()
}

/// Returns one or two of the values with a probability of 1 in `times`; otherwise none.
fn some<T: Copy>(random: &mut StdRng, times: u32, of: &[T]) -> Vec<T> {
    if !random.random_ratio(1, times) {
        return Vec::new();
    }
    let count = random.random_range(1..=2);
    of.choose_multiple(random, count).copied().collect()
}
