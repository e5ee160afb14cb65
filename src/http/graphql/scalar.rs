//! Scalars and enums of the schema.

use async_graphql::{Enum, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use uuid::Uuid;

use crate::domain::ids::{MAX_ID, parse_guid};
use crate::domain::{Channel, EntityRef, Role, Status, Time};

/// The id of a user, project, group or skill: an integer. The integer as a string and the GUID are accepted as well.
///
/// An integer too large for 64 bits is well formed and matches nothing.
#[derive(Clone, Copy, Debug)]
pub struct LegacyId(pub EntityRef);

/// The id of a user, project, group or skill: an integer. The integer as a string and the GUID are accepted as well.
///
/// An integer too large for 64 bits is well formed and matches nothing.
#[Scalar(name = "LegacyId")]
impl ScalarType for LegacyId {
    fn parse(value: Value) -> InputValueResult<Self> {
        reference(&value).map(LegacyId).ok_or_else(|| InputValueError::expected_type(value))
    }

    // Called during validation, so that a malformed id rejects the request before any field is executed.
    fn is_valid(value: &Value) -> bool {
        reference(value).is_some()
    }

    fn to_value(&self) -> Value {
        match self.0 {
            EntityRef::Id(id) => id.into(),
            EntityRef::Guid(guid) => guid.to_string().into(),
        }
    }
}

fn reference(value: &Value) -> Option<EntityRef> {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(id), _) if id >= 0 => Some(EntityRef::Id(id)),
            // JSON parsers turn integers beyond 64 bits into floats. Such an id is well formed; 0 is the id of nothing.
            (None, Some(big)) if big >= i64::MAX as f64 => Some(EntityRef::Id(0)),
            _ => None,
        },
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A GUID in its hyphenated form.
#[derive(Clone, Copy, Debug)]
pub struct Guid(pub Uuid);

/// A GUID in its hyphenated form.
#[Scalar(name = "UUID")]
impl ScalarType for Guid {
    fn parse(value: Value) -> InputValueResult<Self> {
        guid(&value).map(Guid).ok_or_else(|| InputValueError::expected_type(value))
    }

    fn is_valid(value: &Value) -> bool {
        guid(value).is_some()
    }

    fn to_value(&self) -> Value {
        self.0.to_string().into()
    }
}

fn guid(value: &Value) -> Option<Uuid> {
    match value {
        Value::String(text) => parse_guid(text),
        _ => None,
    }
}

/// An instant in ISO 8601 with an offset from UTC: `2019-01-04T11:12:13Z`. Any offset is accepted; answers are in UTC,
/// with fractions of a second, down to the microsecond, where they are not 0.
#[derive(Clone, Copy, Debug)]
pub struct DateTime(pub Time);

/// An instant in ISO 8601 with an offset from UTC: `2019-01-04T11:12:13Z`. Any offset is accepted; answers are in UTC,
/// with fractions of a second, down to the microsecond, where they are not 0.
#[Scalar(name = "DateTime")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        instant(&value).map(DateTime).ok_or_else(|| InputValueError::expected_type(value))
    }

    fn is_valid(value: &Value) -> bool {
        instant(value).is_some()
    }

    fn to_value(&self) -> Value {
        self.0.to_string().into()
    }
}

fn instant(value: &Value) -> Option<Time> {
    match value {
        Value::String(text) => Time::parse(text).ok(),
        _ => None,
    }
}

/// A position in the account's journal: an integer of at most 2^53 − 1, which rises by one with each event.
#[derive(Clone, Copy, Debug)]
pub struct Position(pub u64);

/// A position in the account's journal: an integer of at most 2^53 − 1, which rises by one with each event.
#[Scalar(name = "Position")]
impl ScalarType for Position {
    fn parse(value: Value) -> InputValueResult<Self> {
        position(&value).map(Position).ok_or_else(|| InputValueError::expected_type(value))
    }

    fn is_valid(value: &Value) -> bool {
        position(value).is_some()
    }

    fn to_value(&self) -> Value {
        self.0.into()
    }
}

fn position(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => {
            number.as_u64().filter(|position| i64::try_from(*position).is_ok_and(|it| it <= MAX_ID))
        }
        _ => None,
    }
}

/// A language by its ISO 639-1 code, such as `fr`.
#[derive(Clone, Debug)]
pub struct Language(pub String);

/// A language by its ISO 639-1 code, such as `fr`.
#[Scalar(name = "Language")]
impl ScalarType for Language {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(code) => Ok(Language(code)),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        self.0.clone().into()
    }
}

/// The language of a user's interface by its ISO 639-1 code, such as `fr`.
#[derive(Clone, Debug)]
pub struct Locale(pub String);

/// The language of a user's interface by its ISO 639-1 code, such as `fr`.
#[Scalar(name = "Locale")]
impl ScalarType for Locale {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(code) => Ok(Locale(code)),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        self.0.clone().into()
    }
}

/// The availability of a connected user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum AvailabilityStatus {
    /// Can take one more conversation now.
    Available,
    /// At the maximum of simultaneous conversations, or blocked by a conversation on another channel.
    Busy,
    /// Unavailable by choice, also while holding conversations.
    ToggleOff,
}

impl From<AvailabilityStatus> for Status {
    fn from(status: AvailabilityStatus) -> Self {
        match status {
            AvailabilityStatus::Available => Status::Available,
            AvailabilityStatus::Busy => Status::Busy,
            AvailabilityStatus::ToggleOff => Status::ToggleOff,
        }
    }
}

/// A user's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserRole {
    /// Answers visitors.
    #[graphql(name = "OPERATOR")]
    Operator,
    /// Supervises operators.
    #[graphql(name = "MANAGER")]
    Manager,
    /// Administers the account.
    #[graphql(name = "ADMIN")]
    Admin,
    /// Is an outside expert.
    #[graphql(name = "EXPERT")]
    Expert,
    /// Is a program.
    #[graphql(name = "BOT")]
    Bot,
    /// Deprecated spelling of OPERATOR.
    #[graphql(name = "operator", deprecation = "Use OPERATOR.")]
    LowerOperator,
    /// Deprecated spelling of MANAGER.
    #[graphql(name = "manager", deprecation = "Use MANAGER.")]
    LowerManager,
    /// Deprecated spelling of ADMIN.
    #[graphql(name = "admin", deprecation = "Use ADMIN.")]
    LowerAdmin,
    /// Deprecated spelling of EXPERT.
    #[graphql(name = "expert", deprecation = "Use EXPERT.")]
    LowerExpert,
    /// Deprecated spelling of BOT.
    #[graphql(name = "bot", deprecation = "Use BOT.")]
    LowerBot,
}

impl From<UserRole> for Role {
    fn from(role: UserRole) -> Self {
        match role {
            UserRole::Operator | UserRole::LowerOperator => Role::Operator,
            UserRole::Manager | UserRole::LowerManager => Role::Manager,
            UserRole::Admin | UserRole::LowerAdmin => Role::Admin,
            UserRole::Expert | UserRole::LowerExpert => Role::Expert,
            UserRole::Bot | UserRole::LowerBot => Role::Bot,
        }
    }
}

impl From<Role> for UserRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Operator => UserRole::Operator,
            Role::Manager => UserRole::Manager,
            Role::Admin => UserRole::Admin,
            Role::Expert => UserRole::Expert,
            Role::Bot => UserRole::Bot,
        }
    }
}

/// A channel on which users take conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserChannel {
    /// Chat and messaging.
    Chat,
    /// Calls.
    Call,
    /// Video calls.
    Video,
    /// Third-party channels: mail, cases, social media.
    ThirdParty,
}

impl From<UserChannel> for Channel {
    fn from(channel: UserChannel) -> Self {
        match channel {
            UserChannel::Chat => Channel::Chat,
            UserChannel::Call => Channel::Call,
            UserChannel::Video => Channel::Video,
            UserChannel::ThirdParty => Channel::ThirdParty,
        }
    }
}

impl From<Channel> for UserChannel {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Chat => UserChannel::Chat,
            Channel::Call => UserChannel::Call,
            Channel::Video => UserChannel::Video,
            Channel::ThirdParty => UserChannel::ThirdParty,
        }
    }
}

/// The unit of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum RateUnit {
    /// Percent: 100 is full.
    Percent,
    /// Ratio: 1 is full.
    Ratio,
}
