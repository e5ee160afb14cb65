//! Applies the patch of a user to the profile, and resolves the references in patches.

use uuid::Uuid;

use super::{Directory, Entity};
use crate::domain::directory::{ChannelPatch, Kind, UserPatch};
use crate::domain::ids::EntityRef;
use crate::domain::json::Field;
use crate::domain::profile::ChannelConf;
use crate::domain::settings::capacity::patch_sizes;
use crate::domain::{Channel, Profile};

/// A problem of one entity: the pointer to its member, relative to the entity, and the description.
pub(super) type Refused = (String, &'static str);

impl Directory {
    /// Applies a patch to `profile`. A reference to an unknown entity is an error.
    pub(super) fn patch_profile(&self, profile: &mut Profile, patch: &UserPatch) -> Result<(), Refused> {
        patch.external_id.patch(&mut profile.external_id);
        if let Some(name) = &patch.name {
            profile.name.clone_from(name);
        }
        patch.first_name.patch(&mut profile.first_name);
        patch.pseudo.patch(&mut profile.pseudo);
        patch.email.patch(&mut profile.email);
        profile.roles = patch.roles_after(profile.roles);
        for (group, member) in [(&patch.primary_group, "primary_group"), (&patch.group_id, "group_id")] {
            match group {
                Field::Absent => {}
                Field::Clear => profile.primary_group = None,
                Field::Set(group) => {
                    let group = self.table(Kind::Group).get(*group);
                    profile.primary_group = Some(group.ok_or((String::from(member), "is not known"))?.id);
                }
            }
        }
        for (kind, references, member) in [
            (Kind::Group, &patch.groups, "groups"),
            (Kind::Skill, &patch.skills, "skills"),
            (Kind::Skill, &patch.skill_list, "skill_list"),
            (Kind::Project, &patch.projects, "projects"),
            (Kind::Project, &patch.website_list, "website_list"),
            (Kind::Queue, &patch.queues, "queues"),
            (Kind::Campaign, &patch.campaigns, "campaigns"),
        ] {
            let Some(references) = references else { continue };
            let ids = self.references(kind, references, member)?;
            match kind {
                Kind::Group => profile.groups = ids,
                Kind::Skill => profile.skills = ids,
                Kind::Project => profile.projects = ids,
                Kind::Queue => profile.queues = ids,
                // Campaigns: the list above has no other kinds.
                _ => profile.campaigns = ids,
            }
        }
        if let Some(groups) = &patch.routing_groups {
            profile.routing_groups = self.routing_groups(groups)?;
        }
        patch_channels(profile, patch);
        profile.chat_and_call = patch.chat_and_call.unwrap_or(profile.chat_and_call);
        patch_sizes(&patch.capacity, &mut profile.capacity);
        profile.chat_to_video = patch.chat_to_video.unwrap_or(profile.chat_to_video);
        if let Some(languages) = &patch.language_list {
            profile.language_list.clone_from(languages);
        }
        patch.language_admin.patch(&mut profile.language_admin);
        patch.sso_key.patch(&mut profile.sso_key);
        patch.call_config.patch(&mut profile.call_config);
        patch.experience.patch(&mut profile.experience);
        patch.satisfaction.patch(&mut profile.satisfaction);
        patch.profile.patch(&mut profile.profile);
        Ok(())
    }

    /// Resolves references to integer ids, ascending and without duplicates.
    fn references(&self, kind: Kind, references: &[EntityRef], member: &str) -> Result<Vec<i64>, Refused> {
        self.resolved(kind, references, member, |entity| entity.id)
    }

    /// Resolves references to routing groups to GUIDs, ascending and without duplicates.
    pub(super) fn routing_groups(&self, references: &[EntityRef]) -> Result<Vec<Uuid>, Refused> {
        self.resolved(Kind::RoutingGroup, references, "routing_groups", |entity| entity.guid)
    }

    fn resolved<T: Ord>(
        &self,
        kind: Kind,
        references: &[EntityRef],
        member: &str,
        identity: impl Fn(&Entity) -> T,
    ) -> Result<Vec<T>, Refused> {
        let table = self.table(kind);
        let mut identities = Vec::with_capacity(references.len());
        for (n, reference) in references.iter().enumerate() {
            let entity = table.get(*reference).ok_or_else(|| (format!("{member}/{n}"), "is not known"))?;
            identities.push(identity(entity));
        }
        identities.sort_unstable();
        identities.dedup();
        Ok(identities)
    }
}

/// The number of references in a patch, by which its cost is measured.
pub(super) fn references_of(patch: &UserPatch) -> usize {
    let lists = [
        &patch.groups,
        &patch.skills,
        &patch.skill_list,
        &patch.projects,
        &patch.website_list,
        &patch.queues,
        &patch.campaigns,
        &patch.routing_groups,
    ];
    lists.into_iter().flatten().map(Vec::len).sum()
}

fn patch_channels(profile: &mut Profile, patch: &UserPatch) {
    let channels = &mut profile.channels;
    for (channel, conf) in [
        (Channel::Chat, &mut channels.chat),
        (Channel::Call, &mut channels.call),
        (Channel::Video, &mut channels.video),
        (Channel::ThirdParty, &mut channels.third_party),
    ] {
        if let Some(nested) = patch.channels.as_ref().and_then(|c| c.of(channel)) {
            patch_channel(conf, nested);
        }
        patch_channel(conf, &patch.flat(channel));
    }
}

fn patch_channel(conf: &mut ChannelConf, patch: &ChannelPatch) {
    conf.enabled = patch.enabled.unwrap_or(conf.enabled);
    conf.max_slots = patch.max_slots.unwrap_or(conf.max_slots);
    conf.priority = patch.priority.unwrap_or(conf.priority);
}
