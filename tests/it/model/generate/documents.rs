//! Random directories, and documents that change them.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use rollcall::domain::Role;
use rollcall::domain::channel::ReferenceChannel;
use rollcall::domain::directory::{
    ChannelPatch, ChannelsPatch, DirectorySettingsPatch, Document, EntityPatch, Kind, UserPatch,
};
use rollcall::domain::ids::EntityRef;
use rollcall::domain::json::Field;
use rollcall::domain::presence::DefinitionCategory;
use rollcall::domain::settings::capacity::SizesPatch;

use super::guid_of;

/// The entities of each kind in an initial directory.
const ENTITIES: i64 = 3;

/// The kinds of entities that users belong to.
const GROUPINGS: [Kind; 6] = [Kind::Project, Kind::Group, Kind::Skill, Kind::Queue, Kind::Campaign, Kind::RoutingGroup];

/// Generates a directory with `users` users, all of them valid.
pub fn document_of(users: i64) -> impl Strategy<Value = Document> {
    let patches: Vec<_> = (1..=users).map(|id| person(false).prop_map(move |patch| named(patch, id))).collect();
    (reference_data(), patches, option::of(settings())).prop_map(|(document, users, settings)| Document {
        settings,
        users,
        ..document
    })
}

/// Generates a directory of many users, each with the properties of one of sixteen.
pub fn large_document(users: i64) -> impl Strategy<Value = Document> {
    (reference_data(), prop::collection::vec(person(false), 16)).prop_map(move |(document, kinds)| {
        let scattered = |id: i64| ((id * 2_654_435_761) >> 9) as usize % kinds.len();
        let users = (1..=users).map(|id| UserPatch {
            id: Some(id),
            guid: own_guid("user", id),
            ..kinds[scattered(id)].clone()
        });
        Document { users: users.collect(), ..document }
    })
}

/// Generates a change of the directory: users are created and changed, external ids and e-mail addresses reassigned,
/// settings changed, and ready definitions made routable or not. Some are rejected.
pub fn change(ids: Vec<i64>) -> BoxedStrategy<Document> {
    let user = (option::weighted(0.9, select(ids)), option::weighted(0.3, 1..=6i64), person(true)).prop_map(
        |(id, external, patch)| {
            let external_id = external.map_or(patch.external_id.clone(), |n| Field::Set(format!("x{n}")));
            let guid = id.filter(|_| external.is_none()).and_then(|id| own_guid("user", id));
            UserPatch { id, guid, external_id, ..patch }
        },
    );
    let entity = (select(GROUPINGS.to_vec()), option::weighted(0.8, 1..=ENTITIES + 1), option::of(name()));
    let entities = prop::collection::vec(entity, 0..2);
    let (settings, routable) = (option::weighted(0.3, settings()), option::weighted(0.3, routable()));
    (prop::collection::vec(user, 0..3), entities, settings, routable)
        .prop_map(|(users, entities, settings, routable)| {
            let mut document = Document { settings, users, ..Document::default() };
            document.presence_definitions.extend(routable);
            for (kind, id, name) in entities {
                let guid = id.and_then(|id| own_guid(kind.name(), id));
                list(&mut document, kind).push(EntityPatch { id, guid, name, ..EntityPatch::default() });
            }
            document
        })
        .boxed()
}

/// Generates a change of what one of the ready definitions says of work.
fn routable() -> BoxedStrategy<EntityPatch> {
    (select(vec![3, 6]), any::<bool>())
        .prop_map(|(id, routable)| EntityPatch { id: Some(id), routable: Some(routable), ..EntityPatch::default() })
        .boxed()
}

fn settings() -> BoxedStrategy<DirectorySettingsPatch> {
    let channel = prop_oneof![
        1 => Just(Field::Absent),
        1 => Just(Field::Clear),
        4 => select(ReferenceChannel::ALL.to_vec()).prop_map(Field::Set),
    ];
    (channel, sizes())
        .prop_map(|(reference_channel, capacity)| DirectorySettingsPatch { reference_channel, capacity })
        .boxed()
}

/// Generates a change of sizes, most of them about a whole number of interactions.
fn sizes() -> BoxedStrategy<Field<SizesPatch>> {
    let size = || {
        prop_oneof![
            2 => Just(Field::Absent),
            1 => Just(Field::Clear),
            4 => select(vec![1, 20, 25, 33, 50, 51, 80, 100]).prop_map(Field::Set),
        ]
    };
    let patch =
        (size(), size(), size()).prop_map(|(live, semi_live, non_live)| SizesPatch { live, semi_live, non_live });
    prop_oneof![6 => Just(Field::Absent), 1 => Just(Field::Clear), 4 => patch.prop_map(Field::Set)].boxed()
}

/// Returns a user with only an id and a name.
pub fn user(id: i64) -> UserPatch {
    UserPatch { id: Some(id), name: Some(format!("user {id}")), ..UserPatch::default() }
}

/// Generates a document of one valid user, which recreates a user that was deleted and forgotten.
pub fn recreated_user(ids: Vec<i64>) -> impl Strategy<Value = Document> {
    (select(ids), option::weighted(0.4, 1..=3i64), person(false)).prop_map(|(id, external, patch)| {
        let external_id = external.map_or(Field::Absent, |n| Field::Set(format!("x{n}")));
        let user = UserPatch { id: Some(id), guid: own_guid("user", id), external_id, ..patch };
        Document { users: vec![user], ..Document::default() }
    })
}

fn named(patch: UserPatch, id: i64) -> UserPatch {
    let few = id <= 5;
    let text = |text: String| if few { Field::Set(text) } else { Field::Absent };
    UserPatch {
        id: Some(id),
        guid: own_guid("user", id),
        external_id: text(format!("x{id}")),
        email: text(format!("u{id}@mail.example")),
        ..patch
    }
}

fn own_guid(kind: &str, id: i64) -> Option<uuid::Uuid> {
    (id % 2 == 1).then(|| guid_of(kind, id))
}

/// Generates entities of every kind, some with equal names, and presence definitions of every category.
fn reference_data() -> impl Strategy<Value = Document> {
    let names = prop::collection::vec(name(), GROUPINGS.len() * ENTITIES as usize);
    names.prop_map(|names| {
        let mut document = Document::default();
        let mut names = names.into_iter();
        for kind in GROUPINGS {
            for id in 1..=ENTITIES {
                let guid = own_guid(kind.name(), id);
                list(&mut document, kind).push(EntityPatch {
                    id: Some(id),
                    guid,
                    name: names.next(),
                    ..EntityPatch::default()
                });
            }
        }
        document.routing_rules.push(EntityPatch {
            name: Some(String::from("rule")),
            routing_groups: Some(vec![EntityRef::Id(2), EntityRef::Id(1)]),
            ..EntityPatch::default()
        });
        for (id, category) in (1..).zip([
            DefinitionCategory::Away,
            DefinitionCategory::ExtendedAway,
            DefinitionCategory::Ready,
            DefinitionCategory::LoggedOut,
            DefinitionCategory::Away,
            DefinitionCategory::Ready,
        ]) {
            document.presence_definitions.push(EntityPatch {
                id: Some(id),
                guid: own_guid("presence_definition", id),
                category: Some(category),
                description: Some(format!("definition {id}")),
                selectable: Some(id != 5),
                routable: (id == 6).then_some(false),
                ..EntityPatch::default()
            });
        }
        document
    })
}

fn list(document: &mut Document, kind: Kind) -> &mut Vec<EntityPatch> {
    match kind {
        Kind::Project => &mut document.projects,
        Kind::Group => &mut document.groups,
        Kind::Skill => &mut document.skills,
        Kind::Queue => &mut document.queues,
        Kind::Campaign => &mut document.campaigns,
        Kind::RoutingGroup => &mut document.routing_groups,
        Kind::RoutingRule => &mut document.routing_rules,
        Kind::PresenceDefinition => &mut document.presence_definitions,
    }
}

/// Generates names that are equal to some comparisons and not to others.
pub fn name() -> impl Strategy<Value = String> {
    select(vec!["Red", "red ", " RED", "Blue", "Été", "ÉTÉ"]).prop_map(String::from)
}

/// Generates the properties of a user, without identities. A wild one may lack any, and have dangling references.
fn person(wild: bool) -> BoxedStrategy<UserPatch> {
    let given = if wild { 0.3 } else { 0.9 };
    let names = (
        maybe(if wild { 0.8 } else { 1.0 }, name()),
        if wild { text(["x1", "x2", "x6"]) } else { Just(Field::Absent).boxed() },
        if wild {
            text(["u1@mail.example", "U1@mail.example", "u2@MAIL.example"])
        } else {
            Just(Field::Absent).boxed()
        },
    );
    let lists = prop::collection::vec(option::weighted(given, references(wild)), GROUPINGS.len());
    let channels = [channel(wild, 0.9), channel(wild, 0.7), channel(wild, 0.3), channel(wild, 0.3)];
    let primary = prop_oneof![
        6 => Just(Field::Absent),
        1 => Just(Field::Clear),
        4 => reference(false).prop_map(Field::Set)
    ];
    let roles = option::weighted(given, prop::collection::vec(select(Role::ALL.to_vec()), 0..3));
    let both = option::weighted(given, any::<bool>());
    (names, lists, channels, primary, roles, (both, sizes()))
        .prop_map(
            |((name, external_id, email), lists, [chat, call, video, third_party], primary_group, roles, rest)| {
                let (chat_and_call, capacity) = rest;
                let [projects, groups, skills, queues, campaigns, routing_groups] = lists.try_into().unwrap();
                UserPatch {
                    name,
                    external_id,
                    email,
                    projects,
                    groups,
                    skills,
                    queues,
                    campaigns,
                    routing_groups,
                    channels: Some(ChannelsPatch { chat, call, video, third_party }),
                    primary_group,
                    roles,
                    chat_and_call,
                    capacity,
                    ..UserPatch::default()
                }
            },
        )
        .boxed()
}

/// Generates a text that another user may have; addresses are compared without case.
fn text(pool: [&'static str; 3]) -> BoxedStrategy<Field<String>> {
    prop_oneof![
        8 => Just(Field::Absent),
        1 => Just(Field::Clear),
        2 => select(pool.to_vec()).prop_map(|text| Field::Set(String::from(text))),
    ]
    .boxed()
}

fn references(wild: bool) -> impl Strategy<Value = Vec<EntityRef>> {
    prop::collection::vec(reference(wild), 0..3)
}

/// Generates a reference to an entity of the initial directory; a wild one may be dangling.
fn reference(wild: bool) -> impl Strategy<Value = EntityRef> {
    let last = if wild { 60i64 } else { 59 };
    (0..=last).prop_map(|n| if n == 60 { EntityRef::Id(99) } else { EntityRef::Id(n % ENTITIES + 1) })
}

fn channel(wild: bool, enabled: f64) -> impl Strategy<Value = Option<ChannelPatch>> {
    let max = prop_oneof![1 => Just(0u32), 8 => 1..=3u32, 2 => 4..=9u32, 1 => Just(1_000)];
    let given = if wild { 0.3 } else { 1.0 };
    let patch = (maybe(given, prop::bool::weighted(enabled)), maybe(given, max))
        .prop_map(|(enabled, max_slots)| ChannelPatch { enabled, max_slots, priority: None });
    maybe(given, patch)
}

fn maybe<T: std::fmt::Debug + Clone + 'static>(
    chance: f64,
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Option<T>> {
    if chance < 1.0 { option::weighted(chance, value).boxed() } else { value.prop_map(Some).boxed() }
}
