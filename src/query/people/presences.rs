//! What users show to be, and what they may choose to.

use uuid::Uuid;

use crate::domain::directory::Kind;
use crate::domain::presence::{Category, Definition};
use crate::domain::{EntityRef, Time, UserRef};
use crate::live::View;
use crate::live::count::index::Plane;
use crate::query::SHORT;

/// What one user shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Who, by GUID.
    pub user: Uuid,
    /// When it was chosen or a desk last came or went, whichever is newer; `None` if neither ever happened.
    pub updated: Option<Time>,
    /// The definition shown.
    pub definition: Definition,
}

/// One user; `None` where there is no such user.
pub fn presence(view: &View, user: Uuid) -> Option<Presence> {
    let directory = view.directory();
    let ix = directory.find(&UserRef::Entity(EntityRef::Guid(user)))?;
    let (columns, detail) = (view.columns(ix), view.detail(ix));
    let definition = if !columns.has(Plane::Connected) {
        directory.logged_out()
    } else if columns.has(Plane::Away) {
        directory.shown(Category::Away, detail.definition)
    } else if columns.has(Plane::ExtendedAway) {
        directory.shown(Category::ExtendedAway, detail.definition)
    } else {
        directory.shown(Category::Ready, detail.definition)
    };
    let updated = Some(detail.updated).filter(|updated| *updated != Time::NEVER);
    Some(Presence { user, updated, definition })
}

/// The users there are of those asked for, in that order.
pub fn presences(view: &View, users: &[Uuid]) -> Vec<Presence> {
    users.iter().filter_map(|user| presence(view, *user)).collect()
}

/// Whether the tenant has so many definitions of its own that listing them, or choosing the one a user shows among them,
/// takes long.
pub fn has_many_definitions(view: &View) -> bool {
    view.directory().table(Kind::PresenceDefinition).rows().len() > SHORT
}

/// Every definition, the built-in ones first.
pub fn definitions(view: &View) -> Vec<Definition> {
    view.directory().definitions()
}
