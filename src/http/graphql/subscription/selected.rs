//! The one field that a subscription selects, with the arguments that decide when it is answered.

use std::collections::HashSet;
use std::time::Duration;

use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Name, SubscriptionType, Value};

use super::Subscription;
use crate::http::graphql::completion;
use crate::http::graphql::cost::arguments::Arguments;
use crate::http::graphql::request::checked::CheckedRequest;
use crate::http::graphql::validation::Violation;
use crate::http::live::{INTERVALS, USUAL_INTERVAL};

/// Fields of a moment that change by themselves, and so do not count as a difference.
const CHANGING: [&str; 3] = ["position", "time", "stalenessMs"];

/// The one field of a subscription's root.
#[derive(Debug)]
pub struct Selected {
    /// Name of the field.
    pub field: String,
    /// Name of its member in answers.
    pub key: Name,
    /// The shortest time between two executions.
    pub interval: Duration,
    /// The least position of the first answer.
    pub min_position: Option<u64>,
    /// Members of its value that do not count as a difference.
    pub ignored: HashSet<Name>,
}

impl Selected {
    /// Reads the root of a subscription. A violation if it has not exactly one field, or one of introspection (October
    /// 2021, 5.2.3.1): several would be answered at several instants.
    pub fn of(checked: &CheckedRequest) -> Result<Self, Violation> {
        let refused = |message: &str| Violation::at(message, []);
        let operation = checked.operation().ok_or_else(|| refused("the operation is unknown"))?;
        if operation.selection_set.node.items.iter().any(|selection| !matches!(selection.node, Selection::Field(_))) {
            // async-graphql would answer null.
            return Err(refused("a subscription selects its field without a fragment around it"));
        }
        let (document, variables) = (&checked.document.parsed, &checked.request.variables);
        let of = Subscription::type_name();
        let root = completion::root(document, variables, &of, &operation.selection_set.node);
        let fields = match root.len() {
            1 => root.first().map(|(_, fields)| fields),
            _ => None,
        };
        let Some([first, further @ ..]) = fields.map(Vec::as_slice) else {
            return Err(refused("a subscription selects exactly one field"));
        };
        let field = &first.node;
        if field.name.node.starts_with("__") {
            return Err(refused("a subscription does not select a field of introspection"));
        }
        let mut ignored = HashSet::new();
        for one in [first].into_iter().chain(further) {
            changing(document, &one.node.selection_set.node, &mut ignored);
        }
        let arguments = Arguments { operation, variables };
        Ok(Selected {
            field: field.name.node.to_string(),
            key: field.response_key().node.clone(),
            interval: interval(&arguments, field),
            min_position: match arguments.value(field, "minPosition") {
                Some(Value::Number(position)) => position.as_u64(),
                _ => None,
            },
            ignored,
        })
    }
}

/// Returns the interval that a field is given. One that is not valid is rejected by the field, when it is executed first.
fn interval(arguments: &Arguments<'_>, field: &Field) -> Duration {
    let given = match arguments.value(field, "minIntervalMs") {
        Some(Value::Number(given)) => given.as_i64().and_then(|given| i32::try_from(given).ok()),
        _ => None,
    };
    let millis = given.unwrap_or(USUAL_INTERVAL).clamp(*INTERVALS.start(), *INTERVALS.end());
    Duration::from_millis(millis.unsigned_abs().into())
}

/// Collects the members of a moment that change by themselves. Fragments were counted, so they end.
fn changing(document: &ExecutableDocument, set: &SelectionSet, found: &mut HashSet<Name>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) if CHANGING.contains(&field.node.name.node.as_str()) => {
                found.insert(field.node.response_key().node.clone());
            }
            Selection::Field(_) => {}
            Selection::InlineFragment(fragment) => changing(document, &fragment.node.selection_set.node, found),
            Selection::FragmentSpread(spread) => {
                // The validator reports unknown fragments.
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    changing(document, &fragment.node.selection_set.node, found);
                }
            }
        }
    }
}
