//! Users: an interface, and a concrete type for each kind of user
//! (docs/reference/iadvize-graphql.md, "user and users").

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
use crate::http::graphql::QueryContext;
use crate::http::graphql::paging::{Connection, Page, PageArguments};
use crate::http::graphql::scalar::{DateTime, Language, LegacyId, UserRole};
use crate::query::people::users::Member;

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
    field(
        name = "pseudo",
        ty = "Option<&str>",
        desc = "Name shown to visitors. Null if none is known.",
        deprecation = "Deprecated by the vendor; use firstName and lastName."
    ),
    field(
        name = "interface_language",
        ty = "Option<Language>",
        desc = "Language of the administration interface. Null if none is known.",
        deprecation = "Deprecated by the vendor without a replacement."
    ),
    field(
        name = "spoken_languages",
        ty = "Vec<Language>",
        desc = "Languages spoken. Empty if none is known.",
        deprecation = "Deprecated by the vendor without a replacement."
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
    field(name = "groups", ty = "Result<Vec<Group>>", desc = "Groups, including the primary one, ascending by id."),
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
    Professional(Account<AProfessional>),
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
            User(AnyUser::Professional(Account::new(member)))
        }
    }

    /// Returns the user of an integer id as of the snapshot. For references that can outlive the user: a forgotten user
    /// is returned as deleted, with an empty name and the id only.
    pub fn of(snapshot: &Snapshot, id: i64) -> Self {
        User::new(Member::of(&snapshot.view, id))
    }

    /// Resolves a reference to a user, also to a deleted one until it is forgotten.
    pub fn find(snapshot: &Snapshot, user: EntityRef) -> Option<Self> {
        Member::find(&snapshot.view, user).map(User::new)
    }
}

/// Counts an unpaged list against the limit of the answer. Mutations have no limit in their context: each answers with
/// one user.
fn counted<T>(ctx: &Context<'_>, list: Vec<T>) -> Result<Vec<T>> {
    if let Some(context) = ctx.data_opt::<QueryContext>() {
        context.count(list.len())?;
    }
    Ok(list)
}

/// The name and description of a concrete type of user.
pub trait UserType: Send + Sync + 'static {
    /// The type's name in the schema.
    const NAME: &'static str;
    /// The type's description in the schema.
    const DESCRIPTION: &'static str;
}

/// Marks the type of users with neither of the roles EXPERT and BOT.
pub struct AProfessional;

impl UserType for AProfessional {
    const NAME: &'static str = "Professional";
    const DESCRIPTION: &'static str = "A user who is neither an expert nor a bot.";
}

/// Marks the type of users with the role EXPERT.
pub struct AnExpert;

impl UserType for AnExpert {
    const NAME: &'static str = "Expert";
    const DESCRIPTION: &'static str = "A user with the role EXPERT and not BOT: an outside expert.";
}

/// Marks the type of users with the role BOT.
pub struct ABot;

impl UserType for ABot {
    const NAME: &'static str = "Bot";
    const DESCRIPTION: &'static str = "A user with the role BOT, with or without other roles: a program.";
}

/// A user of one concrete type.
pub struct Account<S>(Member, PhantomData<S>);

impl<S> Account<S> {
    const fn new(member: Member) -> Self {
        Account(member, PhantomData)
    }

    /// Returns an optional text of the profile.
    fn text(&self, of: impl Fn(&Profile) -> &Option<String>) -> Option<&str> {
        self.0.profile().and_then(|profile| of(profile).as_deref())
    }
}

impl<S: UserType> TypeName for Account<S> {
    fn type_name() -> Cow<'static, str> {
        Cow::Borrowed(S::NAME)
    }
}

impl<S: UserType> Description for Account<S> {
    fn description() -> &'static str {
        S::DESCRIPTION
    }
}

#[Object(name_type, use_type_description)]
impl<S: UserType> Account<S> {
    /// The user's integer id.
    async fn id(&self) -> LegacyId {
        LegacyId(EntityRef::Id(self.0.id()))
    }

    /// The id in the customer's own system. Null if there is none.
    async fn external_id(&self) -> Option<&str> {
        self.text(|profile| &profile.external_id)
    }

    /// E-mail address. Null if none is known.
    async fn email(&self) -> Option<&str> {
        self.text(|profile| &profile.email)
    }

    /// Last or full name. Empty for a deleted user of whom only the id is left.
    async fn last_name(&self) -> &str {
        self.0.profile().map_or("", |profile| &profile.name)
    }

    /// First name. Null if none is known.
    async fn first_name(&self) -> Option<&str> {
        self.text(|profile| &profile.first_name)
    }

    /// Name shown to visitors. Null if none is known.
    #[graphql(deprecation = "Deprecated by the vendor; use firstName and lastName.")]
    async fn pseudo(&self) -> Option<&str> {
        self.text(|profile| &profile.pseudo)
    }

    /// Language of the administration interface. Null if none is known.
    #[graphql(deprecation = "Deprecated by the vendor without a replacement.")]
    async fn interface_language(&self) -> Option<Language> {
        self.text(|profile| &profile.language_admin).map(|code| Language(code.to_owned()))
    }

    /// Languages spoken. Empty if none is known.
    #[graphql(deprecation = "Deprecated by the vendor without a replacement.")]
    async fn spoken_languages(&self) -> Vec<Language> {
        self.0.profile().iter().flat_map(|profile| &profile.language_list).cloned().map(Language).collect()
    }

    /// True if the user was deleted: holds no conversations, is never connected, and is not in `users`.
    async fn is_deleted(&self) -> bool {
        self.0.is_deleted()
    }

    /// Time of the deletion. Null if the user was not deleted, or if only the id is left.
    async fn deleted_at(&self) -> Option<DateTime> {
        self.0.deleted().map(DateTime)
    }

    /// The user's roles; can be empty.
    async fn roles(&self) -> Vec<UserRole> {
        self.0.profile().iter().flat_map(|profile| profile.roles.iter()).map(UserRole::from).collect()
    }

    /// Groups, including the primary one, ascending by id.
    async fn groups(&self, ctx: &Context<'_>) -> Result<Vec<Group>> {
        counted(ctx, self.0.groups().map(Group).collect())
    }

    /// Skills, ascending by id.
    async fn skills(&self, ctx: &Context<'_>) -> Result<Vec<Skill>> {
        counted(ctx, self.0.skills().map(Skill).collect())
    }

    /// The presence that the user shows. Null for a deleted user.
    async fn presence(&self) -> Option<UserPresence> {
        let (shown, is_connected) = self.0.presence()?;
        Some(UserPresence { shown, is_connected })
    }

    /// The user's availability on each channel. Null for a deleted user.
    async fn availability(&self) -> Option<UserAvailability> {
        self.0.standing().map(UserAvailability)
    }

    /// Projects that the user works for, ascending by id.
    async fn projects(
        &self,
        #[graphql(desc = "Page size, from the start or after a cursor: 1 to 100, default 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Page size, up to the end or before a cursor: 1 to 100, default 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which the page ends.")] before: Option<String>,
    ) -> Result<Connection<Project>> {
        let page = Page::read(PageArguments { first, after, last, before })?;
        let projects = self.0.projects().map(Project);
        Ok(page.connection(page.select(projects.map(|project| (project.place(), project)))))
    }
}
