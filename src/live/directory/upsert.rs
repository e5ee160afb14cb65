//! Takes a document into the directory, as a whole or not at all (EVENTS.md, "Directory").

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use uuid::Uuid;

use super::{Directory, Entity};
use crate::domain::Profile;
use crate::domain::directory::{Changes, ChannelPatch, Document, EntityPatch, Field, Kind, Problem, TAKEN, UserPatch};
use crate::domain::ids::{EntityRef, MAX_ID};
use crate::domain::profile::ChannelConf;
use crate::domain::{Channel, Roles, Time};

/// What a document did.
#[derive(Debug, Default)]
pub struct Upserted {
    /// The counts for the caller.
    pub changes: Changes,
    /// Entities made or changed.
    pub entities: Vec<(Kind, i64)>,
    /// Users made or changed.
    pub users: Vec<u32>,
}

/// A problem's place and text, below one entity.
type Refused = (String, &'static str);

impl Directory {
    /// Takes the document in; what it makes is created at `now`. On an error this directory is half-changed: work on a
    /// copy and drop it.
    pub fn upsert(&mut self, document: &Document, now: Time) -> Result<Upserted, Vec<Problem>> {
        let mut done = Upserted::default();
        let mut problems = Vec::new();
        for kind in Kind::ALL {
            let mut named = HashSet::new();
            for (n, patch) in document.of(kind).iter().enumerate() {
                if let Err((member, detail)) = self.upsert_entity((kind, patch), now, &mut named, &mut done) {
                    problems.push(problem(kind.member(), n, &member, detail));
                }
            }
        }
        let targets = self.find_targets(&document.users, &mut problems);
        for ix in targets.iter().copied().flatten().flatten() {
            self.users.unname(ix);
        }
        for (n, (patch, target)) in document.users.iter().zip(&targets).enumerate() {
            let Some(target) = *target else { continue };
            if let Err((member, detail)) = self.upsert_user(patch, target, &mut done) {
                problems.push(problem("users", n, &member, detail));
            }
        }
        if problems.is_empty() { Ok(done) } else { Err(problems) }
    }

    fn upsert_entity(
        &mut self,
        (kind, patch): (Kind, &EntityPatch),
        now: Time,
        named: &mut HashSet<i64>,
        done: &mut Upserted,
    ) -> Result<(), Refused> {
        let table = self.table(kind);
        let by_id = patch.id.map(|id| table.by_id(id));
        let by_guid = patch.guid.map(|guid| table.by_guid(guid));
        let row = one_target(&[("id", by_id), ("guid", by_guid)])?;
        let before = row.map(|row| table.rows()[row as usize].clone());
        let mut entity = match &before {
            Some(entity) => Entity::clone(entity),
            None => Entity { created: Some(now), ..self.new_entity(kind, patch)? },
        };
        once(named, entity.id)?;
        if let Some(name) = &patch.name {
            entity.name.clone_from(name);
        }
        if let Some(groups) = &patch.routing_groups {
            entity.routing_groups = Some(self.routing_groups(groups)?);
        }
        match patch.parent {
            Field::Absent => {}
            Field::Clear => entity.parent = None,
            Field::Set(parent) => entity.parent = Some(self.parent(kind, entity.id, parent)?),
        }
        entity.order = patch.order.or(entity.order);
        entity.category = patch.category.or(entity.category);
        entity.selectable = patch.selectable.or(entity.selectable);
        if patch.description.is_some() {
            entity.description.clone_from(&patch.description);
        }
        if before.as_deref() == Some(&entity) {
            done.changes.unchanged += 1;
            return Ok(());
        }
        if before.is_some() {
            done.changes.updated += 1;
        } else {
            done.changes.created += 1;
        }
        done.entities.push((kind, entity.id));
        self.tables[kind as usize].put(Arc::new(entity));
        Ok(())
    }

    fn new_entity(&self, kind: Kind, patch: &EntityPatch) -> Result<Entity, Refused> {
        let (id, guid) = self.identity(kind.name(), patch.id, patch.guid, self.table(kind).high())?;
        if self.table(kind).by_guid(guid).is_some() {
            return Err((String::from("guid"), "names another entity"));
        }
        let is_definition = kind == Kind::PresenceDefinition;
        let missing = "is needed for a new entity";
        if is_definition {
            patch.category.ok_or((String::from("category"), missing))?;
            patch.description.as_ref().ok_or((String::from("description"), missing))?;
        } else {
            patch.name.as_ref().ok_or((String::from("name"), missing))?;
        }
        Ok(Entity {
            id,
            guid,
            name: String::new(),
            routing_groups: (kind == Kind::RoutingRule).then(Vec::new),
            category: None,
            description: None,
            selectable: is_definition.then_some(true),
            parent: None,
            order: None,
            created: None,
        })
    }

    /// The integer id of a parent that is there already and does not lie in the entity itself.
    fn parent(&self, kind: Kind, id: i64, parent: EntityRef) -> Result<i64, Refused> {
        let refused = |detail| (String::from("parent"), detail);
        let table = self.table(kind);
        let parent = table.get(parent).ok_or(refused("is not known"))?.id;
        if parent == id || table.ancestors(parent).any(|ancestor| ancestor == id) {
            return Err(refused("lies in the entity itself"));
        }
        Ok(parent)
    }

    /// What is missing of an identity is given here: the next integer, and a GUID made from it.
    fn identity(&self, kind: &str, id: Option<i64>, guid: Option<Uuid>, high: i64) -> Result<(i64, Uuid), Refused> {
        let id = id.unwrap_or(high + 1);
        if id > MAX_ID {
            return Err((String::from("id"), "no integer id is left to give"));
        }
        let guid = guid.unwrap_or_else(|| Uuid::new_v5(&self.tenant.0, format!("{kind}/{id}").as_bytes()));
        Ok((id, guid))
    }

    /// The user each patch is about, `Some(None)` for a new one, and `None` where that cannot be said. Decided before
    /// anything changes.
    fn find_targets(&self, patches: &[UserPatch], problems: &mut Vec<Problem>) -> Vec<Option<Option<u32>>> {
        let mut named = HashSet::new();
        let mut find = |patch: &UserPatch| -> Result<Option<u32>, Refused> {
            let by_id = patch.id.map(|id| self.users.by_id(id));
            let by_guid = patch.guid.map(|guid| self.users.by_guid(guid));
            let external = patch.external_id.value().filter(|_| by_id.is_none() && by_guid.is_none());
            let by_external = external.map(|id| self.users.by_external(id));
            let target = one_target(&[("id", by_id), ("guid", by_guid), ("external_id", by_external)])?;
            if let Some(ix) = target {
                once(&mut named, ix)?;
                if self.users.account(ix).is_some_and(|account| account.deleted.is_some()) {
                    return Err((String::from("id"), "belonged to a user who was deleted"));
                }
            }
            Ok(target)
        };
        let mut targets = Vec::with_capacity(patches.len());
        for (n, patch) in patches.iter().enumerate() {
            let target = find(patch).map_err(|(member, detail)| problems.push(problem("users", n, &member, detail)));
            targets.push(target.ok());
        }
        targets
    }

    fn upsert_user(&mut self, patch: &UserPatch, target: Option<u32>, done: &mut Upserted) -> Result<(), Refused> {
        let before = target.and_then(|ix| self.users.account(ix)).map(|account| account.profile.clone());
        let mut profile = match &before {
            Some(profile) => Profile::clone(profile),
            None => {
                let (id, guid) = self.identity("user", patch.id, patch.guid, self.users.high())?;
                if self.users.by_id(id).is_some() || self.users.by_guid(guid).is_some() {
                    return Err((String::new(), "names a user twice"));
                }
                let name = patch.name.clone().ok_or((String::from("name"), "is needed for a new user"))?;
                Profile::new(id, guid, name)
            }
        };
        self.patch_profile(&mut profile, patch)?;
        for (member, owner) in [
            ("external_id", profile.external_id.as_ref().and_then(|id| self.users.by_external(id))),
            ("email", profile.email.as_ref().and_then(|email| self.users.by_email(email))),
        ] {
            if owner.is_some_and(|owner| Some(owner) != target) {
                return Err((String::from(member), TAKEN));
            }
        }
        let unchanged = before.as_deref() == Some(&profile);
        let profile = Arc::new(profile);
        let ix = match target {
            Some(ix) => {
                self.leave(ix);
                self.users.replace(ix, profile);
                ix
            }
            None => self.users.insert(profile),
        };
        self.join(ix);
        match (unchanged, target) {
            (true, _) => done.changes.unchanged += 1,
            (false, Some(_)) => done.changes.updated += 1,
            (false, None) => done.changes.created += 1,
        }
        if !unchanged {
            done.users.push(ix);
        }
        Ok(())
    }

    fn patch_profile(&self, profile: &mut Profile, patch: &UserPatch) -> Result<(), Refused> {
        patch.external_id.patch(&mut profile.external_id);
        if let Some(name) = &patch.name {
            profile.name.clone_from(name);
        }
        patch.first_name.patch(&mut profile.first_name);
        patch.pseudo.patch(&mut profile.pseudo);
        patch.email.patch(&mut profile.email);
        if let Some(roles) = &patch.roles {
            profile.roles = roles.iter().copied().collect();
        } else if let Some(role) = patch.role {
            profile.roles = Roles::from_iter([role]);
        }
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
                _ => profile.campaigns = ids,
            }
        }
        if let Some(groups) = &patch.routing_groups {
            profile.routing_groups = self.routing_groups(groups)?;
        }
        patch_channels(profile, patch);
        profile.chat_and_call = patch.chat_and_call.unwrap_or(profile.chat_and_call);
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

    /// The integer ids that the references name, ascending and without repeats.
    fn references(&self, kind: Kind, references: &[EntityRef], member: &str) -> Result<Vec<i64>, Refused> {
        self.resolved(kind, references, member, |entity| entity.id)
    }

    /// The GUIDs of the routing groups that the references name, likewise.
    fn routing_groups(&self, references: &[EntityRef]) -> Result<Vec<Uuid>, Refused> {
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

/// The one thing that all identities given name; `None` when none of them is known.
fn one_target(identities: &[(&'static str, Option<Option<u32>>)]) -> Result<Option<u32>, Refused> {
    let mut given = identities.iter().filter_map(|(member, found)| Some((member, (*found)?)));
    let Some((_, first)) = given.next() else { return Ok(None) };
    for (member, found) in given {
        if found != first {
            return Err((String::from(*member), "names another entity than the identities before it"));
        }
    }
    Ok(first)
}

fn once<T: Eq + Hash>(named: &mut HashSet<T>, target: T) -> Result<(), Refused> {
    if named.insert(target) { Ok(()) } else { Err((String::new(), "is named twice in this document")) }
}

fn problem(member: &str, n: usize, below: &str, detail: &str) -> Problem {
    let slash = if below.is_empty() { "" } else { "/" };
    Problem { pointer: format!("/{member}/{n}{slash}{below}"), detail: detail.to_owned() }
}
