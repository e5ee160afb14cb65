//! The filters of `/operator`, `/group` and `/skill` (docs/reference/iadvize-rest.md, "Lists"): `filters[name]=value`,
//! any value of one filter, and all of the filters. Unknown ones are rejected with the caller's authentication.

use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::domain::filter::{Clause, Dimension, MAX_TEXTS, MAX_VALUES, TextField, Value};
use crate::domain::{EntityRef, Fault, Filter, text};
use crate::http::describe;
use crate::http::extract::Params;
use crate::http::extract::params::elements;
use crate::http::iadvize_rest::fields::flag_text;

/// Filters of `/operator` by ids, besides `filters[id]`.
const BY_ID: [(&str, Dimension); 4] = [
    ("filters[group_id]", Dimension::Group),
    ("filters[website_id]", Dimension::Project),
    ("filters[website_list]", Dimension::Project),
    ("filters[skill_id]", Dimension::Skill),
];

/// Filters of `/operator` by texts.
const BY_TEXT: [(&str, TextField); 3] = [
    ("filters[name]", TextField::Name),
    ("filters[external_id]", TextField::ExternalId),
    ("filters[email]", TextField::Email),
];

/// The filter of `/operator` by connection, which has a flat alias.
const CONNECTED: &str = "filters[connected]";

/// The filters of `/operator`, for the OpenAPI description.
pub struct OperatorFilters;

impl IntoParams for OperatorFilters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let lists: [(&str, &str, &[&str]); 8] = [
            ("filters[id]", "Any of these operators: ids or GUIDs", &["101", "102"]),
            ("filters[group_id]", "Operators in any of these groups: ids or GUIDs", &["1", "2"]),
            ("filters[website_id]", "Operators on any of these projects: ids or GUIDs", &["7"]),
            (
                "filters[website_list]",
                "As filters[website_id]; an operator must match both if both are given",
                &["7", "8"],
            ),
            ("filters[skill_id]", "Operators with any of these skills: ids or GUIDs", &["1"]),
            ("filters[name]", "Operators with any of these names; * matches any characters", &["Al*"]),
            ("filters[external_id]", "Operators with any of these external ids", &["ext-101"]),
            ("filters[email]", "Operators with any of these e-mail addresses", &["alba@contact.example"]),
        ];
        let lists = lists.map(|(name, description, examples)| describe::list_parameter(name, description, examples));
        let flags = [
            (CONNECTED, "1 for operators online, 0 for operators offline"),
            ("connected", "Alias of filters[connected]"),
        ];
        let flags = flags.map(|(name, meaning)| describe::query_parameter(name, describe::flag(), meaning, json!(1)));
        lists.into_iter().chain(flags).collect()
    }
}

/// Reads the filter of a list of operators, and whether they must be online or offline.
pub fn read(query: &Params<'_>) -> Result<(Filter, Option<bool>), Fault> {
    let mut filter = Filter::default().and(Clause::Users(ids(query, "filters[id]")?));
    for (name, dimension) in BY_ID {
        let values = ids(query, name)?.into_iter().map(Value::Entity).collect();
        filter = filter.and(Clause::Any(dimension, values));
    }
    for (name, field) in BY_TEXT {
        filter = filter.and(Clause::Text(field, texts(query, name)?));
    }
    Ok((filter, connection(query)?))
}

/// Reads `connected` and `filters[connected]`, which mean the same; contradicting values are rejected.
fn connection(query: &Params<'_>) -> Result<Option<bool>, Fault> {
    let mut wanted = None;
    for name in ["connected", CONNECTED] {
        let given = match query.one(name)?.unwrap_or_default() {
            "" => continue,
            text => flag_text(text).ok_or_else(|| Fault::misfit_text(name, "must be 0 or 1", text))?,
        };
        if wanted.is_some_and(|wanted| wanted != given) {
            return Err(Fault::invalid(name, "contradicts the other of connected and filters[connected]"));
        }
        wanted = Some(given);
    }
    Ok(wanted)
}

/// Reads ids or GUIDs, any of which may match, in any spelling of a list and with commas. Blank values are no
/// restriction.
pub fn ids(query: &Params<'_>, name: &str) -> Result<Vec<EntityRef>, Fault> {
    let values = query.list(name)?;
    let ids = elements(&values);
    if ids.len() > MAX_VALUES {
        return Err(Fault::invalid(name, "has more than 500 values"));
    }
    ids.into_iter().map(|id| id.parse().map_err(|_| Fault::misfit_text(name, "must be an id or a GUID", id))).collect()
}

/// Reads texts, any of which may match, in any spelling of a list. A comma is a part of its text. Empty values are no
/// restriction if all are, and otherwise rejected.
fn texts(query: &Params<'_>, name: &str) -> Result<Vec<String>, Fault> {
    let values = query.list(name)?;
    if values.iter().all(|value| value.is_empty()) {
        return Ok(Vec::new());
    }
    if values.len() > MAX_TEXTS {
        return Err(Fault::invalid(name, "has more than 20 values"));
    }
    let checked = |value: &str| {
        if text::is_name(value) {
            Ok(value.to_owned())
        } else {
            Err(Fault::misfit_text(name, "must be 1 to 256 bytes without U+0000", value))
        }
    };
    values.into_iter().map(checked).collect()
}
