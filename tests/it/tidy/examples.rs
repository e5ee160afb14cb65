//! The examples of the reference are requests and responses of the acceptance vectors, which are tested.

use serde_json::Value;

use super::{files, only_known};

/// Returns the JSON bodies that the vectors send, and those that they expect.
fn bodies() -> (Vec<Value>, Vec<Value>) {
    let (mut sent, mut expected) = (Vec::new(), Vec::new());
    for (file, text) in files(&["tests/vectors"], "json") {
        let vectors: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let steps = vectors.as_array().or_else(|| vectors["steps"].as_array());
        for step in steps.unwrap_or_else(|| panic!("{file} has no steps")) {
            sent.extend(step["request"].get("json").cloned());
            expected.extend(step["expect"].get("json").cloned());
        }
    }
    (sent, expected)
}

/// Returns the blocks of a page in one language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let rests = page.split(fence.as_str()).skip(1);
    rests.map(|rest| rest.split("\n```").next().unwrap_or_default()).collect()
}

/// Returns whether a body of a vector allows a value. A text in double braces stands for any value.
fn allows(body: &Value, value: &Value) -> bool {
    match (body, value) {
        (Value::String(text), _) if text.starts_with("{{") && text.ends_with("}}") => true,
        (Value::Array(items), Value::Array(others)) => {
            items.len() == others.len() && items.iter().zip(others).all(|(item, other)| allows(item, other))
        }
        (Value::Object(members), Value::Object(others)) => {
            let has = |(name, member): (&String, &Value)| others.get(name).is_some_and(|other| allows(member, other));
            members.len() == others.len() && members.iter().all(has)
        }
        _ => body == value,
    }
}

#[test]
fn every_example_of_the_reference_is_of_a_vector() {
    let (sent, expected) = bodies();
    let (mut found, mut looked) = (Vec::new(), 0);
    for (page, text) in files(&["docs/reference"], "md") {
        let requests = blocks(&text, "http").into_iter().filter(|block| !block.starts_with("HTTP/"));
        let requests = requests.filter_map(|block| block.split_once("\n\n")).map(|(_, body)| (body, &sent));
        let responses = blocks(&text, "json").into_iter().map(|body| (body, &expected));
        for (body, known) in requests.chain(responses).filter(|(body, _)| body.starts_with(['{', '['])) {
            looked += 1;
            let value: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{page}: {error} in {body}"));
            if !known.iter().any(|known| allows(known, &value)) {
                found.push(format!("{page} has {body}"));
            }
        }
    }
    assert!(looked > 30, "only {looked} examples were found");
    only_known(found, &[]);
}
