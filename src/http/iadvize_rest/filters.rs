//! The filters of `/operator` (CONTRACTS.md 1.3 and 3.2): `filters[name]=value`, all of which must match.

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::domain::filter::{Clause, Dimension, MAX_VALUES, TextField, Value};
use crate::domain::{EntityRef, Fault, Filter, text};
use crate::http::describe;
use crate::http::extract::Params;
use crate::http::extract::params::csv;

/// The filters, for the OpenAPI description.
pub struct OperatorFilters;

impl IntoParams for OperatorFilters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        [
            ("filters[id]", "Only these operators: comma-separated ids or GUIDs"),
            ("filters[group_id]", "Only operators in one of these groups: comma-separated ids or GUIDs"),
            ("filters[website_id]", "Only operators on one of these projects: comma-separated ids or GUIDs"),
            ("filters[website_list]", "Alias of filters[website_id]"),
            ("filters[skill_id]", "Only operators with one of these skills: comma-separated ids or GUIDs"),
            ("filters[name]", "Only operators with this name; * matches any characters"),
            ("filters[external_id]", "Only the operator with this external id"),
            ("filters[email]", "Only the operator with this e-mail address"),
            ("filters[connected]", "1 for operators online, 0 for operators offline"),
            ("connected", "Alias of filters[connected]"),
        ]
        .map(|(name, description)| describe::query_parameter(name, description))
        .into()
    }
}

/// Reads the filter of a list, and whether operators must be online or offline. Unknown parameters are ignored, on
/// which the vendor's clients rely.
pub fn read(query: &Params<'_>) -> Result<(Filter, Option<bool>), Fault> {
    let mut filter = Filter::default().and(Clause::Users(ids(query, "filters[id]")?));
    for (name, dimension) in [
        ("filters[group_id]", Dimension::Group),
        ("filters[website_id]", Dimension::Project),
        ("filters[website_list]", Dimension::Project),
        ("filters[skill_id]", Dimension::Skill),
    ] {
        let values = ids(query, name)?.into_iter().map(Value::Entity).collect();
        filter = filter.and(Clause::Any(dimension, values));
    }
    for (name, field) in [
        ("filters[name]", TextField::Name),
        ("filters[external_id]", TextField::ExternalId),
        ("filters[email]", TextField::Email),
    ] {
        let value = query.one(name)?.unwrap_or_default();
        if !value.is_empty() && !text::is_name(value) {
            return Err(Fault::invalid(name, "is too long"));
        }
        filter = filter.and(Clause::Text(field, value.to_owned()));
    }
    Ok((filter, connection(query)?))
}

/// Reads `connected` and `filters[connected]`, which mean the same; contradicting values are rejected.
fn connection(query: &Params<'_>) -> Result<Option<bool>, Fault> {
    let mut wanted = None;
    for name in ["connected", "filters[connected]"] {
        let given = match query.one(name)?.unwrap_or_default() {
            "" => continue,
            "1" => true,
            "0" => false,
            _ => return Err(Fault::invalid(name, "must be 0 or 1")),
        };
        if wanted.is_some_and(|wanted| wanted != given) {
            return Err(Fault::invalid(name, "contradicts the other form"));
        }
        wanted = Some(given);
    }
    Ok(wanted)
}

/// Parses comma-separated ids or GUIDs, any of which may match. Empty text is no restriction.
pub fn ids(query: &Params<'_>, name: &str) -> Result<Vec<EntityRef>, Fault> {
    let text = query.one(name)?.unwrap_or_default();
    if csv(text).count() > MAX_VALUES {
        return Err(Fault::invalid(name, "has more than 500 values"));
    }
    csv(text).map(|id| id.parse().map_err(|_| Fault::invalid(name, "must be an id or a GUID"))).collect()
}
