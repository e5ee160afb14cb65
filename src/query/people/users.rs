//! Users one by one and all together: who they are, what they show, and what they can take now.

use std::sync::Arc;

use super::presences::{Presence, presence};
use crate::domain::directory::Kind;
use crate::domain::{Channel, EntityRef, Filter, PerChannel, Profile, Status, Time};
use crate::live::View;
use crate::live::count::index::{Columns, Plane};
use crate::projection::roster::{Connection, roster};
use crate::query::reference::{Reference, reference};

/// A user of one view, deleted or not: all that is asked of them is answered from that view.
#[derive(Clone, Debug)]
pub struct Member {
    view: Arc<View>,
    id: i64,
    profile: Option<Arc<Profile>>,
    deleted: Option<Time>,
}

/// One user on one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The channel is enabled for the user.
    pub enabled: bool,
    /// Whether the user can take one more, and if not, why.
    pub status: Status,
    /// Conversations held, also while offline.
    pub current: u32,
    /// Conversations allowed.
    pub max: u32,
}

impl Member {
    /// The user that an integer id names or named: of one who is forgotten nothing but the id is left.
    pub fn of(view: &Arc<View>, id: i64) -> Self {
        let forgotten = || Member { view: view.clone(), id, profile: None, deleted: None };
        Member::find(view, EntityRef::Id(id)).unwrap_or_else(forgotten)
    }

    /// The user that a reference names; deleted ones included, as long as they are remembered.
    pub fn find(view: &Arc<View>, user: EntityRef) -> Option<Self> {
        let users = view.directory().users();
        let ix = match user {
            EntityRef::Id(id) => users.by_id(id),
            EntityRef::Guid(guid) => users.by_guid(guid),
        }?;
        let account = users.account(ix)?;
        let (profile, deleted) = (account.profile.clone(), account.deleted);
        Some(Member { view: view.clone(), id: profile.id, profile: Some(profile), deleted })
    }

    /// Integer id.
    pub const fn id(&self) -> i64 {
        self.id
    }

    /// What the directory knows of them; of a deleted user, what it knew. `None` of one who is forgotten.
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_deref()
    }

    /// Whether they are gone.
    pub const fn is_deleted(&self) -> bool {
        self.deleted.is_some() || self.profile.is_none()
    }

    /// When they were deleted, as long as that is remembered.
    pub const fn deleted(&self) -> Option<Time> {
        self.deleted
    }

    /// What they show, and whether a desk is connected; `None` of one who is gone.
    pub fn presence(&self) -> Option<(Presence, bool)> {
        let columns = self.columns()?;
        Some((presence(&self.view, self.profile.as_ref()?.guid)?, columns.has(Plane::Connected)))
    }

    /// How they stand on every channel; `None` of one who is gone.
    pub fn standing(&self) -> Option<PerChannel<Standing>> {
        let columns = self.columns()?;
        Some(PerChannel::from_fn(|channel| Standing {
            enabled: columns.has(Plane::Enabled(channel)),
            status: status(&columns, channel),
            current: columns.current[channel],
            max: columns.max[channel],
        }))
    }

    /// Their projects, ascending by id.
    pub fn projects(&self) -> impl Iterator<Item = Reference> {
        let ids = self.profile.iter().flat_map(|profile| &profile.projects);
        ids.filter_map(|id| self.entity(Kind::Project, *id))
    }

    /// Their skills, likewise.
    pub fn skills(&self) -> impl Iterator<Item = Reference> {
        let ids = self.profile.iter().flat_map(|profile| &profile.skills);
        ids.filter_map(|id| self.entity(Kind::Skill, *id))
    }

    /// Their groups, the primary one among them, likewise.
    pub fn groups(&self) -> impl Iterator<Item = Reference> {
        let all = |profile: &Arc<Profile>| {
            let mut ids: Vec<i64> = profile.groups.iter().copied().chain(profile.primary_group).collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let ids = self.profile.iter().flat_map(all);
        ids.filter_map(|id| self.entity(Kind::Group, id))
    }

    fn entity(&self, kind: Kind, id: i64) -> Option<Reference> {
        reference(&self.view, kind, EntityRef::Id(id))
    }

    fn columns(&self) -> Option<Columns> {
        if self.is_deleted() {
            return None;
        }
        Some(self.view.columns(self.view.directory().users().by_id(self.id)?))
    }
}

/// The users of a selection, in no order; deleted ones are in none.
pub fn users<'v>(
    view: &'v View,
    filter: &Filter,
    connection: Connection,
) -> impl Iterator<Item = &'v Arc<Profile>> + use<'v> {
    roster(view, filter, connection).into_iter().filter_map(|ix| view.directory().profile(ix))
}

/// What [`crate::domain::status::Facts::status`] decided, read back from the columns that follow from it.
const fn status(columns: &Columns, channel: Channel) -> Status {
    if !columns.has(Plane::Connected) {
        Status::Offline
    } else if !columns.has(Plane::Enabled(channel)) {
        Status::Disabled
    } else if columns.has(Plane::Available(channel)) {
        Status::Available
    } else if columns.has(Plane::Busy(channel)) {
        Status::Busy
    } else {
        Status::ToggleOff
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::directory::Document;
    use crate::domain::{TenantId, UserRef};
    use crate::live::Directory;
    use crate::live::conversations::Conversations;
    use crate::live::count::index::Index;
    use crate::live::details::Details;

    #[test]
    fn of_who_is_deleted_something_is_known_and_of_who_is_forgotten_the_id() {
        let mut directory = Directory::new(TenantId(Uuid::from_u128(7)));
        let json = r#"{"groups":[{"id":1,"name":"North"}],"users":[{"id":5,"name":"Ann","groups":[1]}]}"#;
        directory.upsert(&serde_json::from_str::<Document>(json).unwrap(), Time::NEVER).unwrap();
        let view = |directory: &Directory| {
            Arc::new(View::new(
                1,
                Arc::new(directory.clone()),
                (Index::default(), Details::default()),
                Conversations::default(),
            ))
        };
        let told = |member: &Member| (member.is_deleted(), member.deleted(), member.groups().count());
        let ann = Member::of(&view(&directory), 5);
        assert_eq!(told(&ann), (false, None, 1));
        assert!(ann.presence().is_some() && ann.standing().is_some());

        let ix = directory.find(&UserRef::id(5)).unwrap();
        let at = Time::from_micros(9);
        directory.delete(ix, at);
        let gone = Member::find(&view(&directory), EntityRef::Id(5)).unwrap();
        assert_eq!(told(&gone), (true, Some(at), 1));
        assert_eq!(gone.profile().map(|profile| profile.name.as_str()), Some("Ann"));
        assert!(gone.presence().is_none() && gone.standing().is_none());

        directory.forget(ix);
        assert!(Member::find(&view(&directory), EntityRef::Id(5)).is_none());
        let forgotten = Member::of(&view(&directory), 5);
        assert_eq!((forgotten.id(), told(&forgotten)), (5, (true, None, 0)));
        assert!(forgotten.profile().is_none() && forgotten.presence().is_none() && forgotten.standing().is_none());
    }
}
