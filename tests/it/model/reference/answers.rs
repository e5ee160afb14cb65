//! Every aggregate, computed by a walk over all users, and the selection of users by filters
//! (docs/reference/native.md, "Ids and filters").

use std::collections::BTreeSet;

use rollcall::domain::directory::Kind;
use rollcall::domain::filter::{Clause, Dimension, TextField, Value};
use rollcall::domain::ids::EntityRef;
use rollcall::domain::status::Liveness;
use rollcall::domain::{Category, Channel, Filter, Reason};

use super::{Flaw, Individual, Reference};

/// Every number that a dialect shows of a selection, and its two lists of users, by integer id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    pub users: u64,
    pub connected: u64,
    /// Connected users whose status on chat is available, busy, toggled off.
    pub chat: [u64; 3],
    /// Per channel: users in production, Σ current, Σ max.
    pub occupancy: [[u64; 3]; 4],
    pub logged_in: u64,
    pub callable: u64,
    /// Available for a call, wherever they are assigned.
    pub for_calls: BTreeSet<i64>,
    /// Ready, away, extended away, logged out.
    pub presence: [u64; 4],
    /// Per liveness: available, incompatible presence, insufficient capacity.
    pub capacity: [[u64; 3]; 3],
    /// On each channel, and last over all of them.
    pub counted: [Counted; 5],
    pub online: BTreeSet<i64>,
    pub offline_seen_before: BTreeSet<i64>,
}

/// Users by their best reason over some channels, and their slots there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// In the order of `Reason::ALL`.
    pub reasons: [u64; 10],
    /// Held and maximum in production, and free where available.
    pub slots: [u64; 3],
}

impl Counted {
    /// Adds one user.
    pub fn add(&mut self, one: &Individual<'_>, channels: &[Channel]) {
        let best = one.best_reason(channels);
        let place = Reason::ALL.iter().position(|reason| *reason == best).expect("one of the ten");
        self.reasons[place] += 1;
        for channel in channels.iter().copied() {
            let (current, max) = (u64::from(one.current[channel]), u64::from(one.account.conf(channel).max));
            if one.in_production(channel) {
                plus(&mut self.slots, [current, max, 0]);
            }
            if one.reason(channel) == Reason::Available {
                plus(&mut self.slots, [0, 0, max - current]);
            }
        }
    }
}

impl Answers {
    fn add(&mut self, one: &Individual<'_>) {
        use rollcall::domain::Status;
        self.users += 1;
        if one.status(Channel::Call) == Status::Available {
            self.for_calls.insert(one.account.id);
        }
        self.connected += u64::from(one.connected);
        for (n, status) in [Status::Available, Status::Busy, Status::ToggleOff].into_iter().enumerate() {
            self.chat[n] += u64::from(one.status(Channel::Chat) == status);
        }
        for (n, counted) in self.counted.iter_mut().enumerate() {
            counted.add(one, Channel::ALL.get(n..=n).unwrap_or(&Channel::ALL));
        }
        for (n, channel) in Channel::ALL.into_iter().enumerate() {
            if one.in_production(channel) {
                let (current, max) = (one.current[channel], one.account.conf(channel).max);
                plus(&mut self.occupancy[n], [1, u64::from(current), u64::from(max)]);
            }
        }
        if one.connected {
            self.online.insert(one.account.id);
        } else if one.seen {
            self.offline_seen_before.insert(one.account.id);
        }
        if one.is_agent() {
            self.logged_in += u64::from(one.connected);
            self.callable += u64::from(one.can_be_called());
            let category = match one.presence {
                _ if !one.connected => 3,
                Category::Ready => 0,
                Category::Away => 1,
                Category::ExtendedAway => 2,
            };
            self.presence[category] += 1;
            for (n, liveness) in Liveness::ALL.into_iter().enumerate() {
                plus(&mut self.capacity[n], one.capacity(liveness));
            }
        }
    }
}

fn plus(sums: &mut [u64; 3], more: [u64; 3]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}

fn lower(text: &str) -> Vec<char> {
    text.to_lowercase().chars().collect()
}

/// Returns whether a text matches a pattern, in which `*` matches any characters or none.
fn fits(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|n| fits(&text[n..], rest)),
        [first, rest @ ..] => text.first() == Some(first) && fits(&text[1..], rest),
    }
}

impl Reference {
    /// Returns every answer about the users that a filter selects.
    pub fn answers(&self, everyone: &[Individual<'_>], filter: &Filter) -> Answers {
        let mut answers = Answers::default();
        for one in everyone {
            if filter.clauses().iter().all(|clause| self.is_meant(one, clause)) {
                answers.add(one);
            }
        }
        answers
    }

    /// Returns whether a filter's clause selects a user.
    pub(super) fn is_meant(&self, one: &Individual<'_>, clause: &Clause) -> bool {
        match clause {
            Clause::Any(dimension, values) => values.iter().any(|value| self.belongs(one, *dimension, value)),
            Clause::All(dimension, values) if one.has(Flaw::AllMatchesAny) => {
                values.iter().any(|value| self.belongs(one, *dimension, value))
            }
            Clause::All(dimension, values) => values.iter().all(|value| self.belongs(one, *dimension, value)),
            Clause::Users(users) => users.iter().any(|user| match user {
                EntityRef::Id(id) => *id == one.account.id,
                EntityRef::Guid(guid) => *guid == one.account.guid,
            }),
            Clause::Text(field, texts) => texts.iter().any(|text| is_called(one, *field, text)),
            Clause::Roles(roles) => roles.iter().any(|role| one.account.roles.contains(role)),
            Clause::Chat(statuses) => statuses.contains(&one.status(Channel::Chat)),
            Clause::Overall(statuses) => one.overall().is_some_and(|status| statuses.contains(&status)),
        }
    }

    /// Returns whether a user has a value of the dimension by that id, GUID or name; several values may share a name.
    fn belongs(&self, one: &Individual<'_>, dimension: Dimension, value: &Value) -> bool {
        let kind = match dimension {
            Dimension::Group => Kind::Group,
            Dimension::Skill => Kind::Skill,
            Dimension::Project => Kind::Project,
            Dimension::RoutingGroup => Kind::RoutingGroup,
            Dimension::Queue => Kind::Queue,
            Dimension::Campaign => Kind::Campaign,
        };
        let plain = |name: &str| {
            if one.has(Flaw::NamesAreCaseSensitive) { name.to_owned() } else { name.trim().to_lowercase() }
        };
        self.directory.entities(kind).iter().any(|entity| {
            let named = match value {
                Value::Entity(EntityRef::Id(id)) => *id == entity.id,
                Value::Entity(EntityRef::Guid(guid)) => *guid == entity.guid,
                Value::Name(name) => plain(name) == plain(&entity.name),
            };
            let primary = kind == Kind::Group && !one.has(Flaw::PrimaryGroupIsNoGroup);
            let is_primary = primary && one.account.primary_group == Some(entity.id);
            named && (one.account.belongs[&kind].contains(&entity.id) || is_primary)
        })
    }
}

/// Returns whether a user's field has the text, by the rule of the field.
fn is_called(one: &Individual<'_>, field: TextField, text: &String) -> bool {
    match field {
        TextField::Name => fits(&lower(&one.account.name), &lower(text)),
        TextField::ExternalId => one.account.external_id.as_ref() == Some(text),
        TextField::Email => one.account.email.as_ref().is_some_and(|email| email.to_lowercase() == text.to_lowercase()),
    }
}
