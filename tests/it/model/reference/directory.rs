//! The reference's directory: lists with linear searches. A document is applied to a copy, which replaces the directory
//! if no part is rejected.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rollcall::domain::channel::ReferenceChannel;
use rollcall::domain::directory::{ChannelPatch, Document, EntityPatch, Kind, UserPatch};
use rollcall::domain::event::PasswordHash;
use rollcall::domain::ids::EntityRef;
use rollcall::domain::json::Field;
use rollcall::domain::presence::DefinitionCategory;
use rollcall::domain::settings::capacity::SizesPatch;
use rollcall::domain::{Channel, Role, TenantId, Time, UserRef};
use uuid::Uuid;

/// An entity of any kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    pub id: i64,
    pub guid: Uuid,
    pub name: String,
    pub routing_groups: Vec<i64>,
    pub category: Option<DefinitionCategory>,
    pub description: Option<String>,
    pub selectable: bool,
    pub routable: Option<bool>,
}

/// Sizes of live, semilive and nonlive interactions.
pub type Sizes = [Option<i64>; 3];

/// The settings of a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    pub reference: ReferenceChannel,
    pub sizes: Sizes,
}

/// One user, from creation to deletion. An id that is used again after its user was forgotten makes a new account, so
/// accounts are identified by their index rather than by the id.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    pub id: i64,
    pub guid: Uuid,
    pub external_id: Option<String>,
    pub email: Option<String>,
    pub name: String,
    pub roles: BTreeSet<Role>,
    pub primary_group: Option<i64>,
    pub belongs: BTreeMap<Kind, BTreeSet<i64>>,
    pub channels: Vec<(Channel, Conf)>,
    pub chat_and_call: bool,
    pub sizes: Sizes,
    /// The hash, and the position of the entry that set it.
    pub password: Option<(PasswordHash, u64)>,
    pub deleted: Option<Time>,
    pub forgotten: bool,
}

/// A channel's settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conf {
    pub enabled: bool,
    pub max: u32,
    pub priority: u8,
}

impl Account {
    pub fn is_live(&self) -> bool {
        self.deleted.is_none()
    }

    pub fn conf(&self, channel: Channel) -> Conf {
        self.channels.iter().find(|(c, _)| *c == channel).unwrap().1
    }
}

/// The counts of a document: created, updated, unchanged.
pub type Counts = [u32; 3];

/// Entities and users.
#[derive(Clone, Debug)]
pub struct Directory {
    tenant: TenantId,
    pub settings: Settings,
    entities: BTreeMap<Kind, Vec<Entity>>,
    pub accounts: Vec<Account>,
    /// The accounts of users not yet forgotten, the deleted included: their ids are taken.
    by_id: HashMap<i64, usize>,
    by_guid: HashMap<Uuid, usize>,
    highest: BTreeMap<&'static str, i64>,
}

impl Directory {
    pub fn new(tenant: TenantId) -> Self {
        Directory {
            tenant,
            settings: Settings::default(),
            entities: BTreeMap::new(),
            accounts: Vec::new(),
            by_id: HashMap::new(),
            by_guid: HashMap::new(),
            highest: BTreeMap::new(),
        }
    }

    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    pub fn entities(&self, kind: Kind) -> &[Entity] {
        self.entities.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// Returns the number of entities of all kinds.
    pub fn entity_count(&self) -> usize {
        self.entities.values().map(Vec::len).sum()
    }

    pub fn entity(&self, kind: Kind, reference: EntityRef) -> Option<&Entity> {
        self.entities(kind).iter().find(|entity| is(reference, entity.id, entity.guid))
    }

    /// Returns the index of a live user's account.
    pub fn find(&self, user: &UserRef) -> Option<usize> {
        let found = match user {
            UserRef::Entity(EntityRef::Id(id)) => self.by_id.get(id).copied(),
            UserRef::Entity(EntityRef::Guid(guid)) => self.by_guid.get(guid).copied(),
            UserRef::External(id) => self
                .accounts
                .iter()
                .position(|account| account.is_live() && account.external_id.as_deref() == Some(id.as_ref())),
        };
        found.filter(|at| self.accounts[*at].is_live())
    }

    /// Returns the number of user ids in use.
    pub fn taken(&self) -> usize {
        self.by_id.len()
    }

    /// Frees the ids of a deleted user.
    pub fn forget(&mut self, at: usize) {
        self.accounts[at].forgotten = true;
        self.by_id.remove(&self.accounts[at].id);
        self.by_guid.remove(&self.accounts[at].guid);
    }

    /// Applies a document; returns `None` if it is rejected.
    pub fn upsert(&mut self, document: &Document) -> Option<Counts> {
        let mut next = self.clone();
        let mut counts = [0; 3];
        if let Some(patch) = document.settings.as_ref().filter(|patch| !patch.is_empty()) {
            match patch.reference_channel {
                Field::Absent => {}
                Field::Clear => next.settings.reference = ReferenceChannel::Call,
                Field::Set(channel) => next.settings.reference = channel,
            }
            resize(&mut next.settings.sizes, &patch.capacity);
            count(&mut counts, false, next.settings == self.settings);
        }
        for kind in Kind::ALL {
            let mut named = Vec::new();
            for patch in document.of(kind) {
                next.upsert_entity(kind, patch, &mut named, &mut counts)?;
            }
        }
        // All users are matched before any is changed, so that users can exchange their external ids.
        let targets: Option<Vec<_>> = document.users.iter().map(|patch| next.target(patch)).collect();
        let targets = targets?;
        let known: Vec<usize> = targets.iter().flatten().copied().collect();
        if has_repeats(&known) {
            return None;
        }
        for (patch, target) in document.users.iter().zip(targets) {
            next.upsert_user(patch, target, &mut counts)?;
        }
        let live = || next.accounts.iter().filter(|account| account.is_live());
        let externals: Vec<_> = live().filter_map(|account| account.external_id.clone()).collect();
        let emails: Vec<_> = live().filter_map(|account| Some(account.email.as_ref()?.to_lowercase())).collect();
        if has_repeats(&externals) || has_repeats(&emails) {
            return None;
        }
        *self = next;
        Some(counts)
    }

    fn upsert_entity(
        &mut self,
        kind: Kind,
        patch: &EntityPatch,
        named: &mut Vec<i64>,
        counts: &mut Counts,
    ) -> Option<()> {
        let list = self.entities(kind);
        let by_id = patch.id.map(|id| list.iter().position(|entity| entity.id == id));
        let by_guid = patch.guid.map(|guid| list.iter().position(|entity| entity.guid == guid));
        let target = agreed(&[by_id, by_guid])?;
        let before = target.map(|at| list[at].clone());
        let mut entity = match before.clone() {
            Some(entity) => entity,
            None => self.new_entity(kind, patch)?,
        };
        if named.contains(&entity.id) {
            return None;
        }
        named.push(entity.id);
        entity.name = patch.name.clone().unwrap_or(entity.name);
        entity.category = patch.category.or(entity.category);
        entity.description = patch.description.clone().or(entity.description);
        entity.selectable = patch.selectable.unwrap_or(entity.selectable);
        entity.routable = patch.routable.or(entity.routable);
        if let Some(groups) = &patch.routing_groups {
            entity.routing_groups = self.ids(Kind::RoutingGroup, groups)?.into_iter().collect();
        }
        count(counts, before.is_none(), before.as_ref() == Some(&entity));
        self.raise(kind.name(), entity.id);
        let list = self.entities.entry(kind).or_default();
        match target {
            Some(at) => list[at] = entity,
            None => list.push(entity),
        }
        Some(())
    }

    fn new_entity(&self, kind: Kind, patch: &EntityPatch) -> Option<Entity> {
        let (id, guid) = self.identity(kind.name(), patch.id, patch.guid);
        if self.entities(kind).iter().any(|entity| entity.guid == guid) {
            return None;
        }
        if kind == Kind::PresenceDefinition {
            patch.category?;
            patch.description.as_ref()?;
        } else {
            patch.name.as_ref()?;
        }
        Some(Entity {
            id,
            guid,
            name: String::new(),
            routing_groups: Vec::new(),
            category: None,
            description: None,
            selectable: true,
            routable: None,
        })
    }

    fn identity(&self, kind: &'static str, id: Option<i64>, guid: Option<Uuid>) -> (i64, Uuid) {
        let id = id.unwrap_or(self.highest.get(kind).copied().unwrap_or(0) + 1);
        (id, guid.unwrap_or(Uuid::new_v5(&self.tenant.0, format!("{kind}/{id}").as_bytes())))
    }

    fn raise(&mut self, kind: &'static str, id: i64) {
        let highest = self.highest.entry(kind).or_default();
        *highest = id.max(*highest);
    }

    /// Returns the account that a patch matches: `Some(None)` for a new one, `None` if it is rejected. Ids of deleted
    /// users stay in use while they are remembered; their external ids are free at once.
    fn target(&self, patch: &UserPatch) -> Option<Option<usize>> {
        let by_id = patch.id.map(|id| self.by_id.get(&id).copied());
        let by_guid = patch.guid.map(|guid| self.by_guid.get(&guid).copied());
        let external = patch.external_id.value().filter(|_| patch.id.is_none() && patch.guid.is_none());
        let by_external = external.map(|id| self.find(&UserRef::External(id.as_str().into())));
        let target = agreed(&[by_id, by_guid, by_external])?;
        target.is_none_or(|at| self.accounts[at].is_live()).then_some(target)
    }

    fn upsert_user(&mut self, patch: &UserPatch, target: Option<usize>, counts: &mut Counts) -> Option<()> {
        let before = target.map(|at| self.accounts[at].clone());
        let mut account = match before.clone() {
            Some(account) => account,
            None => self.new_account(patch)?,
        };
        patch.external_id.patch(&mut account.external_id);
        patch.email.patch(&mut account.email);
        account.name = patch.name.clone().unwrap_or(account.name);
        if let Some(roles) = &patch.roles {
            account.roles = roles.iter().copied().collect();
        }
        match &patch.primary_group {
            Field::Absent => {}
            Field::Clear => account.primary_group = None,
            Field::Set(group) => account.primary_group = Some(self.entity(Kind::Group, *group)?.id),
        }
        for (kind, references) in [
            (Kind::Group, &patch.groups),
            (Kind::Skill, &patch.skills),
            (Kind::Project, &patch.projects),
            (Kind::Queue, &patch.queues),
            (Kind::Campaign, &patch.campaigns),
            (Kind::RoutingGroup, &patch.routing_groups),
        ] {
            if let Some(references) = references {
                account.belongs.insert(kind, self.ids(kind, references)?);
            }
        }
        for (channel, conf) in &mut account.channels {
            let patch = patch.channels.as_ref().and_then(|channels| channels.of(*channel)).cloned();
            let ChannelPatch { enabled, max_slots, priority } = patch.unwrap_or_default();
            conf.enabled = enabled.unwrap_or(conf.enabled);
            conf.max = max_slots.unwrap_or(conf.max);
            conf.priority = priority.unwrap_or(conf.priority);
        }
        account.chat_and_call = patch.chat_and_call.unwrap_or(account.chat_and_call);
        resize(&mut account.sizes, &patch.capacity);
        count(counts, before.is_none(), before.as_ref() == Some(&account));
        self.raise("user", account.id);
        match target {
            Some(at) => self.accounts[at] = account,
            None => {
                self.by_id.insert(account.id, self.accounts.len());
                self.by_guid.insert(account.guid, self.accounts.len());
                self.accounts.push(account);
            }
        }
        Some(())
    }

    fn new_account(&self, patch: &UserPatch) -> Option<Account> {
        let (id, guid) = self.identity("user", patch.id, patch.guid);
        if self.by_id.contains_key(&id) || self.by_guid.contains_key(&guid) {
            return None;
        }
        let dimensions = [Kind::Group, Kind::Skill, Kind::Project, Kind::Queue, Kind::Campaign, Kind::RoutingGroup];
        Some(Account {
            id,
            guid,
            external_id: None,
            email: None,
            name: patch.name.clone()?,
            roles: BTreeSet::new(),
            primary_group: None,
            belongs: dimensions.into_iter().map(|kind| (kind, BTreeSet::new())).collect(),
            channels: Channel::ALL.map(|c| (c, Conf { enabled: false, max: 1, priority: 0 })).into(),
            chat_and_call: false,
            sizes: [None; 3],
            password: None,
            deleted: None,
            forgotten: false,
        })
    }

    fn ids(&self, kind: Kind, references: &[EntityRef]) -> Option<BTreeSet<i64>> {
        references.iter().map(|reference| Some(self.entity(kind, *reference)?.id)).collect()
    }
}

/// Changes sizes: null clears all of them, or the one that it is given for.
fn resize(sizes: &mut Sizes, change: &Field<SizesPatch>) {
    match change {
        Field::Absent => {}
        Field::Clear => *sizes = [None; 3],
        Field::Set(SizesPatch { live, semi_live, non_live }) => {
            for (size, change) in sizes.iter_mut().zip([live, semi_live, non_live]) {
                change.patch(size);
            }
        }
    }
}

fn is(reference: EntityRef, id: i64, guid: Uuid) -> bool {
    match reference {
        EntityRef::Id(wanted) => wanted == id,
        EntityRef::Guid(wanted) => wanted == guid,
    }
}

/// Returns the match that all given identities have in common; `None` if they differ.
fn agreed(found: &[Option<Option<usize>>]) -> Option<Option<usize>> {
    let given: Vec<_> = found.iter().flatten().copied().collect();
    let first = given.first().copied().flatten();
    given.iter().all(|other| *other == first).then_some(first)
}

fn count(counts: &mut Counts, is_new: bool, is_same: bool) {
    counts[if is_new {
        0
    } else if is_same {
        2
    } else {
        1
    }] += 1;
}

fn has_repeats<T: Ord>(values: &[T]) -> bool {
    values.iter().collect::<BTreeSet<_>>().len() < values.len()
}
