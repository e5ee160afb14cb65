//! The directory of the demo's tenant, as a customer would load it.

use uuid::{Uuid, uuid};

use super::names;
use crate::domain::directory::{ChannelPatch, ChannelsPatch, Document, EntityPatch, UserPatch};
use crate::domain::json::Field;
use crate::domain::presence::DefinitionCategory;
use crate::domain::{EntityRef, Role};

/// Number of people.
pub const COUNT: usize = 200;
/// Id of the first person; the others follow.
pub const FIRST_ID: i64 = 1001;

/// Presence definition of people at work.
pub const AT_WORK: Uuid = uuid!("5d1f0a52-6f0c-4c57-9a0e-2f1f7f5b1c01");
/// Presence definition of a short break.
pub const BREAK: Uuid = uuid!("5d1f0a52-6f0c-4c57-9a0e-2f1f7f5b1c02");
/// Presence definition of a lunch break.
pub const LUNCH: Uuid = uuid!("5d1f0a52-6f0c-4c57-9a0e-2f1f7f5b1c03");
/// Presence definition of a meeting.
pub const MEETING: Uuid = uuid!("5d1f0a52-6f0c-4c57-9a0e-2f1f7f5b1c04");

const GROUPS: [&str; 5] = ["Paris", "Lyon", "London", "Madrid", "Berlin"];
const LANGUAGES: [&str; 5] = ["fr", "fr", "en", "es", "de"];
const SKILLS: [&str; 8] = ["french", "english", "spanish", "german", "sales", "billing", "technical", "retention"];
/// For each group, the position in `SKILLS` of its language.
const GROUP_LANGUAGES: [usize; 5] = [0, 0, 1, 2, 3];
const PROJECTS: [&str; 3] = ["Retail", "Travel", "Insurance"];
const QUEUES: [&str; 4] = ["Sales line", "Support line", "Billing line", "Priority line"];
const CAMPAIGNS: [&str; 3] = ["Spring renewal", "Welcome calls", "Win-back"];
const ROUTING_GROUPS: [&str; 4] = ["First line", "Second line", "Premium", "Back office"];

/// Id of the first project; the others follow.
pub const FIRST_PROJECT: usize = 7;
const FIRST_QUEUE: usize = 221;
const FIRST_CAMPAIGN: usize = 111;

/// The role and channels of a person.
struct Work {
    role: Role,
    chat: Option<u32>,
    call: bool,
    more: bool,
    both_at_once: bool,
}

impl Work {
    /// The work of person number `n`; it repeats every twenty people, but for the number of chats.
    const fn of(n: usize) -> Self {
        let slots = 2 + (n / 20 % 4) as u32;
        let (role, chat, call, more, both_at_once) = match n % 20 {
            0 => (Role::Manager, None, false, false, false),
            1 => (Role::Expert, Some(2), false, false, false),
            2..=7 => (Role::Operator, Some(slots), false, false, false),
            8..=11 => (Role::Operator, None, true, false, false),
            12..=15 => (Role::Operator, Some(slots), true, false, true),
            16..=18 => (Role::Operator, Some(slots), true, false, false),
            _ => (Role::Operator, Some(slots), false, true, false),
        };
        Work { role, chat, call, more, both_at_once }
    }

    fn channels(&self) -> ChannelsPatch {
        let channel = |enabled, max_slots| {
            Some(ChannelPatch { enabled: Some(enabled), max_slots: Some(max_slots), priority: Some(0) })
        };
        ChannelsPatch {
            chat: channel(self.chat.is_some(), self.chat.unwrap_or(1)),
            call: channel(self.call, 1),
            video: channel(self.more, 1),
            third_party: channel(self.more, 5),
        }
    }
}

/// Returns the whole directory.
pub fn document() -> Document {
    let routing_rules = [("Visitors of the shop", vec![1, 2]), ("Members", vec![3, 2])].into_iter().enumerate();
    Document {
        settings: None,
        projects: entities(&PROJECTS, FIRST_PROJECT),
        groups: entities(&GROUPS, 1),
        skills: entities(&SKILLS, 1),
        queues: entities(&QUEUES, FIRST_QUEUE),
        campaigns: entities(&CAMPAIGNS, FIRST_CAMPAIGN),
        routing_groups: entities(&ROUTING_GROUPS, 1),
        routing_rules: routing_rules
            .map(|(n, (name, groups))| EntityPatch {
                routing_groups: Some(groups.into_iter().map(EntityRef::Id).collect()),
                ..entity(n + 1, name)
            })
            .collect(),
        presence_definitions: vec![
            definition(AT_WORK, DefinitionCategory::Ready, "At work"),
            definition(BREAK, DefinitionCategory::Away, "Short break"),
            definition(LUNCH, DefinitionCategory::ExtendedAway, "Lunch"),
            definition(MEETING, DefinitionCategory::ExtendedAway, "Team meeting"),
        ],
        users: (0..COUNT).map(user).collect(),
    }
}

fn entities(names: &[&str], first: usize) -> Vec<EntityPatch> {
    names.iter().enumerate().map(|(n, name)| entity(first + n, name)).collect()
}

fn entity(id: usize, name: &str) -> EntityPatch {
    EntityPatch { id: Some(id as i64), name: Some(name.to_owned()), ..EntityPatch::default() }
}

fn definition(guid: Uuid, category: DefinitionCategory, description: &str) -> EntityPatch {
    EntityPatch {
        guid: Some(guid),
        category: Some(category),
        description: Some(description.to_owned()),
        ..EntityPatch::default()
    }
}

/// Returns person number `n`. Deterministic, so that loading the directory again changes nothing.
fn user(n: usize) -> UserPatch {
    let id = FIRST_ID + n as i64;
    let (first, last) = names::of(n);
    let (work, group) = (Work::of(n), n / 3 % 5);
    let one = |id: usize| vec![EntityRef::Id(id as i64)];
    let mut skills = one(GROUP_LANGUAGES[group] + 1);
    skills.extend(one(5 + n % 4));
    if n.is_multiple_of(3) {
        skills.extend(one(2));
    }
    UserPatch {
        id: Some(id),
        external_id: Field::Set(format!("emp-{id}")),
        name: Some(last.to_owned()),
        first_name: Field::Set(first.to_owned()),
        pseudo: Field::Set(first.to_owned()),
        email: Field::Set(format!("{first}.{last}@demo.example").to_lowercase()),
        roles: Some(vec![work.role]),
        primary_group: Field::Set(EntityRef::Id(group as i64 + 1)),
        groups: Some(one(group + 1)),
        skills: Some(skills),
        projects: Some(one(FIRST_PROJECT + n % 3)),
        queues: Some(if work.call { one(FIRST_QUEUE + n % 4) } else { Vec::new() }),
        campaigns: Some(if n % 5 == 4 { Vec::new() } else { one(FIRST_CAMPAIGN + n % 3) }),
        routing_groups: Some(if work.chat.is_some() { one(1 + n / 2 % 4) } else { Vec::new() }),
        channels: Some(work.channels()),
        chat_and_call: Some(work.both_at_once),
        language_list: Some(vec![LANGUAGES[group].to_owned()]),
        experience: Field::Set((n * 137 % 5_000) as i64),
        ..UserPatch::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TenantId;
    use crate::live::Directory;

    #[test]
    fn loading_the_directory_twice_changes_nothing() {
        assert_eq!(document().check(), []);
        let mut directory = Directory::new(TenantId(Uuid::nil()));
        let first = directory.upsert(&document(), crate::domain::Time::from_micros(0)).unwrap().changes;
        assert_eq!((first.updated, first.unchanged), (0, 0));
        let again = directory.upsert(&document(), crate::domain::Time::from_micros(0)).unwrap().changes;
        assert_eq!((again.created, again.updated, again.unchanged), (0, 0, first.created));
        assert_eq!(directory.users().len(), COUNT);
    }
}
