//! The work that an operation can make in the state of one tenant: its fields, multiplied by the lengths that the lists
//! around them can really have. It decides where the operation runs, so it is never too low: the lists of a user or a
//! conversation that is selected by id have their own length, all others the greatest length that is possible.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Name, ScalarType, Value};

use super::Work;
use super::arguments::Arguments;
use super::owner::Owner;
use crate::domain::board::{MAX_COLUMNS, MAX_FIRST, MAX_PAGES, MAX_SERIES, MAX_TILES};
use crate::domain::conversation::MAX_HISTORY;
use crate::domain::directory::{Kind, MAX_LIST};
use crate::domain::filter::MAX_VALUES;
use crate::domain::{Channel, EntityRef, Quota};
use crate::engine::Snapshot;
use crate::http::graphql::scalar::{Guid, LegacyId};
use crate::query::board::MAX_BREACHES;
use crate::query::breakdown::{DEFAULT_ROWS, MAX_KEYS, MAX_ROWS};
use crate::query::conversations::remembered;
use crate::query::people::users::Member;
use crate::query::reference::reference;

/// Estimated nanoseconds above which an operation runs on the blocking pool instead of the threads that serve requests.
/// What is estimated lower may keep such a thread busy for twice as long, on a machine half as fast.
const HEAVY_NANOS: usize = 2_000_000;
/// Nanoseconds for one value of the answer: resolved, counted and serialised. A name of 256 bytes that must all be
/// escaped takes this much, most values a third of it.
const VALUE_NANOS: usize = 1_000;
/// The number of values that one text of a message counts as: 8,192 bytes that must all be escaped.
const TEXT_VALUES: usize = 40;
/// Items passed over for a page that count as one value: they are compared with the cursors, no more.
const PASSED_OVER: usize = 32;
/// Roles of one user.
const MAX_ROLES: usize = 5;
/// Entities of one kind in a tenant whose state is not known: the quota of all kinds, unless it was raised.
const MAX_ENTITIES: usize = Quota::Entities.default_limit() as usize;
/// Users assumed in a tenant whose state is not known: a list of them is heavy by far.
const MAX_USERS: usize = 1_000_000;

/// The greatest lengths of lists around a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lengths {
    /// Groups of one user.
    groups: usize,
    /// Skills of one user.
    skills: usize,
    /// Projects of one user.
    projects: usize,
    /// Entries of one conversation's history: messages, contacts, routings.
    history: usize,
    /// Routing groups of one rule.
    routing_groups: usize,
    /// Rows of one breakdown.
    rows: usize,
    /// What the selection is on.
    owner: Owner,
}

impl Lengths {
    /// Returns the lengths that are possible in a tenant; without a snapshot, those that are possible in any.
    fn of(snapshot: Option<&Snapshot>) -> Self {
        let entities = |kind| {
            let known = snapshot.map(|snapshot| snapshot.view.directory().table(kind).rows().len());
            known.unwrap_or(MAX_LIST).min(MAX_LIST)
        };
        Lengths {
            // The primary group is one more.
            groups: entities(Kind::Group) + 1,
            skills: entities(Kind::Skill),
            projects: entities(Kind::Project),
            history: MAX_HISTORY,
            routing_groups: entities(Kind::RoutingGroup),
            rows: MAX_ROWS,
            owner: Owner::Root,
        }
    }

    /// Returns the lengths of one user's lists.
    fn of_user(self, user: &Member) -> Self {
        let profile = user.profile();
        Lengths {
            groups: profile.map_or(0, |profile| profile.groups().count() + 1),
            skills: profile.map_or(0, |profile| profile.skills().count()),
            projects: profile.map_or(0, |profile| profile.projects().count()),
            ..self
        }
    }
}

/// The estimated work of an operation in one tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Values of the answer, and items of lists that are walked for it.
    pub values: usize,
    /// Sets of users that are combined for the availability of rules.
    pub sets: usize,
}

impl Reach {
    const fn and(self, other: Reach) -> Reach {
        Reach { values: self.values.saturating_add(other.values), sets: self.sets.saturating_add(other.sets) }
    }

    const fn times(self, count: usize) -> Reach {
        Reach { values: self.values.saturating_mul(count), sets: self.sets.saturating_mul(count) }
    }

    /// Returns true if the operation may keep a core busy for milliseconds in a tenant of this size. The factors are
    /// nanoseconds, twice what was measured, so that they also hold on a machine half as fast.
    pub const fn is_heavy(&self, work: &Work, users: usize, conversations: usize) -> bool {
        let answer = self.values.saturating_mul(VALUE_NANOS);
        let sets = self.sets.saturating_mul(users / 64 + 30);
        // A value is copied, validated and coerced; then the filter joins its bit set of users, one word per 64 users.
        let values = work.values.saturating_mul(users / 64 + 300);
        let scans = work.scans.saturating_mul(users.saturating_add(conversations).saturating_mul(30));
        answer.saturating_add(sets).saturating_add(values).saturating_add(scans) > HEAVY_NANOS
    }
}

/// Returns what an operation can touch as of a snapshot. Without one, in any state: for mutations, whose answers are from
/// later states.
///
/// Only for a document that passed [`crate::http::graphql::guard::count`], as [`super::weigh`].
pub fn reach(document: &ExecutableDocument, arguments: Arguments<'_>, snapshot: Option<&Snapshot>) -> Reach {
    let mut walk = Walk { document, arguments, snapshot, known: HashMap::new() };
    walk.set(&arguments.operation.selection_set.node, Lengths::of(snapshot))
}

struct Walk<'d> {
    document: &'d ExecutableDocument,
    arguments: Arguments<'d>,
    snapshot: Option<&'d Snapshot>,
    /// Reach of each fragment visited so far, by the lengths around it.
    known: HashMap<(&'d Name, Lengths), Reach>,
}

impl<'d> Walk<'d> {
    fn set(&mut self, set: &'d SelectionSet, lengths: Lengths) -> Reach {
        set.items.iter().fold(Reach::default(), |sum, selection| {
            sum.and(match &selection.node {
                Selection::Field(field) => self.field(&field.node, lengths),
                Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node, lengths),
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, lengths),
            })
        })
    }

    fn fragment(&mut self, name: &'d Name, lengths: Lengths) -> Reach {
        if let Some(reach) = self.known.get(&(name, lengths)) {
            return *reach;
        }
        // The validator reports unknown fragments.
        let Some(fragment) = self.document.fragments.get(name) else { return Reach::default() };
        let reach = self.set(&fragment.node.selection_set.node, lengths);
        self.known.insert((name, lengths), reach);
        reach
    }

    fn field(&mut self, field: &'d Field, around: Lengths) -> Reach {
        let name = field.name.node.as_str();
        let inside = self.set(&field.selection_set.node, self.within(field, around));
        let once = match name {
            "text" => TEXT_VALUES,
            "projects" if around.owner == Owner::Root => 1 + self.entities(Kind::Project) / PASSED_OVER,
            "routingGroups" if around.owner == Owner::Root => 1 + self.entities(Kind::RoutingGroup) / PASSED_OVER,
            "routingRules" => 1 + self.entities(Kind::RoutingRule) / PASSED_OVER,
            "messages" => 1 + around.history / PASSED_OVER,
            // Each of them is looked up, whatever the page.
            "projects" => 1 + around.projects,
            "routingGroups" => 1 + around.routing_groups,
            _ => 1,
        };
        let sets = match name {
            // That of a user combines none.
            "availability" if around.owner == Owner::Rule => Channel::ALL.len() * around.routing_groups,
            "userCount" | "userIds" => 1,
            "breakdown" => self.cells(field),
            _ => 0,
        };
        match self.length(field, around) {
            Some(items) => inside.and(Reach { values: 1, sets: 0 }).times(items).and(Reach { values: once, sets }),
            None => inside.and(Reach { values: once, sets }),
        }
    }

    /// Returns the number of sets that are combined for a breakdown: one for each row that is counted. If not all rows
    /// can be counted, the combinations that occur are collected user by user, which is always heavy.
    fn cells(&self, field: &Field) -> usize {
        let keys = match self.arguments.value(field, "groupBy") {
            Some(Value::List(keys)) => keys,
            // A single value stands for a list of it.
            Some(key) => vec![key],
            None => return 1,
        };
        let most = |key: &Value| {
            let key = match key {
                Value::Enum(name) => name.as_str(),
                Value::String(name) => name.as_str(),
                _ => return usize::MAX,
            };
            let entities = |kind| self.entities(kind).saturating_add(1);
            match key {
                "CHANNEL" | "PRESENCE" => Channel::ALL.len(),
                "GROUP" => entities(Kind::Group),
                "SKILL" => entities(Kind::Skill),
                "QUEUE" => entities(Kind::Queue),
                "CAMPAIGN" => entities(Kind::Campaign),
                "PROJECT" => entities(Kind::Project),
                "ROUTING_GROUP" => entities(Kind::RoutingGroup),
                // The validator rejects it.
                _ => 1,
            }
        };
        let rows = keys.iter().map(most).fold(1, usize::saturating_mul);
        if rows > MAX_ROWS { HEAVY_NANOS } else { rows }
    }

    /// Returns the number of entities of a kind.
    fn entities(&self, kind: Kind) -> usize {
        self.snapshot.map_or(MAX_ENTITIES, |snapshot| snapshot.view.directory().table(kind).rows().len())
    }

    /// Returns the greatest length of a list; `None` if the field is not one.
    fn length(&self, field: &Field, around: Lengths) -> Option<usize> {
        let page = || self.arguments.page(field);
        Some(match field.name.node.as_str() {
            "users" if around.owner == Owner::Conversation => around.history,
            "users" | "conversations" | "closedConversations" => page(),
            "projects" if around.owner == Owner::Root => page().min(self.entities(Kind::Project)),
            "projects" => page().min(around.projects),
            "routingRules" => page().min(self.entities(Kind::RoutingRule)),
            "routingGroups" if around.owner == Owner::Root => page().min(self.entities(Kind::RoutingGroup)),
            "routingGroups" => page().min(around.routing_groups),
            "groups" if around.owner == Owner::Rule => around.routing_groups,
            "groups" => around.groups,
            "messages" => page().min(around.history),
            "userIds" => self.snapshot.map_or(MAX_USERS, |snapshot| snapshot.view.directory().users().len()),
            "skills" => around.skills,
            "roles" => MAX_ROLES,
            "spokenLanguages" | "languages" => MAX_LIST,
            "agents" | "contacts" | "routingEvents" => around.history,
            "userErrors" => 1,
            "pages" => MAX_PAGES,
            "tiles" => MAX_TILES,
            "breaches" => MAX_BREACHES,
            "cells" => MAX_COLUMNS,
            "columns" if around.owner == Owner::BoardRows => MAX_COLUMNS,
            "series" => MAX_SERIES,
            "rows" if around.owner == Owner::Board => return None,
            "rows" if around.owner == Owner::BoardRows => MAX_FIRST as usize,
            "people" if around.owner == Owner::BoardPeople => MAX_FIRST as usize,
            "rows" => around.rows,
            "values" => MAX_KEYS,
            "unknownIds" => MAX_VALUES,
            _ => return None,
        })
    }

    /// Returns the lengths inside of a field. A root field with an id knows those of the object that it selects, unless
    /// the object is not in memory.
    fn within(&self, field: &Field, around: Lengths) -> Lengths {
        let id = |name| self.arguments.value(field, name);
        let around = Lengths { owner: around.owner.within(&field.name.node), ..around };
        match (field.name.node.as_str(), self.snapshot) {
            ("breakdown", _) => {
                let first = field.get_argument("first").map(|_| self.arguments.value(field, "first"));
                let first = match first {
                    None => Some(DEFAULT_ROWS),
                    Some(Some(Value::Number(rows))) => rows.as_u64().and_then(|rows| usize::try_from(rows).ok()),
                    Some(_) => None,
                };
                Lengths { rows: first.map_or(MAX_ROWS, |rows| rows.clamp(1, MAX_ROWS)), ..around }
            }
            ("user", Some(snapshot)) => {
                let user = id("id").and_then(|id| LegacyId::parse(id).ok());
                let user = user.and_then(|LegacyId(user)| Member::find(&snapshot.view, user));
                user.map_or(around, |user| around.of_user(&user))
            }
            ("conversation", Some(snapshot)) => {
                let found = id("id").and_then(|id| Guid::parse(id).ok());
                let found = found.and_then(|Guid(id)| remembered(&snapshot.view, id));
                Lengths { history: found.map_or(MAX_HISTORY, |found| found.history().len()), ..around }
            }
            ("routingRule" | "toRoutingRule", snapshot) => {
                let rule = id("id").and_then(|id| Guid::parse(id).ok()).zip(snapshot);
                let rule = rule
                    .and_then(|(Guid(id), snapshot)| reference(&snapshot.view, Kind::RoutingRule, EntityRef::Guid(id)));
                let groups = rule.map_or(around.routing_groups, |rule| rule.routing_groups().len());
                Lengths { routing_groups: groups, ..around }
            }
            _ => around,
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::Variables;
    use async_graphql::parser::parse_query;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::http::graphql::cost::tests::{SchemaField, owner_of, schema_fields};
    use crate::http::graphql::cost::weigh;

    /// Returns the estimates for any tenant.
    fn estimates(text: &str, variables: Json) -> (Work, Reach) {
        let document = parse_query(text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let (operation, variables) = (&operation.node, &Variables::from_json(variables));
        let work = weigh(&document, operation, variables, true).unwrap();
        (work, reach(&document, Arguments { operation, variables }, None))
    }

    fn is_heavy(text: &str, variables: Json, users: usize) -> bool {
        let (work, reach) = estimates(text, variables);
        reach.is_heavy(&work, users, 100_000)
    }

    fn values(text: &str) -> usize {
        estimates(text, json!({})).1.values
    }

    #[test]
    fn lists_count_at_their_greatest_length() {
        assert_eq!(values("{user(id:1){groups{id}}}"), 1 + 1 + 2 * 1_001);
        assert_eq!(values("{user(id:1){...f}} fragment f on User{skills{id name}}"), 1 + 1 + 3 * 1_000);
        assert_eq!(values("{user(id:1){spokenLanguages}}"), 1 + 1 + 1_000);
        let text = "node{id ...on TextMessage{text}}";
        let all = |page: &str| values(&format!("{{conversation(id:1){{messages{page}{{edges{{{text}}}}}}}}}"));
        assert_eq!(["", "(first:3)"].map(all), [100, 3].map(|items| 2 + 62 + items * (4 + TEXT_VALUES)));
        assert_eq!(values("{conversation(id:1){users{id}}}"), 2 + 2_001 * 2);
        assert_eq!(values("{routingRules(first:3){edges{node{groups{id}}}}}"), 1 + 3_125 + 3 * (4 + 1_000 * 2));
        assert_eq!(values("{routingGroup(id:1){userIds}}"), 2 + 1_000_000);
        assert_eq!(values("{projects(first:7){edges{node{id}}}}"), 1 + 3_125 + 7 * 4);
        assert_eq!(values("{users(first:7){edges{node{id}}}}"), 1 + 7 * 4);
        let aliases: String = (0..19).map(|n| format!("a{n}:name ")).collect();
        assert_eq!(values(&format!("{{user(id:1){{groups{{{aliases}}}}}}}")), 2 + 20 * 1_001);
    }

    #[test]
    fn availability_counts_its_groups_within_rules_only() {
        let sets = |text: &str| estimates(text, json!({})).1.sets;
        assert_eq!(sets("{user(id:1){availability{chat{status}}}}"), 0);
        assert_eq!(
            sets("{routingRule(id:1){a:availability{chat{isAvailable}} ...f}} fragment f on RoutingRule{id}"),
            4_000
        );
        let nested = "{conversation(id:1){contacts{routingRule{...f}}}} fragment f on RoutingRule{availability{chat{isAvailable}}}";
        assert_eq!(sets(nested), 2_001 * 4_000);
        let rule = "{routingRule(id:1){availability{chat{isAvailable}}}}";
        assert!(is_heavy(rule, json!({}), 1_000_000) && !is_heavy(rule, json!({}), 1_000));
    }

    #[test]
    fn selections_by_id_are_heavy_if_their_lists_are() {
        assert!(!is_heavy("{user(id:1){id lastName spokenLanguages}}", json!({}), 25_000));
        let aliases: String = (0..99).map(|n| format!("a{n}:name ")).collect();
        assert!(is_heavy(&format!("{{user(id:1){{groups{{{aliases}}}}}}}"), json!({}), 1));
        let messages = "messages{edges{node{...on TextMessage{text}}}}";
        assert!(is_heavy(&format!("{{conversation(id:1){{{messages}}}}}"), json!({}), 1));
        assert!(!is_heavy("{conversation(id:1){messages(first:5){edges{node{id}}}}}", json!({}), 1));
    }

    #[test]
    fn heaviness_depends_on_the_operation_and_the_size_of_the_tenant() {
        assert!(!is_heavy("{connectedUsersIndicator(groupIds:[1,2]){connectedUsersCount}}", json!({}), 1_000_000));
        let one = "{users(first:5){edges{node{id}}}}";
        let many: String = (0..19).map(|n| format!("a{n}:users(first:5){{edges{{node{{id}}}}}} ")).collect();
        let is_heavy_of = |text: &str, users| {
            let (work, reach) = estimates(text, json!({}));
            reach.is_heavy(&work, users, 0)
        };
        assert!(!is_heavy_of(one, 25_000) && is_heavy_of(one, 200_000) && is_heavy_of(&format!("{{{many}}}"), 25_000));
        let filter = "query($v:[LegacyId!]){connectedUsersIndicator(userIds:$v){connectedUsersCount}}";
        assert!(is_heavy(filter, json!({ "v": vec![1; 9_999] }), 0));
    }

    #[test]
    fn a_breakdown_counts_the_rows_that_it_may_count() {
        let rows = |arguments: &str| {
            let estimates = estimates(&format!("{{breakdown{arguments}{{rows{{cell{{people}}}}}}}}"), json!({})).1;
            (estimates.values, estimates.sets)
        };
        assert_eq!(rows(""), (1 + 1 + 3 * 1_000, 1));
        assert_eq!(rows("(groupBy:[CHANNEL,PRESENCE] first:7)"), (1 + 1 + 3 * 7, 16));
        assert_eq!(rows("(groupBy:PRESENCE first:9000)"), (1 + 1 + 3 * 5_000, 4), "a single value is a list of one");
        // Without a snapshot the entities are not known.
        assert_eq!(rows("(groupBy:[SKILL])").1, HEAVY_NANOS);
        assert!(is_heavy("{now{breakdown(groupBy:[SKILL,GROUP]){rowCount}}}", json!({}), 10));
        let (work, reach) = estimates("{now{breakdown(groupBy:[PRESENCE,CHANNEL] first:20){rowCount}}}", json!({}));
        assert!(!reach.is_heavy(&work, 10_000, 0));
    }

    /// Fails if a list is added to the schema but not to [`Walk::length`].
    #[tokio::test]
    async fn every_list_has_a_length() {
        let document = parse_query("{a}").unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let arguments = Arguments { operation: &operation.node, variables: &Variables::default() };
        let walk = Walk { document: &document, arguments, snapshot: None, known: HashMap::new() };
        for SchemaField { owner, name, shape } in schema_fields().await {
            let is_list = shape.contains("\"LIST\"") || shape.contains("Connection\"");
            let parsed = parse_query(format!("{{{name}}}")).unwrap();
            let (_, operation) = parsed.operations.iter().next().unwrap();
            let Selection::Field(selected) = &operation.node.selection_set.node.items[0].node else {
                panic!("a field")
            };
            let around = Lengths { owner: owner_of(&owner), ..Lengths::of(None) };
            let length = walk.length(&selected.node, around);
            assert_eq!(length.is_some(), is_list, "{owner}.{name}");
        }
    }
}
