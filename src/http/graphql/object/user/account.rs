//! The fields that all users have, as an object of one concrete type.

use std::borrow::Cow;
use std::marker::PhantomData;

use async_graphql::{Context, Description, Object, Result, SimpleObject, TypeName};

use crate::domain::{EntityRef, PackedProfile};
use crate::http::graphql::QueryContext;
use crate::http::graphql::object::availability::{UserAvailability, UserPresence};
use crate::http::graphql::object::reference::{Project, Skill, UserGroup, place};
use crate::http::graphql::paging::list_id::ListId;
use crate::http::graphql::paging::{Connection, Page, PageArguments};
use crate::http::graphql::scalar::{DateTime, Language, LegacyId, Locale, UserRole};
use crate::query::people::users::Member;

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

/// Marks the part of a professional that all users have. The schema shows it merged with the rest.
pub struct AProfessional;

impl UserType for AProfessional {
    const NAME: &'static str = "ProfessionalAccount";
    const DESCRIPTION: &'static str = "The fields of a professional that all users have.";
}

/// Marks the type of developers of the account's applications.
pub struct ADeveloper;

impl UserType for ADeveloper {
    const NAME: &'static str = "Developer";
    const DESCRIPTION: &'static str = "A developer of the account's applications. The directory has no such role, so no \
        user is of this type; it is part of the schema for documents that name it.";
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

/// A user's languages, as far as the account has set them.
#[derive(SimpleObject)]
pub struct CountryPreferences {
    /// Language of the administration interface. Null if none is known.
    interface_language: Option<Locale>,
    /// Languages spoken. Empty if none is known.
    languages: Vec<Language>,
}

/// A user of one concrete type.
pub struct Account<S>(Member, PhantomData<S>);

impl<S> Account<S> {
    /// Wraps a user.
    pub const fn new(member: Member) -> Self {
        Account(member, PhantomData)
    }

    fn locale(&self) -> Option<Locale> {
        self.text(PackedProfile::language_admin).map(|code| Locale(code.to_owned()))
    }

    fn languages(&self) -> Vec<Language> {
        self.0.profile().map(PackedProfile::language_list).unwrap_or_default().into_iter().map(Language).collect()
    }

    /// Returns an optional text of the profile.
    fn text(&self, of: impl Fn(&PackedProfile) -> Option<&str>) -> Option<&str> {
        self.0.profile().and_then(of)
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
    pub(super) async fn id(&self) -> LegacyId {
        LegacyId(EntityRef::Id(self.0.id()))
    }

    /// The id in the customer's own system. Null if there is none.
    pub(super) async fn external_id(&self) -> Option<&str> {
        self.text(PackedProfile::external_id)
    }

    /// E-mail address. Null if none is known.
    pub(super) async fn email(&self) -> Option<&str> {
        self.text(PackedProfile::email)
    }

    /// Last or full name. Empty for a deleted user of whom only the id is left.
    pub(super) async fn last_name(&self) -> &str {
        self.0.profile().map_or("", PackedProfile::name)
    }

    /// First name. Null if none is known.
    pub(super) async fn first_name(&self) -> Option<&str> {
        self.text(PackedProfile::first_name)
    }

    /// Name shown to visitors. Null if none is known.
    pub(super) async fn user_name(&self) -> Option<&str> {
        self.text(PackedProfile::pseudo)
    }

    /// Name shown to visitors. Null if none is known.
    #[graphql(deprecation = "Deprecated by the vendor; use userName.")]
    pub(super) async fn pseudo(&self) -> Option<&str> {
        self.text(PackedProfile::pseudo)
    }

    /// Language of the administration interface. Null if none is known.
    #[graphql(deprecation = "Deprecated by the vendor; use countryPreferences.")]
    pub(super) async fn interface_language(&self) -> Option<Locale> {
        self.locale()
    }

    /// Languages spoken. Empty if none is known.
    #[graphql(deprecation = "Deprecated by the vendor; use countryPreferences.")]
    pub(super) async fn spoken_languages(&self) -> Vec<Language> {
        self.languages()
    }

    /// The user's languages. Null for a deleted user of whom only the id is left.
    pub(super) async fn country_preferences(&self) -> Option<CountryPreferences> {
        self.0.profile()?;
        Some(CountryPreferences { interface_language: self.locale(), languages: self.languages() })
    }

    /// True if the user was deleted: holds no conversations, is never connected, and is not in `users`.
    pub(super) async fn is_deleted(&self) -> bool {
        self.0.is_deleted()
    }

    /// Time of the deletion. Null if the user was not deleted, or if only the id is left.
    pub(super) async fn deleted_at(&self) -> Option<DateTime> {
        self.0.deleted().map(DateTime)
    }

    /// The user's roles; can be empty.
    pub(super) async fn roles(&self) -> Vec<UserRole> {
        self.0.profile().iter().flat_map(|profile| profile.roles.iter()).map(UserRole::from).collect()
    }

    /// Groups, including the primary one, ascending by id.
    pub(super) async fn groups(&self, ctx: &Context<'_>) -> Result<Vec<UserGroup>> {
        counted(ctx, self.0.groups().map(UserGroup).collect())
    }

    /// Skills, ascending by id.
    pub(super) async fn skills(&self, ctx: &Context<'_>) -> Result<Vec<Skill>> {
        counted(ctx, self.0.skills().map(Skill).collect())
    }

    /// The presence that the user shows. Null for a deleted user.
    pub(super) async fn presence(&self) -> Option<UserPresence> {
        let (shown, is_connected) = self.0.presence()?;
        let (since, connected_since) = (self.0.presence_since(), self.0.connected_since());
        Some(UserPresence { shown, is_connected, since, connected_since })
    }

    /// The user's availability on each channel. Null for a deleted user.
    pub(super) async fn availability(&self) -> Option<UserAvailability> {
        self.0.standing().map(UserAvailability)
    }

    /// Projects that the user works for, ascending by id.
    pub(super) async fn projects(
        &self,
        #[graphql(desc = "Page size, from the start or after a cursor: 1 to 100, default 100.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Page size, up to the end or before a cursor: 1 to 100, default 100.")] last: Option<i32>,
        #[graphql(desc = "The cursor before which the page ends.")] before: Option<String>,
    ) -> Result<Connection<Project>> {
        let list = ListId::whole(format_args!("user {}", self.0.id()), "projects");
        let page = Page::read(PageArguments { first, after, last, before }, list)?;
        let projects = self.0.projects();
        Ok(page.connection(page.select(projects.map(|project| (place(&project), Project(project))))))
    }
}
