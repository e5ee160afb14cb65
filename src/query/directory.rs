//! Exports reference data and users in the form that `PUT /v1/directory` accepts.

use std::sync::Arc;

use serde::Serialize;

use crate::domain::PackedProfile;
use crate::domain::directory::{DirectorySettings, Kind};
use crate::live::View;
use crate::live::directory::Entity;

/// The members of the document that are no lists.
#[derive(Debug, Serialize)]
pub struct Head {
    #[serde(skip_serializing_if = "DirectorySettings::is_default")]
    settings: DirectorySettings,
}

/// Returns the members of the directory that are no lists.
pub fn directory_head(view: &View) -> Head {
    Head { settings: view.directory().settings() }
}

/// One row of the directory.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Row {
    /// An entity of the reference data.
    Entity(Entity),
    /// A user's profile.
    User(Arc<PackedProfile>),
}

/// The rows of one member of the document.
pub type Rows = Box<dyn Iterator<Item = Row> + Send>;

/// Returns the number of rows of the directory, deleted users included.
pub fn directory_size(view: &View) -> usize {
    let directory = view.directory();
    Kind::ALL.into_iter().map(|kind| directory.table(kind).rows().len()).sum::<usize>() + directory.users().len()
}

/// Returns the lists of the whole directory by the document's members, the rows of each ascending by id.
pub fn directory(view: &Arc<View>) -> Vec<(&'static str, Rows)> {
    let entities = Kind::ALL.into_iter().map(|kind| (kind.member(), entities(view, kind)));
    entities.chain([("users", users(view))]).collect()
}

fn entities(view: &View, kind: Kind) -> Rows {
    let mut rows: Vec<Arc<Entity>> = view.directory().table(kind).rows().iter().cloned().collect();
    rows.sort_unstable_by_key(|entity| entity.id);
    // The time of creation is not a member of a document, so it is left out.
    Box::new(rows.into_iter().map(|entity| Row::Entity(Entity { created: None, ..Entity::clone(&entity) })))
}

fn users(view: &Arc<View>) -> Rows {
    let view = view.clone();
    // Indexes rather than profiles, so that a long answer holds little memory besides its view.
    let mut users: Vec<(i64, u32)> = view.directory().users().live().map(|(ix, profile)| (profile.id, ix)).collect();
    users.sort_unstable();
    Box::new(users.into_iter().filter_map(move |(_, ix)| Some(Row::User(view.directory().profile(ix)?.clone()))))
}
