//! Routing groups with their members, and the availability of routing rules.

use super::reference::{Reference, reference};
use crate::domain::directory::Kind;
use crate::domain::filter::{Clause, Dimension, Value};
use crate::domain::{Channel, EntityRef, Filter, PackedProfile, PerChannel};
use crate::live::View;
use crate::projection::Available;
use crate::projection::roster::{Connection, roster, roster_by_id, roster_size};

/// Returns, by channel, true if at least one user of the rule's routing groups is available. With a language only users
/// count who speak it or of whom no language is known.
pub fn available(view: &View, rule: &Reference, language: Option<&str>) -> PerChannel<bool> {
    let groups = rule.routing_groups();
    // A rule without groups matches no user, whereas a filter without values would match all.
    if groups.is_empty() {
        return PerChannel::default();
    }
    let members = of_groups(groups.iter().map(|group| EntityRef::Guid(*group)));
    PerChannel::from_fn(|channel: Channel| match language {
        None => view.count_kept(&members, Available::on(channel)).people > 0,
        Some(language) => {
            let mut found = roster(view, &members, Connection::OnlineFor(channel)).into_iter();
            found.any(|ix| view.directory().profile(ix).is_some_and(|profile| speaks(profile, language)))
        }
    })
}

fn speaks(profile: &PackedProfile, language: &str) -> bool {
    let spoken = profile.language_list();
    spoken.is_empty() || spoken.iter().any(|known| known.eq_ignore_ascii_case(language))
}

/// Returns the routing groups of a rule, ascending by integer id.
pub fn groups(view: &View, rule: &Reference) -> Vec<Reference> {
    let groups = rule.routing_groups().iter();
    let mut groups: Vec<_> =
        groups.filter_map(|group| reference(view, Kind::RoutingGroup, EntityRef::Guid(*group))).collect();
    groups.sort_unstable_by_key(Reference::id);
    groups
}

/// Returns the filter for the users of a routing group.
pub fn members(group: &Reference) -> Filter {
    of_groups([EntityRef::Guid(group.guid())])
}

/// Returns the number of users of a routing group, without deleted ones.
pub fn member_count(view: &View, group: &Reference) -> usize {
    roster_size(view, &members(group), Connection::Any)
}

/// Returns the integer ids of the users of a routing group, ascending, without deleted ones.
pub fn member_ids(view: &View, group: &Reference) -> impl Iterator<Item = i64> {
    let found = roster_by_id(view, &members(group), Connection::Any).into_iter();
    found.map(|ix| view.directory().user_id(ix))
}

fn of_groups(groups: impl IntoIterator<Item = EntityRef>) -> Filter {
    Filter::default().and(Clause::Any(Dimension::RoutingGroup, groups.into_iter().map(Value::Entity).collect()))
}
