//! The presences of users, and the definitions to choose from.

use uuid::Uuid;

use crate::domain::directory::Kind;
use crate::domain::presence::{Category, Definition};
use crate::domain::{EntityRef, Time, UserRef};
use crate::live::View;
use crate::live::count::index::Plane;
use crate::query::INLINE_ROWS;

/// The presence of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The user's GUID.
    pub user: Uuid,
    /// The time at which the presence was chosen, or at which a session of a desk last opened or ended, whichever is
    /// newer; `None` if neither ever happened.
    pub updated: Option<Time>,
    /// The presence definition that is shown.
    pub definition: Definition,
}

/// Returns a user's presence. `None` if there is no such user.
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
        // As it was when the user chose it, which decides the status; the definition may have changed since.
        let routable = columns.has(Plane::AcceptsWork);
        Definition { routable, ..directory.shown(Category::Ready, detail.definition) }
    };
    let updated = Some(detail.updated).filter(|updated| *updated != Time::NEVER);
    Some(Presence { user, updated, definition })
}

/// Returns the presences of the given users, in that order. Unknown users are left out.
pub fn presences(view: &View, users: &[Uuid]) -> Vec<Presence> {
    users.iter().filter_map(|user| presence(view, *user)).collect()
}

/// Returns true if the tenant has so many definitions of its own that listing them, or finding the one that a user
/// shows, takes long.
pub fn has_many_definitions(view: &View) -> bool {
    view.directory().table(Kind::PresenceDefinition).rows().len() > INLINE_ROWS
}

/// Returns every definition, the built-in ones first.
pub fn definitions(view: &View) -> Vec<Definition> {
    view.directory().definitions()
}
