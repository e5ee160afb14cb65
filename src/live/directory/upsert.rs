//! Applies a document to a copy of the directory, as a whole or not at all, in slices of any size.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use uuid::Uuid;

use super::patch::{Refused, references_of};
use super::{Directory, Entity};
use crate::domain::directory::{
    Changes, DirectorySettingsPatch, Document, EntityPatch, Kind, Problem, ROLES_NOT_GRANTED, TAKEN, UserPatch,
};
use crate::domain::ids::{EntityRef, MAX_ID};
use crate::domain::json::Field;
use crate::domain::{PackedProfile, Profile, RoleGrant, Time};

/// Number of references looked up per unit of work.
const REFERENCES_PER_UNIT: usize = 16;

/// The effect of a document that was applied.
#[derive(Clone, Debug, Default)]
pub struct Upserted {
    /// Counts of entities and users together, as returned to the caller.
    pub changes: Changes,
    /// Entities created or changed, by kind and integer id.
    pub entities: Vec<(Kind, i64)>,
    /// Users created or changed, by dense index.
    pub users: Vec<u32>,
    /// True if a setting changed that the columns of all users depend on.
    pub everyone: bool,
}

/// A document being applied to its own clone of a directory.
#[derive(Clone, Debug)]
pub struct Upsert {
    directory: Directory,
    now: Time,
    roles: RoleGrant,
    stage: Stage,
    /// Index of the stage's next patch.
    next: usize,
    /// Integer ids of the current kind's entities that the document has named so far.
    entities: HashSet<i64>,
    /// Dense indexes of the users that the document has named so far.
    users: HashSet<u32>,
    targets: Vec<Target>,
    done: Upserted,
    problems: Vec<Problem>,
}

/// The stages of applying a document, in order. Each one processes all of its patches before the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Changes settings.
    Settings,
    /// Creates and changes the entities of the kind at this index of [`Kind::ALL`].
    Entities(usize),
    /// Finds the user that each patch is about, before any user changes.
    Targets,
    /// Frees external ids and e-mail addresses of these users, so that users can exchange them within one document.
    Names,
    /// Creates and changes users.
    Users,
}

/// The user that a patch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// A problem was reported; the patch is skipped.
    Unclear,
    /// A user to be created.
    New,
    /// The user at this dense index.
    Known(u32),
}

impl Upsert {
    /// Prepares to apply a document to a clone of `directory`, which may give the roles of `roles`. New entities get
    /// `now` as their time of creation.
    pub fn new(directory: &Directory, now: Time, roles: RoleGrant) -> Self {
        Upsert {
            directory: directory.clone(),
            now,
            roles,
            stage: Stage::Settings,
            next: 0,
            entities: HashSet::new(),
            users: HashSet::new(),
            targets: Vec::new(),
            done: Upserted::default(),
            problems: Vec::new(),
        }
    }

    /// Continues with `document`, the same at every call, until it is finished or `steps` units of work are used up.
    /// Subtracts the units used from `steps`. Returns true if the document is finished.
    pub fn advance(&mut self, document: &Document, steps: &mut usize) -> bool {
        while *steps > 0 {
            let Some(cost) = self.step(document) else { return true };
            // A patch with many references may cost more than is left.
            *steps = steps.saturating_sub(cost);
        }
        false
    }

    /// Returns the changed directory, or all problems of the document.
    pub fn finish(self) -> Result<(Directory, Upserted), Vec<Problem>> {
        if self.problems.is_empty() { Ok((self.directory, self.done)) } else { Err(self.problems) }
    }

    /// Processes one patch of the current stage, or enters the next stage. Returns the units of work used, `None` at
    /// the end.
    fn step(&mut self, document: &Document) -> Option<usize> {
        let n = self.next;
        self.next += 1;
        match self.stage {
            Stage::Settings => {
                if let Some(patch) = document.settings.as_ref().filter(|patch| !patch.is_empty()) {
                    self.patch_settings(patch);
                }
                return self.enter(Stage::Entities(0));
            }
            Stage::Entities(kind) => {
                let Some(kind) = Kind::ALL.get(kind).copied() else { return self.enter(Stage::Targets) };
                let Some(patch) = document.of(kind).get(n) else {
                    self.entities.clear();
                    return self.enter(Stage::Entities(kind as usize + 1));
                };
                let mut walked = 0;
                if let Err((member, detail)) = self.upsert_entity(kind, patch, &mut walked) {
                    self.problems.push(problem(kind.member(), n, &member, detail));
                }
                let references = patch.routing_groups.as_ref().map_or(0, Vec::len) + walked;
                return Some(1 + references / REFERENCES_PER_UNIT);
            }
            Stage::Targets => {
                let Some(patch) = document.users.get(n) else { return self.enter(Stage::Names) };
                let target = self.find_target(patch).unwrap_or_else(|(member, detail)| {
                    self.problems.push(problem("users", n, &member, detail));
                    Target::Unclear
                });
                self.targets.push(target);
            }
            Stage::Names => match self.targets.get(n) {
                Some(Target::Known(ix)) => self.directory.users.free_names(*ix),
                Some(Target::New | Target::Unclear) => {}
                None => return self.enter(Stage::Users),
            },
            Stage::Users => {
                let (patch, target) = (document.users.get(n)?, *self.targets.get(n)?);
                if target != Target::Unclear
                    && let Err((member, detail)) = self.upsert_user(patch, target)
                {
                    self.problems.push(problem("users", n, &member, detail));
                }
                return Some(1 + references_of(patch) / REFERENCES_PER_UNIT);
            }
        }
        Some(1)
    }

    /// Enters a stage, at no cost.
    fn enter(&mut self, stage: Stage) -> Option<usize> {
        (self.stage, self.next) = (stage, 0);
        Some(0)
    }

    fn patch_settings(&mut self, patch: &DirectorySettingsPatch) {
        let before = self.directory.settings;
        patch.patch(&mut self.directory.settings);
        let after = self.directory.settings;
        // The reference channel is looked up by each question, the sizes are part of the users' columns.
        self.done.everyone = before.capacity != after.capacity;
        let counted = if before == after { &mut self.done.changes.unchanged } else { &mut self.done.changes.updated };
        *counted += 1;
    }

    fn upsert_entity(&mut self, kind: Kind, patch: &EntityPatch, walked: &mut usize) -> Result<(), Refused> {
        let directory = &mut self.directory;
        let table = directory.table(kind);
        let by_id = patch.id.map(|id| table.by_id(id));
        let by_guid = patch.guid.map(|guid| table.by_guid(guid));
        let row = one_target(&[("id", by_id), ("guid", by_guid)])?;
        let before = row.and_then(|row| table.row(row)).cloned();
        let mut entity = match &before {
            Some(entity) => Entity::clone(entity),
            None => Entity { created: Some(self.now), ..directory.new_entity(kind, patch)? },
        };
        once(&mut self.entities, entity.id)?;
        if let Some(name) = &patch.name {
            entity.name.clone_from(name);
        }
        if let Some(groups) = &patch.routing_groups {
            entity.routing_groups = Some(directory.routing_groups(groups)?);
        }
        match patch.parent {
            Field::Absent => {}
            Field::Clear => entity.parent = None,
            Field::Set(parent) => {
                entity.parent = Some(directory.parent(kind, before.as_deref(), parent, walked)?);
            }
        }
        patch.order.patch(&mut entity.order);
        entity.category = patch.category.or(entity.category);
        entity.selectable = patch.selectable.or(entity.selectable);
        entity.routable = patch.routable.or(entity.routable);
        if patch.description.is_some() {
            entity.description.clone_from(&patch.description);
        }
        // An unchanged entity is not stored again, so that its row does not become dirty.
        if before.as_deref() == Some(&entity) {
            self.done.changes.unchanged += 1;
            return Ok(());
        }
        if before.is_some() {
            self.done.changes.updated += 1;
        } else {
            self.done.changes.created += 1;
        }
        self.done.entities.push((kind, entity.id));
        directory.tables[kind as usize].put(Arc::new(entity));
        Ok(())
    }

    fn find_target(&mut self, patch: &UserPatch) -> Result<Target, Refused> {
        let users = &self.directory.users;
        let by_id = patch.id.map(|id| users.by_id(id));
        let by_guid = patch.guid.map(|guid| users.by_guid(guid));
        // An external id identifies the user only without integer id and GUID; beside them it is a value to set.
        let external = patch.external_id.value().filter(|_| by_id.is_none() && by_guid.is_none());
        let by_external = external.map(|id| users.by_external(id));
        let target = one_target(&[("id", by_id), ("guid", by_guid), ("external_id", by_external)])?;
        let Some(ix) = target else { return Ok(Target::New) };
        once(&mut self.users, ix)?;
        // A document that is loaded again must not revive a deleted user (docs/decisions/0009-deleted-ids.md).
        if users.account(ix).is_some_and(|account| account.deleted.is_some()) {
            return Err((String::from("id"), "belonged to a user who was deleted"));
        }
        Ok(Target::Known(ix))
    }

    fn upsert_user(&mut self, patch: &UserPatch, target: Target) -> Result<(), Refused> {
        let directory = &mut self.directory;
        let target = match target {
            Target::Known(ix) => Some(ix),
            Target::New | Target::Unclear => None,
        };
        let packed = target.and_then(|ix| directory.users.account(ix)).map(|account| account.profile.clone());
        let before = packed.as_ref().map(|packed| packed.unpack());
        let mut profile = match &before {
            Some(profile) => profile.clone(),
            None => directory.new_user(patch)?,
        };
        directory.patch_profile(&mut profile, patch)?;
        let users = &directory.users;
        let has_password = target.and_then(|ix| users.account(ix)).is_some_and(|account| account.password.is_some());
        let roles = before.as_ref().map(|profile| profile.roles).unwrap_or_default();
        if !self.roles.allows(has_password, roles, profile.roles) {
            let member = if patch.roles.is_some() { "roles" } else { "role" };
            return Err((String::from(member), ROLES_NOT_GRANTED));
        }
        // Names freed by the stage before are not found, so that users of one document can exchange them.
        for (member, owner) in [
            ("external_id", profile.external_id.as_ref().and_then(|id| users.by_external(id))),
            ("email", profile.email.as_ref().and_then(|email| users.by_email(email))),
        ] {
            if owner.is_some_and(|owner| Some(owner) != target) {
                return Err((String::from(member), TAKEN));
            }
        }
        if let (Some(ix), true) = (target, before.as_ref() == Some(&profile)) {
            // The stage before freed the names.
            directory.users.rename(ix);
            self.done.changes.unchanged += 1;
            return Ok(());
        }
        let profile = Arc::new(PackedProfile::from(&profile));
        let ix = match target {
            Some(ix) => {
                directory.users.replace(ix, profile.clone());
                self.done.changes.updated += 1;
                ix
            }
            None => {
                self.done.changes.created += 1;
                directory.users.insert(profile.clone())
            }
        };
        directory.change_memberships(ix, packed.as_deref(), Some(&profile));
        self.done.users.push(ix);
        Ok(())
    }
}

impl Directory {
    /// Applies a document of the service itself at once. New entities get `now` as their time of creation. On an error
    /// nothing has changed.
    pub fn upsert(&mut self, document: &Document, now: Time) -> Result<Upserted, Vec<Problem>> {
        let mut upsert = Upsert::new(self, now, RoleGrant::default());
        let mut steps = usize::MAX;
        while !upsert.advance(document, &mut steps) {
            steps = usize::MAX;
        }
        let (directory, done) = upsert.finish()?;
        *self = directory;
        Ok(done)
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
            // Absent unless it is given, as in rows of definitions from before it existed.
            routable: None,
            parent: None,
            order: None,
            created: None,
        })
    }

    /// Resolves a parent to its integer id. It must exist and must not be the entity or lie below it. Adds the number
    /// of ancestors visited to `walked`.
    fn parent(
        &self,
        kind: Kind,
        entity: Option<&Entity>,
        parent: EntityRef,
        walked: &mut usize,
    ) -> Result<i64, Refused> {
        let refused = |detail| (String::from("parent"), detail);
        let table = self.table(kind);
        let parent = table.get(parent).ok_or(refused("is not known"))?.id;
        // A new entity has no children, and an unchanged parent cannot form a cycle.
        let Some(entity) = entity.filter(|entity| entity.parent != Some(parent)) else { return Ok(parent) };
        let mut above = table.ancestors(parent).inspect(|_| *walked += 1);
        if parent == entity.id || above.any(|ancestor| ancestor == entity.id) {
            return Err(refused("lies in the entity itself"));
        }
        Ok(parent)
    }

    /// Creates the profile of a new user, with nothing but its identity and name.
    fn new_user(&self, patch: &UserPatch) -> Result<Profile, Refused> {
        let (id, guid) = self.identity("user", patch.id, patch.guid, self.users.high())?;
        if self.users.by_id(id).is_some() || self.users.by_guid(guid).is_some() {
            return Err((String::new(), "names a user twice"));
        }
        let name = patch.name.clone().ok_or((String::from("name"), "is needed for a new user"))?;
        Ok(Profile::new(id, guid, name))
    }

    /// Completes an identity: a missing integer id is the next free one, a missing GUID is derived from tenant, kind
    /// and id, so that a replay derives the same.
    fn identity(&self, kind: &str, id: Option<i64>, guid: Option<Uuid>, high: i64) -> Result<(i64, Uuid), Refused> {
        let id = id.unwrap_or(high + 1);
        if id > MAX_ID {
            return Err((String::from("id"), "no integer id is left to give"));
        }
        let guid = guid.unwrap_or_else(|| Uuid::new_v5(&self.tenant.0, format!("{kind}/{id}").as_bytes()));
        Ok((id, guid))
    }
}

/// Returns the row or index that all given identities refer to, `None` if all of them are unknown. Identities that
/// refer to different ones are an error.
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
