//! What a list of conversations is filtered by, from how requests name it to what is compared.

use uuid::Uuid;

use crate::domain::conversation::{Criteria, Medium};
use crate::domain::directory::Kind;
use crate::domain::filter::{Clause, Dimension, Value};
use crate::domain::{EntityRef, Fault, Filter, Time, UserRef};
use crate::live::View;
use crate::projection::roster::{Connection, roster};

/// Days that a list of closed conversations may cover: three months.
pub const MAX_DAYS: i64 = 92;

/// Any of the values inside one member, all of the members given. Empty restricts nothing; what nobody knows matches
/// nothing.
#[derive(Clone, Debug, Default)]
pub struct AskedFor {
    /// Closed from then to then, both included.
    pub closed: Option<(Time, Time)>,
    /// This one.
    pub id: Option<Uuid>,
    /// On these projects.
    pub projects: Vec<EntityRef>,
    /// On these channels.
    pub media: Vec<Medium>,
    /// Somebody who is now in one of these groups took part.
    pub groups: Vec<EntityRef>,
    /// One of these users took part.
    pub users: Vec<EntityRef>,
    /// Given to these routing groups.
    pub routing_groups: Vec<Uuid>,
    /// Closed for these reasons.
    pub reasons: Vec<String>,
}

impl AskedFor {
    /// What is compared, with every name looked up. [`Fault::Invalid`] for an interval that is none, or too long.
    pub(super) fn criteria(self, view: &View) -> Result<Criteria, Fault> {
        if let Some((from, to)) = self.closed {
            if from > to {
                return Err(Fault::invalid("interval", "must not end before it begins"));
            }
            if to > from.plus_seconds(MAX_DAYS * 24 * 60 * 60) {
                return Err(Fault::invalid("interval", "must not be longer than 3 months (92 days)"));
            }
        }
        let projects = given(self.projects).map(|projects| {
            let known = |project: EntityRef| Some(view.directory().table(Kind::Project).get(project)?.id);
            projects.into_iter().filter_map(known).collect()
        });
        let users = given(self.users).map(|users| users.into_iter().filter_map(|user| id_of(view, user)).collect());
        let members = given(self.groups).map(|groups| members(view, groups));
        let mut users: Vec<Vec<i64>> = users.into_iter().chain(members).collect();
        users.iter_mut().for_each(|list| list.sort_unstable());
        Ok(Criteria {
            closed: self.closed,
            id: self.id,
            projects,
            media: given(self.media),
            reasons: given(self.reasons),
            routing_groups: given(self.routing_groups),
            users,
        })
    }
}

fn given<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// A user's integer id. One given as such is taken as it is: who was deleted long ago is known to the archive only.
fn id_of(view: &View, user: EntityRef) -> Option<i64> {
    match user {
        EntityRef::Id(id) => Some(id),
        EntityRef::Guid(_) => Some(view.directory().profile_of(&UserRef::Entity(user))?.id),
    }
}

fn members(view: &View, groups: Vec<EntityRef>) -> Vec<i64> {
    let values = groups.into_iter().map(Value::Entity).collect();
    let filter = Filter::default().and(Clause::Any(Dimension::Group, values));
    let members = roster(view, &filter, Connection::Any).into_iter();
    members.filter_map(|ix| Some(view.directory().profile(ix)?.id)).collect()
}
