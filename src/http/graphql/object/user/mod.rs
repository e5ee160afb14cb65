//! Users: an interface, and a concrete type for each kind of user
//! (docs/reference/iadvize-graphql.md, "user and users").

mod account;
mod channels;
mod professional;

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, Interface, OutputType, Positioned, ServerResult, Value};

use super::availability::{UserAvailability, UserPresence};
use super::reference::{Project, Skill, UserGroup};
use crate::domain::conversation::NamedUser;
use crate::domain::{EntityRef, Filter, Role};
use crate::engine::Snapshot;
use crate::http::graphql::paging::{Connection, Cursor, Page};
use crate::http::graphql::scalar::{DateTime, Language, LegacyId, Locale, UserRole};
use crate::projection::roster::Connection as Connected;
use crate::query::people::users::{Member, users};
use account::{ABot, ADeveloper, Account, AnExpert, CountryPreferences};
use professional::Professional;

/// A user of the account, a person or a program: the fields that all kinds of users have. All of them describe the
/// instant of the whole answer.
#[derive(Interface)]
#[graphql(name = "User")]
#[expect(clippy::duplicated_attributes, reason = "fields of equal types are not the same field")]
#[graphql(
    field(name = "id", ty = "LegacyId", desc = "The user's integer id."),
    field(
        name = "external_id",
        ty = "Option<&str>",
        desc = "The id in the customer's own system. Null if there is none."
    ),
    field(name = "email", ty = "Option<&str>", desc = "E-mail address. Null if none is known."),
    field(
        name = "last_name",
        ty = "&str",
        desc = "Last or full name. Empty for a deleted user of whom only the id is left."
    ),
    field(name = "first_name", ty = "Option<&str>", desc = "First name. Null if none is known."),
    field(name = "user_name", ty = "Option<&str>", desc = "Name shown to visitors. Null if none is known."),
    field(
        name = "pseudo",
        ty = "Option<&str>",
        desc = "Name shown to visitors. Null if none is known.",
        deprecation = "Deprecated by the vendor; use userName."
    ),
    field(
        name = "interface_language",
        ty = "Option<Locale>",
        desc = "Language of the administration interface. Null if none is known.",
        deprecation = "Deprecated by the vendor; use countryPreferences."
    ),
    field(
        name = "spoken_languages",
        ty = "Vec<Language>",
        desc = "Languages spoken. Empty if none is known.",
        deprecation = "Deprecated by the vendor; use countryPreferences."
    ),
    field(
        name = "country_preferences",
        ty = "Option<CountryPreferences>",
        desc = "The user's languages. Null for a deleted user of whom only the id is left."
    ),
    field(
        name = "is_deleted",
        ty = "bool",
        desc = "True if the user was deleted: holds no conversations, is never connected, and is not in `users`."
    ),
    field(
        name = "deleted_at",
        ty = "Option<DateTime>",
        desc = "Time of the deletion. Null if the user was not deleted, or if only the id is left."
    ),
    field(name = "roles", ty = "Vec<UserRole>", desc = "The user's roles; can be empty."),
    field(
        name = "groups",
        ty = "Result<Vec<UserGroup>>",
        desc = "Groups, including the primary one, ascending by id."
    ),
    field(name = "skills", ty = "Result<Vec<Skill>>", desc = "Skills, ascending by id."),
    field(
        name = "presence",
        ty = "Option<UserPresence>",
        desc = "The presence that the user shows. Null for a deleted user."
    ),
    field(
        name = "availability",
        ty = "Option<UserAvailability>",
        desc = "The user's availability on each channel. Null for a deleted user."
    ),
    field(
        name = "projects",
        ty = "Result<Connection<Project>>",
        desc = "Projects that the user works for, ascending by id.",
        arg(
            name = "first",
            ty = "Option<i32>",
            desc = "Page size, from the start or after a cursor: 1 to 100, default 100."
        ),
        arg(name = "after", ty = "Option<String>", desc = "The cursor after which the page starts."),
        arg(
            name = "last",
            ty = "Option<i32>",
            desc = "Page size, up to the end or before a cursor: 1 to 100, default 100."
        ),
        arg(name = "before", ty = "Option<String>", desc = "The cursor before which the page ends.")
    )
)]
pub enum AnyUser {
    /// With neither of the roles EXPERT and BOT.
    Professional(Professional),
    /// No user: the directory does not have the role.
    Developer(Account<ADeveloper>),
    /// With the role EXPERT, without BOT.
    Expert(Account<AnExpert>),
    /// With the role BOT, whatever the other roles.
    Bot(Account<ABot>),
}

/// A user as its concrete type.
///
/// async-graphql resolves a field of an object through the interface by which the object was reached, and there an
/// error loses its path. So the interface serves the schema only, and values are resolved by the concrete object.
pub struct User(AnyUser);

impl OutputType for User {
    fn type_name() -> Cow<'static, str> {
        AnyUser::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        AnyUser::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        match &self.0 {
            AnyUser::Professional(user) => user.resolve(ctx, field).await,
            AnyUser::Developer(user) => user.resolve(ctx, field).await,
            AnyUser::Expert(user) => user.resolve(ctx, field).await,
            AnyUser::Bot(user) => user.resolve(ctx, field).await,
        }
    }
}

impl User {
    /// Chooses the concrete type by the user's roles. The roles of a forgotten user are unknown, so it becomes a
    /// Professional.
    pub fn new(member: Member) -> Self {
        let is = |role| member.profile().is_some_and(|profile| profile.roles.contains(role));
        if is(Role::Bot) {
            User(AnyUser::Bot(Account::new(member)))
        } else if is(Role::Expert) {
            User(AnyUser::Expert(Account::new(member)))
        } else {
            User(AnyUser::Professional(Professional::new(member)))
        }
    }

    /// Returns the user that an entry of a history names. A forgotten user, and one whose id another user has now, is
    /// returned as deleted, with an empty name and the id only.
    pub fn named(snapshot: &Snapshot, user: NamedUser) -> Self {
        User::new(Member::named(&snapshot.view, user))
    }

    /// Returns a page of the users of a selection, ascending by id.
    pub fn page(snapshot: &Snapshot, page: &Page<i64>, filter: &Filter, connected: Connected) -> Connection<Self> {
        let found = users(&snapshot.view, filter, connected);
        let places = found.map(|profile| (Cursor { key: profile.id, guid: profile.guid }, profile.id));
        // Users are built for the page only: the list can be long.
        let chosen = page.select(places).into_iter();
        page.connection(chosen.map(|(place, id)| (place, User::new(Member::of(&snapshot.view, id)))).collect())
    }

    /// Resolves a reference to a user, also to a deleted one until it is forgotten.
    pub fn find(snapshot: &Snapshot, user: EntityRef) -> Option<Self> {
        Member::find(&snapshot.view, user).map(User::new)
    }
}
