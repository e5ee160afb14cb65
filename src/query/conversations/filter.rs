//! The filter of a list of conversations, as requests give it, and its translation to criteria.

use uuid::Uuid;

use crate::domain::conversation::{Criteria, IdOwner, Medium};
use crate::domain::directory::Kind;
use crate::domain::filter::{Clause, Dimension, Value};
use crate::domain::{EntityRef, Fault, Filter, Time, UserRef};
use crate::live::View;
use crate::projection::roster::{Connection, roster};

/// The most days that a list of closed conversations may cover: three months.
pub const MAX_DAYS: i64 = 92;

/// A filter of conversations. A conversation must match one value of each member that is given. Empty members restrict
/// nothing; values that are unknown match nothing.
#[derive(Clone, Debug, Default)]
pub struct ConversationFilter {
    /// The interval of the time of closing, both ends included.
    pub closed: Option<(Time, Time)>,
    /// The conversation's id.
    pub id: Option<Uuid>,
    /// Projects of the conversation.
    pub projects: Vec<EntityRef>,
    /// Channels of the conversation.
    pub media: Vec<Medium>,
    /// Groups with a current member that took part.
    pub groups: Vec<EntityRef>,
    /// Users that took part.
    pub users: Vec<EntityRef>,
    /// Routing groups that the conversation was given to.
    pub routing_groups: Vec<Uuid>,
    /// Reasons for the closing.
    pub reasons: Vec<String>,
}

impl ConversationFilter {
    /// Resolves the references to the criteria that conversations are compared with. [`Fault::Invalid`] for an interval
    /// that ends before it begins or is longer than [`MAX_DAYS`].
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
        let users = given(self.users).map(|users| users.into_iter().filter_map(|user| owner(view, user)).collect());
        let members = given(self.groups).map(|groups| members(view, groups));
        let mut users: Vec<Vec<IdOwner>> = users.into_iter().chain(members).collect();
        // Conversations are compared with these lists by binary search.
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

/// Returns `None` for an empty list, which restricts nothing.
fn given<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// Returns the owner of a user's integer id. An integer id stands for every user that had it, and is not looked up, since
/// a user that was deleted long ago may be in the archive only. A GUID is the current user's.
fn owner(view: &View, user: EntityRef) -> Option<IdOwner> {
    match user {
        EntityRef::Id(id) => Some(IdOwner::any(id)),
        EntityRef::Guid(_) => current(view, view.directory().find(&UserRef::Entity(user))?),
    }
}

/// Returns the current members of any of the groups.
fn members(view: &View, groups: Vec<EntityRef>) -> Vec<IdOwner> {
    let values = groups.into_iter().map(Value::Entity).collect();
    let filter = Filter::default().and(Clause::Any(Dimension::Group, values));
    roster(view, &filter, Connection::Any).into_iter().filter_map(|ix| current(view, ix)).collect()
}

/// Returns the user at a dense index, from the position on at which it was created.
fn current(view: &View, ix: u32) -> Option<IdOwner> {
    Some(IdOwner { id: view.directory().profile(ix)?.id, since: view.detail(ix).created })
}
