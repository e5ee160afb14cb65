//! Values of requests as messages quote them.

use serde_json::Value;

/// Most characters of a text in a message.
const MAX_CHARACTERS: usize = 64;

/// Returns a value as JSON, a text cut after 64 characters; of lists and objects only what they are.
pub fn found(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) => String::from("a list"),
        Value::Object(_) => String::from("an object"),
        other => other.to_string(),
    }
}

/// Returns a text in quotation marks, with escapes; a longer one cut, with its length.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARACTERS) {
        None => Value::from(text).to_string(),
        Some((end, _)) => format!("{} and more, {} bytes", Value::from(&text[..end]), text.len()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_quoted_briefly() {
        for (value, text) in [
            (json!("a\"\n\0"), r#""a\"\n\u0000""#),
            (json!(1.5), "1.5"),
            (json!(null), "null"),
            (json!([1]), "a list"),
            (json!({ "a": 1 }), "an object"),
        ] {
            assert_eq!(found(&value), text);
        }
        let long = "ä".repeat(100);
        assert_eq!(found(&json!(long)), format!("\"{}\" and more, 200 bytes", "ä".repeat(64)));
        assert_eq!(found(&json!("ä".repeat(64))), format!("\"{}\"", "ä".repeat(64)));
    }
}
