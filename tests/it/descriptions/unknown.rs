//! Unknown parameters: on every route of the description, a name that looks like a filter is refused in the dialect's
//! shape with the name, and nothing happens; other unknown names are ignored.

use reqwest::RequestBuilder;
use rollcall::http::openapi;
use serde_json::Value;

use super::examples::{Stage, scheme, upgrading};
use super::failures::misshapen;
use super::requests::{Example, Operation, operations};
use crate::support::api::send;
use crate::support::{Backend, Service};

/// Operations that take no filter by their protocol: tokens, whose unknown parameters must be ignored (RFC 6749, section
/// 3.2), probes, which answer whatever is sent, and GraphQL by POST, of whose members `request.rs` rejects those that are
/// nearly right.
fn is_apart(operation: &Operation<'_>) -> bool {
    let tag = operation.value["tags"][0].as_str().expect("a tag");
    tag == "Tokens" || matches!(operation.id(), "livez" | "readyz" | "graphql_by_body")
}

/// Spellings of filters that no route has.
const FOREIGN: [&str; 8] =
    ["filter[id]", "Filters[colour]", "filters[foo]", "filters.foo", "skill_list[]", "anything[0][x]", "filter", "x["];
/// Names that are no filters: of tools, caches and the vendors' clients.
const IGNORED: &str = "platform=sd&_=1&utm_source=mail&fields[chat][available]=1";
/// The one route that has a parameter `fields` of its own.
const WITH_FIELDS: &str = "count_ready_agents";

fn inner(name: &str) -> &str {
    name.split(['[', ']']).nth(1).unwrap_or(name)
}

/// Returns the spellings of a known parameter that are nearly right.
fn misspelt(name: &str) -> Vec<String> {
    let inner = inner(name);
    let mut names = vec![format!("{inner}s[]"), format!("filter[{inner}]"), format!("{inner}[0]x")];
    // Of a short name each letter counts: another name is meant.
    if inner.len() > 4 {
        names.extend([inner[1..].to_owned(), format!("{inner}x"), inner.to_uppercase(), inner.replace('_', "-")]);
    }
    names
}

/// Returns what is sent: a name, and the known name that must be suggested.
fn sent(operation: &Operation<'_>) -> Vec<(String, Option<String>)> {
    let queries = operation.parameters().filter(|p| p["in"] == "query");
    let known: Vec<&str> = queries.map(|p| p["name"].as_str().expect("a name")).collect();
    let foreign = FOREIGN.into_iter().map(|name| (name.to_owned(), None));
    let near = known.iter().flat_map(|known| misspelt(known).into_iter().map(|name| (name, Some((*known).to_owned()))));
    // In brackets a known name is a spelling of its own, and flat it may be another parameter.
    let is_known = |name: &str| known.iter().any(|known| name == *known || name.starts_with(&format!("{known}[")));
    foreign.chain(near).filter(|(name, _)| !is_known(name)).collect()
}

fn request(service: &Service, stage: &Stage, operation: &Operation<'_>, query: &str) -> RequestBuilder {
    let example = operation.examples(&|text: &str| stage.real(text)).swap_remove(0);
    let sign = if example.target.contains('?') { '&' } else { '?' };
    let example = Example { target: format!("{}{sign}{query}", example.target), ..example };
    let request = stage.request(service, "", &example, scheme(operation));
    if operation.success().0 == 101 { upgrading(request) } else { request }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_looks_like_a_filter_is_refused_on_every_route() {
    let service = Service::start(Backend::Embedded).await;
    let description: Value = serde_json::from_str(openapi::json()).expect("JSON");
    let (mut failures, mut count) = (Vec::new(), 0);
    for operation in operations(&description) {
        if is_apart(&operation) {
            continue;
        }
        let stage = Stage::new(&service, operation.id()).await;
        stage.prepare(&service, operation.id()).await;
        for (name, meant) in sent(&operation) {
            count += 1;
            let answer = send(request(&service, &stage, &operation, &format!("{name}=1"))).await.expect("an answer");
            let quoted = |text: &str| answer.text.contains(text);
            // Two filters may have the same name, one of them flat.
            let is_named = quoted(&name) && meant.as_ref().is_none_or(|meant| quoted(inner(meant)));
            if answer.status != 400 || !is_named {
                let text = &answer.text[..answer.text.len().min(200)];
                failures.push(format!("{} {name}: {} {text}", operation.name(), answer.status));
            } else if let Some(problem) = misshapen(&description, &operation, &answer) {
                failures.push(format!("{} {name}: {problem}", operation.name()));
            }
        }
        // Nothing was taken before, and other unknown names do not matter.
        let others =
            if operation.id() == WITH_FIELDS { IGNORED.split("&fields").next().expect("others") } else { IGNORED };
        let answer = send(request(&service, &stage, &operation, others)).await.expect("an answer");
        if answer.status != operation.success().0 {
            failures.push(format!("{} {IGNORED}: {} {}", operation.name(), answer.status, answer.text));
        }
    }
    service.stop().await;
    assert!(count > 400, "only {count} requests");
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
}
