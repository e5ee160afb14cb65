//! Users: one interface, and a type for each sort of user (CONTRACTS.md 2.8).

use std::borrow::Cow;
use std::marker::PhantomData;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{
    Context, ContextSelectionSet, Description, Interface, Object, OutputType, Positioned, Result, ServerResult,
    TypeName, Value,
};

use super::availability::{UserAvailability, UserPresence};
use super::reference::{Group, Project, Skill};
use crate::domain::{EntityRef, Profile, Role};
use crate::engine::Snapshot;
use crate::http::graphql::Asked;
use crate::http::graphql::paging::{Connection, Page, PageArguments};
use crate::http::graphql::scalar::{DateTime, Language, LegacyId, UserRole};
use crate::query::people::users::Member;

/// Somebody, or something, that works for the account: what all sorts of users have. All of it describes the instant
/// of the whole answer.
#[derive(Interface)]
#[graphql(name = "User")]
#[expect(clippy::duplicated_attributes, reason = "fields of equal types are not the same field")]
#[graphql(
    field(name = "id", ty = "LegacyId", desc = "Integer id."),
    field(
        name = "external_id",
        ty = "Option<&str>",
        desc = "The id that the customer's own system gave. Null if it gave none."
    ),
    field(name = "email", ty = "Option<&str>", desc = "E-mail address. Null if none is known."),
    field(
        name = "last_name",
        ty = "&str",
        desc = "Last or full name. Empty for a deleted user who is no longer remembered."
    ),
    field(name = "first_name", ty = "Option<&str>", desc = "First name. Null if none is known."),
    field(
        name = "pseudo",
        ty = "Option<&str>",
        desc = "Name shown to visitors. Null if none is known.",
        deprecation = "The vendor deprecates it; use firstName and lastName."
    ),
    field(
        name = "interface_language",
        ty = "Option<Language>",
        desc = "Language of the administration. Null if none is known.",
        deprecation = "The vendor deprecates it, and names nothing in its place."
    ),
    field(
        name = "spoken_languages",
        ty = "Vec<Language>",
        desc = "Languages spoken. Empty if none is known.",
        deprecation = "The vendor deprecates it, and names nothing in its place."
    ),
    field(
        name = "is_deleted",
        ty = "bool",
        desc = "Whether the user was deleted. Deleted users are in no list, hold nothing and are never connected."
    ),
    field(
        name = "deleted_at",
        ty = "Option<DateTime>",
        desc = "When the user was deleted. Null if they were not, or if that is no longer remembered."
    ),
    field(name = "roles", ty = "Vec<UserRole>", desc = "Roles; a user may have none."),
    field(name = "groups", ty = "Result<Vec<Group>>", desc = "Groups, the primary one among them, ascending by id."),
    field(name = "skills", ty = "Result<Vec<Skill>>", desc = "Skills, ascending by id."),
    field(name = "presence", ty = "Option<UserPresence>", desc = "What the user shows. Null for a deleted user."),
    field(
        name = "availability",
        ty = "Option<UserAvailability>",
        desc = "How the user stands on every channel. Null for a deleted user."
    ),
    field(
        name = "projects",
        ty = "Result<Connection<Project>>",
        desc = "Projects that the user works for, ascending by id.",
        arg(
            name = "first",
            ty = "Option<i32>",
            desc = "How many, from the start or after a cursor: 1 to 100, and 100 unless given."
        ),
        arg(name = "after", ty = "Option<String>", desc = "The cursor to go on after."),
        arg(
            name = "last",
            ty = "Option<i32>",
            desc = "How many, up to the end or before a cursor: 1 to 100, and 100 unless given."
        ),
        arg(name = "before", ty = "Option<String>", desc = "The cursor to stop before.")
    )
)]
pub enum AnyUser {
    /// Anybody else.
    Professional(Account<AProfessional>),
    /// With the role EXPERT.
    Expert(Account<AnExpert>),
    /// With the role BOT, whatever else.
    Bot(Account<ABot>),
}

/// A user, as one of the types.
///
/// The library answers an object's field through the interface that the object was reached by, and there an error loses
/// its path. So the interface is for the schema only, and an answer is the object's own.
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
            AnyUser::Expert(user) => user.resolve(ctx, field).await,
            AnyUser::Bot(user) => user.resolve(ctx, field).await,
        }
    }
}

impl User {
    /// A user as the type that their roles make them. Of one who is forgotten nothing is known, so they are anybody.
    pub fn new(member: Member) -> Self {
        let is = |role| member.profile().is_some_and(|profile| profile.roles.contains(role));
        if is(Role::Bot) {
            User(AnyUser::Bot(Account::new(member)))
        } else if is(Role::Expert) {
            User(AnyUser::Expert(Account::new(member)))
        } else {
            User(AnyUser::Professional(Account::new(member)))
        }
    }

    /// The user that an integer id names or named, as the snapshot has them. For references that may outlive the user:
    /// one who is forgotten is deleted, with an empty name and nothing but the id.
    pub fn of(snapshot: &Snapshot, id: i64) -> Self {
        User::new(Member::of(&snapshot.view, id))
    }

    /// The user that a reference names; deleted ones included, as long as they are remembered.
    pub fn find(snapshot: &Snapshot, user: EntityRef) -> Option<Self> {
        Member::find(&snapshot.view, user).map(User::new)
    }
}

/// A list without pages, counted. A change is answered with one user, whose lists are not.
fn counted<T>(ctx: &Context<'_>, list: Vec<T>) -> Result<Vec<T>> {
    if let Some(asked) = ctx.data_opt::<Asked>() {
        asked.count(list.len())?;
    }
    Ok(list)
}

/// What tells the types of users apart.
pub trait Sort: Send + Sync + 'static {
    /// The type's name.
    const NAME: &'static str;
    /// What the schema says of it.
    const DESCRIPTION: &'static str;
}

/// Whoever is neither of the others.
pub struct AProfessional;

impl Sort for AProfessional {
    const NAME: &'static str = "Professional";
    const DESCRIPTION: &'static str = "A user who is neither an expert nor a bot.";
}

/// An outside expert.
pub struct AnExpert;

impl Sort for AnExpert {
    const NAME: &'static str = "Expert";
    const DESCRIPTION: &'static str = "A user with the role EXPERT: somebody from outside.";
}

/// A program.
pub struct ABot;

impl Sort for ABot {
    const NAME: &'static str = "Bot";
    const DESCRIPTION: &'static str = "A user with the role BOT, whatever their other roles: a program.";
}

/// A user, as one of the types.
pub struct Account<S>(Member, PhantomData<S>);

impl<S> Account<S> {
    const fn new(member: Member) -> Self {
        Account(member, PhantomData)
    }

    /// A text of the profile.
    fn text(&self, of: impl Fn(&Profile) -> &Option<String>) -> Option<&str> {
        self.0.profile().and_then(|profile| of(profile).as_deref())
    }
}

impl<S: Sort> TypeName for Account<S> {
    fn type_name() -> Cow<'static, str> {
        Cow::Borrowed(S::NAME)
    }
}

impl<S: Sort> Description for Account<S> {
    fn description() -> &'static str {
        S::DESCRIPTION
    }
}

#[Object(name_type, use_type_description)]
impl<S: Sort> Account<S> {
    /// Integer id.
    async fn id(&self) -> LegacyId {
        LegacyId(EntityRef::Id(self.0.id()))
    }

    /// The id that the customer's own system gave. Null if it gave none.
    async fn external_id(&self) -> Option<&str> {
        self.text(|profile| &profile.external_id)
    }

    /// E-mail address. Null if none is known.
    async fn email(&self) -> Option<&str> {
        self.text(|profile| &profile.email)
    }

    /// Last or full name. Empty for a deleted user who is no longer remembered.
    async fn last_name(&self) -> &str {
        self.0.profile().map_or("", |profile| &profile.name)
    }

    /// First name. Null if none is known.
    async fn first_name(&self) -> Option<&str> {
        self.text(|profile| &profile.first_name)
    }

    /// Name shown to visitors. Null if none is known.
    #[graphql(deprecation = "The vendor deprecates it; use firstName and lastName.")]
    async fn pseudo(&self) -> Option<&str> {
        self.text(|profile| &profile.pseudo)
    }

    /// Language of the administration. Null if none is known.
    #[graphql(deprecation = "The vendor deprecates it, and names nothing in its place.")]
    async fn interface_language(&self) -> Option<Language> {
        self.text(|profile| &profile.language_admin).map(|code| Language(code.to_owned()))
    }

    /// Languages spoken. Empty if none is known.
    #[graphql(deprecation = "The vendor deprecates it, and names nothing in its place.")]
    async fn spoken_languages(&self) -> Vec<Language> {
        self.0.profile().iter().flat_map(|profile| &profile.language_list).cloned().map(Language).collect()
    }

    /// Whether the user was deleted. Deleted users are in no list, hold nothing and are never connected.
    async fn is_deleted(&self) -> bool {
        self.0.is_deleted()
    }

    /// When the user was deleted. Null if they were not, or if that is no longer remembered.
    async fn deleted_at(&self) -> Option<DateTime> {
        self.0.deleted().map(DateTime)
    }

    /// Roles; a user may have none.
    async fn roles(&self) -> Vec<UserRole> {
        self.0.profile().iter().flat_map(|profile| profile.roles.iter()).map(UserRole::from).collect()
    }

    /// Groups, the primary one among them, ascending by id.
    async fn groups(&self, ctx: &Context<'_>) -> Result<Vec<Group>> {
        counted(ctx, self.0.groups().map(Group).collect())
    }

    /// Skills, ascending by id.
    async fn skills(&self, ctx: &Context<'_>) -> Result<Vec<Skill>> {
        counted(ctx, self.0.skills().map(Skill).collect())
    }

    /// What the user shows. Null for a deleted user.
    async fn presence(&self) -> Option<UserPresence> {
        let (shown, is_connected) = self.0.presence()?;
        Some(UserPresence { shown, is_connected })
    }

    /// How the user stands on every channel. Null for a deleted user.
    async fn availability(&self) -> Option<UserAvailability> {
        self.0.standing().map(UserAvailability)
    }

    /// Projects that the user works for, ascending by id.
    async fn projects(
        &self,
        #[graphql(desc = "How many, from the start or after a cursor: 1 to 100, and 100 unless given.")] first: Option<
            i32,
        >,
        #[graphql(desc = "The cursor to go on after.")] after: Option<String>,
        #[graphql(desc = "How many, up to the end or before a cursor: 1 to 100, and 100 unless given.")] last: Option<
            i32,
        >,
        #[graphql(desc = "The cursor to stop before.")] before: Option<String>,
    ) -> Result<Connection<Project>> {
        let page = Page::read(PageArguments { first, after, last, before })?;
        let projects = self.0.projects().map(Project);
        Ok(page.connection(page.select(projects.map(|project| (project.place(), project)))))
    }
}
