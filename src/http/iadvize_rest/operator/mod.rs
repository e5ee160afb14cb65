//! `/operator` (docs/reference/iadvize-rest.md, "Operators"): lists, returns, creates, changes and deletes operators.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod live;
pub mod patch;
pub mod profile;
pub mod row;
pub mod statistic;
pub mod update;

use serde_json::Value;

use super::RestFault;
use super::fields::Fields;
use crate::auth::{Authorized, NewPassword, OperatorsPasswords};
use crate::domain::directory::{Problem, ROLES_NOT_GRANTED, TAKEN};
use crate::domain::{EntityRef, Fault};
use crate::http::state::AppState;

/// Hashes the password among the fields, if there is one. The vendor's REST API has no such field; here it sets the
/// password for `/oauth2/token`. [`Fault::Forbidden`] unless the caller may set passwords.
async fn password<P>(app: &AppState, caller: &Authorized<P>, fields: &Fields) -> Result<Option<NewPassword>, Fault> {
    let Some(password) = fields.get("password") else { return Ok(None) };
    let caller: Authorized<OperatorsPasswords> = caller.caller().authorize()?;
    match password {
        Value::String(text) => app.passwords().new_password(&caller, text).await.map(Some),
        _ => Err(Fault::invalid("password", "must be a text")),
    }
}

/// Parses the operator's id in a path. Text that is not an id is answered as an unknown operator.
fn reference(id: &str) -> Result<EntityRef, RestFault> {
    id.parse().map_err(|_| RestFault::unknown("operator", id))
}

/// Translates the fault of a write into this dialect, which names the first invalid field as in the request. `id` is
/// that of the path; it is empty for a new operator.
fn refused(fault: Fault, id: &str) -> RestFault {
    match fault {
        Fault::NotFound(_) => RestFault::unknown("operator", id),
        Fault::Refused(problems) => match problems.first() {
            // A caller cannot give an id, so the value of a field is not at fault.
            Some(problem) if field(problem) == "id" && id.is_empty() => RestFault::Full(problem.detail.clone()),
            // The operator was deleted after the request was read.
            Some(problem) if field(problem) == "id" => RestFault::unknown("operator", id),
            Some(problem) if problem.detail == TAKEN => RestFault::Taken(field(problem)),
            // The vendor has one sentence for every lack of rights.
            Some(problem) if problem.detail == ROLES_NOT_GRANTED => RestFault::Fault(Fault::Forbidden),
            Some(problem) => RestFault::Fault(Fault::invalid(field(problem), &*problem.detail)),
            None => RestFault::Fault(Fault::Internal),
        },
        other => RestFault::Fault(other),
    }
}

/// Returns a field's name in requests: `/users/0/call_config/phone_number` → `call_config[phone_number]`. An element of
/// a list has the list's name.
fn field(problem: &Problem) -> String {
    let mut parts = problem.pointer.split('/').skip(3);
    let name = parts.next().unwrap_or("id");
    match parts.next() {
        Some(inner) if !inner.bytes().all(|b| b.is_ascii_digit()) => format!("{name}[{inner}]"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_become_the_names_of_fields() {
        for (pointer, name) in [
            ("/users/0/email", "email"),
            ("/users/0/website_list/3", "website_list"),
            ("/users/0/call_config", "call_config"),
            ("/users/0/call_config/phone_number", "call_config[phone_number]"),
            ("/users/0", "id"),
        ] {
            assert_eq!(field(&Problem { pointer: pointer.to_owned(), detail: String::new() }), name);
        }
    }
}
