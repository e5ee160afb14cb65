//! Comparison of a response with an expectation.

use serde_json::{Map, Value};

/// Returns the first difference between two values; `None` if there is none. A placeholder equals any value of its kind.
/// Unless `exactly`, objects may have more members than expected.
pub fn differs(expected: &Value, got: &Value, exactly: bool, at: &str) -> Option<String> {
    let unequal = || Some(format!("at {at}/: expected {expected}, got {got}"));
    match (expected, got) {
        (Value::String(text), _) if text.starts_with("{{") => {
            if is_placeholder(text, got) {
                None
            } else {
                unequal()
            }
        }
        // A text that ends in the placeholder has a fixed beginning.
        (Value::String(text), Value::String(got)) if text.ends_with("{{string}}") => {
            let rest = text.strip_suffix("{{string}}").and_then(|start| got.strip_prefix(start));
            if rest.is_some_and(|rest| !rest.is_empty()) { None } else { unequal() }
        }
        (Value::Object(expected), Value::Object(got)) => object_differs(expected, got, exactly, at),
        (Value::Array(expected_items), Value::Array(items)) => {
            if expected_items.len() != items.len() {
                return unequal();
            }
            let pairs = expected_items.iter().zip(items).enumerate();
            pairs.into_iter().find_map(|(n, (e, g))| differs(e, g, exactly, &format!("{at}/{n}")))
        }
        (Value::Number(e), Value::Number(g)) if e.is_f64() || g.is_f64() => {
            let (e, g) = (e.as_f64()?, g.as_f64()?);
            let close = (e - g).abs() <= 1e-9 * e.abs().max(1.0);
            if close && expected.is_f64() == got.is_f64() { None } else { unequal() }
        }
        _ if expected == got => None,
        _ => unequal(),
    }
}

fn object_differs(expected: &Map<String, Value>, got: &Map<String, Value>, exactly: bool, at: &str) -> Option<String> {
    for (name, value) in expected {
        let Some(other) = got.get(name) else { return Some(format!("no member {at}/{name}")) };
        if let Some(difference) = differs(value, other, exactly, &format!("{at}/{name}")) {
            return Some(difference);
        }
    }
    let extra = got.keys().find(|name| exactly && !expected.contains_key(*name))?;
    Some(format!("unexpected member {at}/{extra}"))
}

/// Returns whether the expectation is a placeholder for values of the kind of `got`.
pub fn is_placeholder(expected: &str, got: &Value) -> bool {
    match expected {
        "{{any}}" => true,
        "{{int}}" => got.is_i64() || got.is_u64(),
        "{{string}}" => got.is_string(),
        "{{uuid}}" => got.as_str().is_some_and(|text| uuid::Uuid::try_parse(text).is_ok()),
        _ => false,
    }
}

#[test]
fn differences_are_found() {
    let got = serde_json::json!({ "a": 1, "b": [1.5, "x"], "c": "two words" });
    for (expected, exactly, same) in [
        (serde_json::json!({ "a": 1, "b": [1.5, "x"], "c": "two words" }), true, true),
        (serde_json::json!({ "a": 1 }), false, true),
        (serde_json::json!({ "a": 1 }), true, false),
        (serde_json::json!({ "a": 1.0, "b": [1.5, "x"] }), true, false),
        (serde_json::json!({ "b": ["{{any}}", "{{string}}"] }), false, true),
        (serde_json::json!({ "b": ["{{int}}", "x"] }), false, false),
        (serde_json::json!({ "b": [1.5] }), false, false),
        (serde_json::json!({ "c": "two {{string}}" }), false, true),
        (serde_json::json!({ "c": "two words{{string}}" }), false, false),
        (serde_json::json!({ "c": "a {{string}}" }), false, false),
    ] {
        assert_eq!(differs(&expected, &got, exactly, "").is_none(), same, "{expected}");
    }
}
