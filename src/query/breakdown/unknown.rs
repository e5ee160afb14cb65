//! Values of a filter that do not exist: an error where a breakdown is requested, since a row of zeros for a misspelt id
//! would be believed.

use std::fmt::{self, Display};

use crate::domain::filter::{Clause, Value};
use crate::domain::{EntityRef, Filter};
use crate::live::View;
use crate::live::directory::kind_of;

/// A clause with the name of the argument that it was given in.
#[derive(Clone, Debug)]
pub struct NamedClause {
    /// The argument's name.
    pub argument: &'static str,
    /// The restriction.
    pub clause: Clause,
}

/// A value that does not exist. It is displayed as "there is no skill 99".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownValue {
    /// The argument that has it.
    pub argument: &'static str,
    /// Its place among the values of the argument, from 0.
    pub at: usize,
    /// The kind of what does not exist, such as `skill`.
    pub kind: &'static str,
    /// The value: an id, a GUID or a name.
    pub value: String,
}

impl Display for UnknownValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no {} {}", self.kind.replace('_', " "), self.value)
    }
}

/// Returns the filter of all clauses.
pub fn filter(clauses: &[NamedClause]) -> Filter {
    clauses.iter().fold(Filter::default(), |filter, named| filter.and(named.clause.clone()))
}

/// Returns the values that do not exist. A user who was deleted still does, as long as the directory remembers them.
pub fn unknown_values(view: &View, clauses: &[NamedClause]) -> Vec<UnknownValue> {
    let mut unknown = Vec::new();
    for NamedClause { argument, clause } in clauses {
        let argument = *argument;
        match clause {
            Clause::Any(dimension, values) | Clause::All(dimension, values) => {
                let directory = view.directory();
                let values = values.iter().enumerate();
                let values = values.filter(|(_, value)| directory.resolve(*dimension, value).next().is_none());
                let kind = kind_of(*dimension).name();
                unknown.extend(values.map(|(at, value)| UnknownValue { argument, at, kind, value: text(value) }));
            }
            Clause::Users(users) => {
                let users = users.iter().enumerate().filter(|(_, user)| is_deleted(view, **user).is_none());
                let kind = "user";
                unknown.extend(users.map(|(at, user)| UnknownValue { argument, at, kind, value: shown(*user) }));
            }
            Clause::Text(..) | Clause::Roles(_) | Clause::Chat(_) | Clause::Overall(_) => {}
        }
    }
    unknown
}

/// Returns the users among the values who were deleted, as they were given. They match no user, which is no error: a
/// display that names a user must not fail once the user is deleted.
pub fn deleted_users(view: &View, clauses: &[NamedClause]) -> Vec<EntityRef> {
    let users = clauses.iter().flat_map(|named| match &named.clause {
        Clause::Users(users) => users.as_slice(),
        _ => &[],
    });
    users.copied().filter(|user| is_deleted(view, *user) == Some(true)).collect()
}

/// Returns true for a user who was deleted; `None` if the directory does not have the user.
pub fn is_deleted(view: &View, user: EntityRef) -> Option<bool> {
    let users = view.directory().users();
    let ix = match user {
        EntityRef::Id(id) => users.by_id(id),
        EntityRef::Guid(guid) => users.by_guid(guid),
    }?;
    users.account(ix).map(|account| account.deleted.is_some())
}

fn text(value: &Value) -> String {
    match value {
        Value::Entity(reference) => shown(*reference),
        Value::Name(name) => name.clone(),
    }
}

fn shown(reference: EntityRef) -> String {
    match reference {
        EntityRef::Id(id) => id.to_string(),
        EntityRef::Guid(guid) => guid.to_string(),
    }
}
