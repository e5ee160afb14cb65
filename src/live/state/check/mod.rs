//! Compares what a state keeps derived, for speed, with the same derived anew from the people and the directory.
//!
//! Nothing is read but the state, so that the result is the same wherever and whenever a state is checked.

use std::sync::Arc;

use super::State;
use crate::domain::filter::Dimension;
use crate::domain::role::Role;
use crate::domain::status::Facts;
use crate::live::directory::kind_of;
use crate::live::selection::kept::KeptCounts;
use crate::live::view::View;

/// Most differences of a check that are described.
const MOST_TEXTS: usize = 20;
/// Users that are checked between two looks at whether the check is still wanted: a millisecond or less.
const STEP: u32 = 1_024;

/// What a check has compared, and the differences that it found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Number of users whose derived data was compared.
    pub users: u64,
    /// Number of counts that were compared.
    pub counts: u64,
    differences: u64,
    texts: Vec<String>,
}

impl Findings {
    /// Adds a difference. `text` describes it by ids and numbers, without personal data.
    pub fn differ(&mut self, text: impl FnOnce() -> String) {
        self.differences += 1;
        if self.texts.len() < MOST_TEXTS {
            self.texts.push(text());
        }
    }

    /// Compares the numbers of a count with those expected. `text` names the count.
    pub fn compare(&mut self, found: &[u64], expected: &[u64], text: impl FnOnce() -> String) {
        self.counts += 1;
        if found != expected {
            self.differ(|| format!("{}: {found:?}, and {expected:?} when counted again", text()));
        }
    }

    /// Number of differences.
    pub fn differences(&self) -> u64 {
        self.differences
    }

    /// Descriptions of the first differences, at most 20.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Returns the descriptions.
    pub fn into_texts(self) -> Vec<String> {
        self.texts
    }
}

impl State {
    /// Compares the index and the details of each user, the sets of users by value and role, the counts that are kept
    /// between views, and the numbers of sessions and slots with the same derived anew. Takes a copy of a state, and
    /// returns its view; `None` if `is_unwanted` has returned true, which is asked often.
    pub fn check(&mut self, findings: &mut Findings, is_unwanted: &dyn Fn() -> bool) -> Option<Arc<View>> {
        // Otherwise the index is none that a reader counts, though it may have the generation of one.
        let is_published = self.touched.is_empty() && self.kept.is_of(&self.directory);
        // The view of a copy shares no counts with those of the state, whose index has other generations from here on.
        let own = Arc::new(KeptCounts::new(self.directory.clone()));
        let kept = std::mem::replace(&mut self.kept, own);
        let view = self.publish();
        self.check_users(&view, findings, is_unwanted)?;
        self.check_members(findings, is_unwanted)?;
        if is_published {
            for count in kept.recounts(&self.index) {
                findings.compare(&count.kept, &count.counted, || {
                    format!("a count with {} clauses that is kept between views", count.clauses)
                });
                if is_unwanted() {
                    return None;
                }
            }
        }
        let (usage, recount) = (self.usage, self.recount());
        findings.compare(&[usage.sessions as u64], &[recount.sessions as u64], || String::from("open sessions"));
        findings.compare(&[usage.slots as u64], &[recount.slots as u64], || String::from("conversations held"));
        Some(view)
    }

    /// The facts about the user at a dense index. `None` if there is none, or if the user is deleted.
    pub fn facts(&self, ix: u32) -> Option<Facts> {
        let profile = self.directory.profile(ix)?;
        Some(self.people.get(ix as usize)?.facts(profile, self.directory.settings().capacity))
    }

    /// Compares columns and details of all users, deleted ones and free places included.
    fn check_users(&self, view: &View, findings: &mut Findings, is_unwanted: &dyn Fn() -> bool) -> Option<()> {
        for ix in 0..self.directory.users().len() as u32 {
            if ix.is_multiple_of(STEP) && is_unwanted() {
                return None;
            }
            let (found, expected) = (view.columns(ix), self.columns_of(&self.directory, ix));
            if found != expected {
                findings.differ(|| format!("{}: {found:?} in the index, not {expected:?}", self.user_text(ix)));
            }
            let (found, expected) = (view.detail(ix), self.detail_of(&self.directory, ix));
            if found != expected {
                findings.differ(|| format!("{}: {found:?}, not {expected:?}", self.user_text(ix)));
            }
            findings.users += 1;
        }
        Some(())
    }

    /// Compares every set of users by value of a dimension, and by role, with the profiles.
    fn check_members(&self, findings: &mut Findings, is_unwanted: &dyn Fn() -> bool) -> Option<()> {
        let (directory, members) = (&self.directory, self.directory.members());
        // A set that has every user it should have, and as many members, has no other.
        let mut sizes = Dimension::ALL.map(|dimension| vec![0; directory.table(kind_of(dimension)).count()]);
        let mut by_role = [0; Role::ALL.len()];
        for (ix, profile) in directory.users().live() {
            if ix.is_multiple_of(STEP) && is_unwanted() {
                return None;
            }
            for dimension in Dimension::ALL {
                for row in directory.rows_in(profile, dimension) {
                    sizes[dimension as usize][row as usize] += 1;
                    if !members.of(dimension, row).is_some_and(|set| set.contains(ix)) {
                        findings
                            .differ(|| format!("user {} is not among {}", profile.id, self.value_text(dimension, row)));
                    }
                }
            }
            for role in profile.roles.iter() {
                by_role[role as usize] += 1;
                if !members.role(role).contains(ix) {
                    findings.differ(|| format!("user {} is not among those of the role {}", profile.id, role.name()));
                }
            }
        }
        for dimension in Dimension::ALL {
            for (row, size) in (0..).zip(&sizes[dimension as usize]) {
                let belongs = |ix: &u32| {
                    let profile = directory.profile(*ix);
                    profile.is_some_and(|profile| directory.rows_in(profile, dimension).contains(&row))
                };
                let Some(set) = members.of(dimension, row).filter(|set| set.count() != *size) else { continue };
                for ix in set.members().filter(|ix| !belongs(ix)) {
                    findings.differ(|| format!("{} is among {}", self.user_text(ix), self.value_text(dimension, row)));
                }
            }
        }
        for role in Role::ALL {
            let belongs = |ix: &u32| directory.profile(*ix).is_some_and(|profile| profile.roles.contains(role));
            let set = Some(members.role(role)).filter(|set| set.count() != by_role[role as usize]);
            for ix in set.into_iter().flat_map(|set| set.members()).filter(|ix| !belongs(ix)) {
                findings.differ(|| format!("{} is among those of the role {}", self.user_text(ix), role.name()));
            }
        }
        Some(())
    }

    /// The name of a user in a text.
    fn user_text(&self, ix: u32) -> String {
        match self.directory.user_id(ix) {
            0 => format!("the free place {ix}"),
            id => format!("user {id}"),
        }
    }

    /// The name of a value in a text: its list in the document of the directory, and its integer id.
    fn value_text(&self, dimension: Dimension, row: u32) -> String {
        let kind = kind_of(dimension);
        let id = self.directory.table(kind).row(row).map_or(0, |entity| entity.id);
        format!("{}/{id}", kind.member())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Category, EntityRef};
    use crate::live::count::index::columns;
    use crate::live::details::Detail;
    use crate::live::directory::kind_of;

    /// Damages to the parts that [`State::check`] compares, for the tests of the whole check
    /// (`src/query/state/self_check.rs`).
    impl State {
        /// Flips a column of a user that no aggregate counts.
        pub(crate) fn damage_columns(&mut self, ix: u32) {
            let (facts, profile) = (self.facts(ix).unwrap(), self.directory.profile(ix).unwrap());
            let ever_logged_in = !self.people[ix as usize].ever_logged_in;
            self.index.set(ix, &columns(&facts, profile.is_assigned(), ever_logged_in));
        }

        /// Replaces a detail of a user.
        pub(crate) fn damage_details(&mut self, ix: u32) {
            let detail = self.details.get(ix);
            self.details.set(ix, Detail { handled: detail.handled + 1, ..detail });
        }

        /// Adds a user to the set of a value, or removes it.
        pub(crate) fn damage_members(&mut self, ix: u32, dimension: Dimension, value: i64) {
            let row = self.directory.table(kind_of(dimension)).find(EntityRef::Id(value)).unwrap();
            let set = Arc::make_mut(&mut self.directory).members_mut().of_mut(dimension, row);
            if set.contains(ix) { set.remove(ix) } else { set.insert(ix) }
        }

        /// Adds a user to the set of a role, or removes it.
        pub(crate) fn damage_roles(&mut self, ix: u32, role: Role) {
            let set = Arc::make_mut(&mut self.directory).members_mut().role_mut(role);
            if set.contains(ix) { set.remove(ix) } else { set.insert(ix) }
        }

        /// Adds a connected user to the index at a place beyond those of the users.
        pub(crate) fn damage_counts(&mut self) {
            let mut facts = self.facts(0).unwrap();
            (facts.connected, facts.presence) = (true, Category::Ready);
            self.index.set(self.directory.users().len() as u32, &columns(&facts, true, true));
        }

        /// Changes the numbers of open sessions and conversations held.
        pub(crate) fn damage_usage(&mut self) {
            self.usage.sessions += 1;
            self.usage.slots += 1;
        }
    }
}
