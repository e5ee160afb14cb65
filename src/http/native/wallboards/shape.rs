//! All problems in the shape of a board. The parser stops at the first: each is mended in a copy of the document, which is
//! then parsed again.

use serde_json::{Value, json};

use crate::domain::Fault;
use crate::domain::board::Board;
use crate::domain::directory::Problem;
use crate::domain::json::Object;
use crate::http::fault::MAX_PROBLEMS;
use crate::http::native::{NO_NAME, pointer};

/// Returns the parser's fault with the problems that it did not reach, at most [`MAX_PROBLEMS`] in all. Faults of other
/// kinds than [`Fault::Refused`] are returned as they are.
pub fn with_all_problems(fault: Fault, body: &[u8]) -> Fault {
    match (fault, serde_json::from_slice(body)) {
        (Fault::Refused(first), Ok(document)) => Fault::Refused(all_problems(first, document)),
        (fault, _) => fault,
    }
}

fn all_problems(mut problems: Vec<Problem>, mut document: Value) -> Vec<Problem> {
    while let Some(last) = problems.last()
        && mend(&mut document, last).is_some()
        && problems.len() < MAX_PROBLEMS
        && let Some(next) = problem(&document)
        // A problem that was not mended.
        && problems.iter().all(|known| known.pointer != next.pointer || known.detail != next.detail)
    {
        problems.push(next);
    }
    problems
}

/// Returns the first problem of a document.
fn problem(document: &Value) -> Option<Problem> {
    let error = serde_path_to_error::deserialize::<_, Object<Board>>(document).err()?;
    let (pointer, detail) = (pointer(error.path()), error.inner().to_string());
    // What the parser says of a value in the place of a name, such as a number.
    let detail = if detail.ends_with("expected string or map") { NO_NAME.to_owned() } else { detail };
    Some(Problem { pointer, detail })
}

/// Removes what a problem is about, or puts something valid in its place. `None` if it is not found.
fn mend(document: &mut Value, problem: &Problem) -> Option<()> {
    if let Some(missing) = problem.detail.strip_prefix("missing field `") {
        let name = missing.split('`').next()?;
        document.pointer_mut(&problem.pointer)?.as_object_mut()?.insert(name.to_owned(), needed(name)?);
        return Some(());
    }
    let (parent, last) = problem.pointer.rsplit_once('/')?;
    let around = parent.rsplit('/').next()?.to_owned();
    let name = last.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent)? {
        Value::Array(values) => *values.get_mut(name.parse::<usize>().ok()?)? = element(&around),
        Value::Object(members) => {
            let needed = needed(&name).filter(|_| !problem.detail.starts_with("unknown field"));
            match needed {
                Some(valid) => members.insert(name, valid),
                None => members.remove(&name),
            }?;
        }
        _ => return None,
    }
    Some(())
}

/// Returns a valid value of a member that may not be absent; `None` for one that may.
fn needed(name: &str) -> Option<Value> {
    match name {
        "pages" | "tiles" => Some(json!([])),
        "type" => Some(json!("chart")),
        "metric" => Some(json!("available")),
        _ => None,
    }
}

/// Returns a valid element of a list by its name.
fn element(list: &str) -> Value {
    match list {
        "pages" => json!({ "tiles": [] }),
        "tiles" => json!({ "type": "chart" }),
        "columns" | "series" => json!("available"),
        "channels" => json!("chat"),
        "reasons" => json!("full"),
        "role" => json!("manager"),
        // Those of filters.
        _ => json!(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_found_once() {
        let board = json!({ "colour": 1, "theme": 7, "pages": [
            7,
            { "title": null, "tiles": [
                [],
                { "metric": "available" },
                { "type": "gauge", "metric": "x", "metre": 1, "a/b~c": 1 },
                { "type": "rows", "columns": [1, { "warn": { "below": "x" } }, "none"], "channels": ["fax", "chat", 1],
                  "filters": { "group": [-1, 1.5, 2], "role": ["boss"], "metric": 1 }, "reasons": "full" },
            ] },
            {},
        ] });
        let first = problem(&board).expect("a problem");
        let found = all_problems(vec![first], board);
        let mut pointers: Vec<&str> = found.iter().map(|problem| problem.pointer.as_str()).collect();
        pointers.sort_unstable();
        let tile = "/pages/1/tiles/3";
        let expected = [
            "/colour".to_owned(),
            "/pages/0".to_owned(),
            "/pages/1/tiles/0".to_owned(),
            "/pages/1/tiles/1".to_owned(),
            "/pages/1/tiles/2/a~1b~0c".to_owned(),
            "/pages/1/tiles/2/metre".to_owned(),
            "/pages/1/tiles/2/metric".to_owned(),
            "/pages/1/tiles/2/type".to_owned(),
            format!("{tile}/channels/0"),
            format!("{tile}/channels/2"),
            format!("{tile}/columns/0"),
            format!("{tile}/columns/1"),
            format!("{tile}/columns/1/warn/below"),
            format!("{tile}/columns/2"),
            format!("{tile}/filters/group/0"),
            format!("{tile}/filters/group/1"),
            format!("{tile}/filters/metric"),
            format!("{tile}/filters/role/0"),
            format!("{tile}/reasons"),
            "/pages/1/title".to_owned(),
            "/pages/2".to_owned(),
            "/theme".to_owned(),
        ];
        assert_eq!(pointers, expected);
    }

    #[test]
    fn problems_are_bounded() {
        let members: serde_json::Map<String, Value> = (0..200).map(|n| (format!("m{n}"), json!(n))).collect();
        let board = Value::Object(members);
        let first = problem(&board).expect("a problem");
        assert_eq!(all_problems(vec![first], board).len(), MAX_PROBLEMS);
    }
}
