//! Users: their profiles, presences and current availability.

use std::sync::Arc;

use super::presences::{Presence, presence};
use crate::domain::conversation::NamedUser;
use crate::domain::directory::Kind;
use crate::domain::{Channel, EntityRef, Filter, PackedProfile, PerChannel, Reason, Time};
use crate::live::count::index::{Columns, Plane};
use crate::live::{Tracked, View};
use crate::projection::roster::{Connection, roster};
use crate::query::reference::{Reference, reference};

/// A user as of one view, deleted or not.
#[derive(Clone, Debug)]
pub struct Member {
    view: Arc<View>,
    id: i64,
    /// `None` for a deleted user that the directory no longer remembers.
    profile: Option<Arc<PackedProfile>>,
    /// Time of deletion; `None` if not deleted, or no longer remembered.
    deleted: Option<Time>,
}

/// One user on one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// True if the directory enables the channel for the user.
    pub enabled: bool,
    /// The reason why the user can or cannot take a conversation on the channel; the status follows from it.
    pub reason: Reason,
    /// The recorded time since which the user has this reason on the channel; `None` if it is not known.
    pub since: Option<Time>,
    /// Conversations held, also while offline.
    pub current: u32,
    /// The most conversations at a time.
    pub max: u32,
}

/// Returns the best reason over some channels, and the recorded time since which the user has it: the earliest of the
/// channels with this reason, and `None` if it is not known of one of them. `None` without channels.
pub fn best_reason(
    standing: &PerChannel<Standing>,
    channels: impl IntoIterator<Item = Channel, IntoIter: Clone>,
) -> Option<(Reason, Option<Time>)> {
    let found = channels.into_iter().map(|channel| standing[channel]);
    let best = found.clone().map(|on| on.reason).max()?;
    // `None` is less than every time, as it should be: it is not known how early it was.
    Some((best, found.filter(|on| on.reason == best).map(|on| on.since).min()?))
}

impl Member {
    /// Returns the user of an integer id. A user that the directory does not have is returned as deleted, with the id
    /// alone: conversations may refer to users that were deleted long ago.
    pub fn of(view: &Arc<View>, id: i64) -> Self {
        Member::find(view, EntityRef::Id(id)).unwrap_or_else(|| Member::forgotten(view, id))
    }

    /// Returns the user that an entry of a history names. If the integer id was given to another user since, the user of
    /// then is returned as deleted, with the id alone.
    pub fn named(view: &Arc<View>, user: NamedUser) -> Self {
        let ix = view.directory().users().by_id(user.id);
        let is_given_again = ix.is_some_and(|ix| view.detail(ix).created > user.at);
        if is_given_again { Member::forgotten(view, user.id) } else { Member::of(view, user.id) }
    }

    fn forgotten(view: &Arc<View>, id: i64) -> Self {
        Member { view: view.clone(), id, profile: None, deleted: None }
    }

    /// Finds a user by integer id or GUID. Deleted users are found as long as the directory remembers them.
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

    /// Returns the user's integer id.
    pub const fn id(&self) -> i64 {
        self.id
    }

    /// Returns the user's profile, also of a deleted user. `None` if the directory no longer remembers the user.
    pub fn profile(&self) -> Option<&PackedProfile> {
        self.profile.as_deref()
    }

    /// Returns true if the user was deleted.
    pub const fn is_deleted(&self) -> bool {
        self.deleted.is_some() || self.profile.is_none()
    }

    /// Returns the time of deletion. `None` if the user is not deleted, or the directory no longer remembers the user.
    pub const fn deleted(&self) -> Option<Time> {
        self.deleted
    }

    /// Returns the time of the user's newest connection. `None` if there was none, and for a deleted user.
    pub fn logged_in(&self) -> Option<Time> {
        self.columns()?;
        let ix = self.view.directory().users().by_id(self.id)?;
        Some(self.view.detail(ix).logged_in).filter(|time| *time != Time::NEVER)
    }

    /// Returns the user's presence, and true if a desk is connected. `None` for a deleted user.
    pub fn presence(&self) -> Option<(Presence, bool)> {
        let columns = self.columns()?;
        Some((presence(&self.view, self.profile.as_ref()?.guid)?, columns.has(Plane::Connected)))
    }

    /// Returns the recorded time since which the user shows the presence. `None` if it is not known, and for a deleted
    /// user.
    pub fn presence_since(&self) -> Option<Time> {
        self.since(Tracked::Presence)
    }

    /// Returns the recorded time since which the user is connected, or is not. `None` if it is not known, and for a
    /// deleted user.
    pub fn connected_since(&self) -> Option<Time> {
        self.since(Tracked::Connected)
    }

    fn since(&self, tracked: Tracked) -> Option<Time> {
        self.view.since(self.view.directory().users().by_id(self.id)?, tracked)
    }

    /// Returns the user's standing on every channel. `None` for a deleted user.
    pub fn standing(&self) -> Option<PerChannel<Standing>> {
        let columns = self.columns()?;
        Some(PerChannel::from_fn(|channel| Standing {
            enabled: columns.has(Plane::Enabled(channel)),
            reason: columns.reason(channel),
            since: self.since(Tracked::Reason(channel)),
            current: columns.current[channel],
            max: columns.max[channel],
        }))
    }

    /// Returns the user's projects, ascending by id.
    pub fn projects(&self) -> impl Iterator<Item = Reference> {
        let ids = self.profile.iter().flat_map(|profile| profile.projects());
        ids.filter_map(|id| self.entity(Kind::Project, id))
    }

    /// Returns the user's skills, ascending by id.
    pub fn skills(&self) -> impl Iterator<Item = Reference> {
        let ids = self.profile.iter().flat_map(|profile| profile.skills());
        ids.filter_map(|id| self.entity(Kind::Skill, id))
    }

    /// Returns the user's primary group, if there is one.
    pub fn primary_group(&self) -> Option<Reference> {
        self.entity(Kind::Group, self.profile.as_ref()?.primary_group()?)
    }

    /// Returns the user's groups, including the primary one, ascending by id.
    pub fn groups(&self) -> impl Iterator<Item = Reference> {
        let all = |profile: &Arc<PackedProfile>| {
            let mut ids: Vec<i64> = profile.groups().chain(profile.primary_group()).collect();
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

    /// Returns the columns of a user that is not deleted.
    fn columns(&self) -> Option<Columns> {
        if self.is_deleted() {
            return None;
        }
        Some(self.view.columns(self.view.directory().users().by_id(self.id)?))
    }
}

/// Returns the users of a selection, in no particular order. No selection has deleted users.
pub fn users<'v>(
    view: &'v View,
    filter: &Filter,
    connection: Connection,
) -> impl Iterator<Item = &'v Arc<PackedProfile>> + use<'v> {
    roster(view, filter, connection).into_iter().filter_map(|ix| view.directory().profile(ix))
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
    fn the_best_reason_is_as_old_as_the_first_channel_with_it() {
        let on = |reason, since: Option<i64>| Standing {
            enabled: true,
            reason,
            since: since.map(Time::from_micros),
            current: 0,
            max: 1,
        };
        let (full, available) = (Reason::Full, Reason::Available);
        let mut standing =
            PerChannel([on(full, Some(1)), on(available, Some(9)), on(available, Some(5)), on(full, None)]);
        let at = |micros| Some(Time::from_micros(micros));
        assert_eq!(best_reason(&standing, Channel::ALL), Some((available, at(5))));
        assert_eq!(best_reason(&standing, [Channel::Chat]), Some((full, at(1))));
        assert_eq!(best_reason(&standing, [Channel::Chat, Channel::Call]), Some((available, at(9))));
        assert_eq!(
            best_reason(&standing, [Channel::Chat, Channel::ThirdParty]),
            Some((full, None)),
            "one is not known"
        );
        assert_eq!(best_reason(&standing, []), None);
        standing[Channel::Call].since = None;
        assert_eq!(best_reason(&standing, Channel::ALL), Some((available, None)));
    }

    #[test]
    fn deleted_users_keep_their_profile_and_forgotten_users_their_id() {
        let mut directory = Directory::new(TenantId(Uuid::from_u128(7)));
        let json = r#"{"groups":[{"id":1,"name":"North"}],"users":[{"id":5,"name":"Ann","groups":[1]}]}"#;
        directory.upsert(&serde_json::from_str::<Document>(json).unwrap(), Time::NEVER).unwrap();
        let view = |directory: &Directory| {
            Arc::new(View::new(
                1,
                Arc::new(directory.clone()),
                Index::default(),
                Details::default(),
                Conversations::default(),
            ))
        };
        let summary = |member: &Member| (member.is_deleted(), member.deleted(), member.groups().count());
        let ann = Member::of(&view(&directory), 5);
        assert_eq!(summary(&ann), (false, None, 1));
        assert!(ann.presence().is_some() && ann.standing().is_some());

        let ix = directory.find(&UserRef::id(5)).unwrap();
        let at = Time::from_micros(9);
        directory.delete(ix, at);
        let gone = Member::find(&view(&directory), EntityRef::Id(5)).unwrap();
        assert_eq!(summary(&gone), (true, Some(at), 1));
        assert_eq!(gone.profile().map(|profile| profile.name()), Some("Ann"));
        assert!(gone.presence().is_none() && gone.standing().is_none());

        directory.forget(ix);
        assert!(Member::find(&view(&directory), EntityRef::Id(5)).is_none());
        let forgotten = Member::of(&view(&directory), 5);
        assert_eq!((forgotten.id(), summary(&forgotten)), (5, (true, None, 0)));
        assert!(forgotten.profile().is_none() && forgotten.presence().is_none() && forgotten.standing().is_none());
    }
}
