//! Requests that are built from an operation of the description alone: its path, parameters, media types and examples.

use form_urlencoded::Serializer;
use serde_json::{Value, json};

/// Operations of which one parameter, besides the required ones, is needed, unless the second is given.
const NEEDED: [(&str, &str, &str); 2] = [("delete_log_ins", "user", "id"), ("graphql_by_query", "query", "query")];

/// The boundary of bodies in parts.
const BOUNDARY: &str = "example-boundary";

/// A request of the description.
#[derive(Clone, Debug)]
pub struct Example {
    /// In upper case.
    pub method: String,
    /// The path and the query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    /// The content type and the body.
    pub body: Option<(String, String)>,
}

/// One operation of the description.
pub struct Operation<'d> {
    pub method: String,
    pub path: &'d str,
    pub value: &'d Value,
}

impl Operation<'_> {
    pub fn id(&self) -> &str {
        self.value["operationId"].as_str().expect("an id")
    }

    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub fn parameters(&self) -> impl Iterator<Item = &Value> {
        self.value["parameters"].as_array().into_iter().flatten()
    }

    /// Returns the status of success, with the response.
    pub fn success(&self) -> (u16, &Value) {
        let responses = self.value["responses"].as_object().expect("responses");
        let parsed = responses.iter().map(|(status, response)| (status.parse().expect("a status"), response));
        parsed.into_iter().find(|(status, _): &(u16, _)| matches!(status, 101 | 200..=299)).expect("a success")
    }

    /// Returns the requests: with the required parameters alone, with each of the others, and with each media type of
    /// the body. `real` replaces the example values that only a running service can make.
    pub fn examples(&self, real: &impl Fn(&str) -> String) -> Vec<Example> {
        let rest = self.parameters().filter(|p| !is_required(p));
        let sets: Vec<Vec<&Value>> = std::iter::once(None).chain(rest.map(Some)).map(|extra| self.set(extra)).collect();
        let bodies = self.bodies(real);
        let plain = sets.iter().map(|parameters| (parameters, bodies.first().cloned()));
        let others = bodies.iter().skip(1).map(|body| (&sets[0], Some(body.clone())));
        plain.chain(others).map(|(parameters, body)| self.example(parameters, body, real)).collect()
    }

    /// Returns the required parameters and one other.
    fn set<'v>(&'v self, extra: Option<&'v Value>) -> Vec<&'v Value> {
        let is_given = |name: &str| extra.is_some_and(|p| p["name"] == name);
        let needed = NEEDED.iter().filter(|(id, name, other)| *id == self.id() && !is_given(name) && !is_given(other));
        let needed = needed.filter_map(|(_, name, _)| self.parameters().find(|p| p["name"] == *name));
        self.parameters().filter(|p| is_required(p)).chain(extra).chain(needed).collect()
    }

    fn example(
        &self,
        parameters: &[&Value],
        body: Option<(String, String)>,
        real: &impl Fn(&str) -> String,
    ) -> Example {
        let mut path = self.path.to_owned();
        let (mut query, mut headers) = (Vec::new(), Vec::new());
        for parameter in parameters {
            let name = parameter["name"].as_str().expect("a name");
            let values = texts(&parameter["example"]).into_iter().map(|value| real(&value));
            match parameter["in"].as_str() {
                Some("path") => path = path.replace(&format!("{{{name}}}"), &values.collect::<String>()),
                // Of a list each value has the name again: the style `form`, exploded.
                Some("query") => query.extend(values.map(|value| (name.to_owned(), value))),
                _ => headers.extend(values.map(|value| (name.to_owned(), value))),
            }
        }
        // The first media type of the answer, as tools send it.
        if let Some(media_type) = self.success().1["content"].as_object().and_then(|content| content.keys().next_back())
        {
            headers.push((String::from("Accept"), media_type.clone()));
        }
        let query = Serializer::new(String::new()).extend_pairs(query).finish();
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        Example { method: self.method.clone(), target, headers, body }
    }

    /// Returns the example of each media type of the body, in its encoding.
    fn bodies(&self, real: &impl Fn(&str) -> String) -> Vec<(String, String)> {
        let content = self.value["requestBody"]["content"].as_object();
        let encode = |(media_type, media): (&String, &Value)| {
            let example = &media["example"];
            let fields = || fields(example, &media["encoding"]).into_iter().map(|(name, value)| (name, real(&value)));
            let body = match media_type.as_str() {
                "application/x-www-form-urlencoded" => Serializer::new(String::new()).extend_pairs(fields()).finish(),
                "multipart/form-data" => {
                    let part = |(name, value)| {
                        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                    };
                    fields().map(part).collect::<String>() + &format!("--{BOUNDARY}--\r\n")
                }
                _ => example.as_str().map_or_else(|| real(&example.to_string()), str::to_owned),
            };
            let is_parts = media_type == "multipart/form-data";
            (if is_parts { format!("{media_type}; boundary={BOUNDARY}") } else { media_type.clone() }, body)
        };
        content.into_iter().flatten().map(encode).collect()
    }
}

fn is_required(parameter: &Value) -> bool {
    parameter["required"] == true || parameter["in"] == "path"
}

/// Returns the fields of a form in the encoding that the description gives.
fn fields(example: &Value, encoding: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, value) in example.as_object().expect("an object") {
        let style = encoding[name]["style"].as_str();
        match value {
            Value::Object(members) if style == Some("deepObject") => {
                let members = members.iter().flat_map(|(member, value)| {
                    texts(value).into_iter().map(move |text| (format!("{name}[{member}]"), text))
                });
                found.extend(members);
            }
            Value::Array(_) if style == Some("form") && encoding[name]["explode"] == true => {
                found.extend(texts(value).into_iter().map(|text| (name.clone(), text)));
            }
            // As tools write a value without an encoding.
            Value::Object(_) | Value::Array(_) => found.push((name.clone(), value.to_string())),
            _ => found.extend(texts(value).into_iter().map(|text| (name.clone(), text))),
        }
    }
    found
}

/// Returns a value as the texts of a query: one for each element of a list.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

/// Returns every operation of a description.
pub fn operations(description: &Value) -> Vec<Operation<'_>> {
    let paths = description["paths"].as_object().expect("paths");
    let of = |(path, item)| {
        let item: &Value = item;
        let operations = item.as_object().expect("operations").iter();
        operations.map(move |(method, value)| Operation { method: method.to_uppercase(), path, value })
    };
    paths.iter().map(|(path, item)| (path.as_str(), item)).flat_map(of).collect()
}

#[test]
fn forms_are_written_as_their_encoding_says() {
    let example = json!({ "a": { "b": 1 }, "c": [1, 2], "d": [3], "e": "x" });
    let encoding = json!({ "a": { "style": "deepObject" }, "c": { "style": "form", "explode": true } });
    let pairs = fields(&example, &encoding);
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("a[b]", "1"), ("c", "1"), ("c", "2"), ("d", "[3]"), ("e", "x")]);
}
