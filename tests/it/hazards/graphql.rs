//! Hazard 2: documents that overload the parser or the validator. The service runs as a process of its own, since
//! without a guard they crash it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::api::Persona;
use crate::support::process::Process;
use crate::support::tasks::Stopwatch;
use crate::support::{Backend, Home};

/// The time within which a document is rejected, without optimisation and on a busy machine.
/// Far above what a rejection takes on a loaded machine, far below what the documents would take to execute.
const REJECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns documents that must be rejected, with a description of each.
fn documents() -> Vec<(&'static str, String)> {
    let indicator = |arguments: &str| format!("{{connectedUsersIndicator({arguments}){{connectedUsersCount}}}}");
    let nested = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let fields = |field: &str, count: usize| (0..count).map(|n| format!("a{n}:{field} ")).collect::<String>();
    let mut documents = vec![
        ("nested lists", indicator(&format!("userIds:{}", nested("[", "]", 1_500)))),
        ("nested lists that do not end", indicator(&format!("userIds:{}", "[".repeat(3_000)))),
        ("nested objects", indicator(&format!("filters:{}", nested("{a:", "}", 800)))),
        ("nested objects that do not end", format!("{{a(b:{}", "{a:".repeat(1_000))),
        ("nested default values", format!("query($a:[Int]={}){{__typename}}", nested("[", "]", 1_500))),
        ("nested types", format!("query($a:{}Int{}){{__typename}}", "[".repeat(1_500), "]".repeat(1_500))),
        ("nested selections", format!("{}a{}", "{a".repeat(1_000), "}".repeat(1_000))),
        ("nested inline fragments", format!("{}a{}", "{...".repeat(1_000), "}".repeat(1_000))),
        ("nested directives", format!("{{a @b(c:{})}}", nested("[", "]", 1_500))),
        ("lists after a string with an escaped quote", indicator(&format!("userIds:[\"\\\"\"]{}", "[".repeat(3_000)))),
        ("lists after a comment", format!("# \"\"\"\n{}", indicator(&format!("userIds:{}", "[".repeat(3_000))))),
        ("aliases", format!("{{connectedUsersIndicator{{{}}}}}", fields("connectedUsersCount", 600))),
        ("aliases of the root field", format!("{{{}}}", fields("connectedUsersIndicator{connectedUsersCount}", 300))),
        ("the same field", format!("{{connectedUsersIndicator{{{}}}}}", "connectedUsersCount ".repeat(700))),
        ("aliases of a user", format!("{{{}}}", fields("user(id:1){id}", 101))),
        ("aliases of lists of users", format!("{{{}}}", fields("users(first:1){edges{node{id}}}", 90))),
        ("pages inside pages", String::from("{users{edges{node{projects{edges{node{id}}}}}}}")),
        ("aliases of pages inside pages", format!("{{users{{edges{{node{{{}}}}}}}}}", fields(PROJECTS, 90))),
        ("the same page of projects", format!("{{users{{edges{{node{{{}}}}}}}}}", PROJECTS.repeat(100))),
        ("aliases of a mutation", format!("mutation{{{}}}", fields(CHANGE, 90))),
        (
            "nested input of a mutation",
            format!("mutation{{userAvailabilityStatusUpdate(input:{})}}", nested("{a:", "}", 800)),
        ),
        ("nested type conditions", format!("{{user(id:1){{{}}}}}", "...on User{id ".repeat(40))),
        ("directives", format!("{{__typename {}}}", "@include(if:true)".repeat(900))),
        ("unknown directives", format!("{{__typename {}}}", "@a".repeat(5_000))),
        ("directives everywhere", format!("{{{}}}", fields("__typename @include(if:true) @skip(if:false)", 330))),
        ("operations", (0..600).map(|n| format!("query q{n}{{__typename}}")).collect()),
        ("spreads", format!("{{{}}} fragment f on Query{{__typename}}", "...f ".repeat(200))),
        ("a fragment that spreads itself", String::from("{...f} fragment f on Query{...f}")),
        (
            "fragments that spread each other",
            String::from("{...f} fragment f on Query{...g} fragment g on Query{...f}"),
        ),
        ("unused fragments", (0..400).map(|n| format!("fragment f{n} on Query{{a}}")).collect()),
        ("a large document", format!("{{__typename #{}\n}}", "x".repeat(20_000))),
        ("a long name", format!("{{{}}}", "a".repeat(16_000))),
        ("a string that does not end", format!("{{a(b:\"{}", "x".repeat(15_000))),
        ("a block string that does not end", format!("{{a(b:\"\"\"{}", "\"\" ".repeat(5_000))),
        ("unused variables", format!("query({}){{__typename}}", fields_of_variables(800))),
        ("the same field with a conflict at the end", format!("{{{}{USER}}}", "u:user(id:1){id} ".repeat(200))),
        ("fragments with a conflict at the end", format!("{{{}...f}} fragment f on Query{{{USER}}}", conflicting(45))),
        ("long arguments that differ at the end", {
            let arguments = |last: usize| (0..900).map(|n| format!("a{n}:{} ", n / 899 * last)).collect::<String>();
            format!("{{user({}){{id}} user({}){{id}}}}", arguments(1), arguments(2))
        }),
        ("nested fields with a conflict inside", format!("{{{}u:id{}}}", "user(id:1){...{".repeat(8), "}}".repeat(8))),
        ("members given twice", indicator(&format!("filters:{{{}}}", "groupIds:1 ".repeat(1_000)))),
        ("an empty document", String::new()),
        ("spaces", " ".repeat(16_000)),
    ];
    // Twenty fragments, each of which spreads the next one twice: a million fields.
    let mut doubling = String::from("{connectedUsersIndicator{...f0}}");
    for n in 0..20 {
        doubling.push_str(&format!(" fragment f{n} on ConnectedUsersIndicator{{...f{m} ...f{m}}}", m = n + 1));
    }
    doubling.push_str(" fragment f20 on ConnectedUsersIndicator{connectedUsersCount}");
    documents.push(("fragments that double", doubling));
    // The same with type conditions on the types of a user, which share an interface.
    let mut types = String::from("{user(id:1){...f0}}");
    for n in 0..20 {
        let m = n + 1;
        types.push_str(&format!(" fragment f{n} on User{{...f{m} ...on Expert{{...f{m}}} ...on Bot{{...f{m}}}}}"));
    }
    types.push_str(" fragment f20 on User{id}");
    documents.push(("types that double", types));
    documents
}

const USER: &str = "u:user(id:2){lastName}";

/// Returns the fields of a user, again and again in fragments on each of the types of a user.
fn conflicting(count: usize) -> String {
    let types = ["User", "Expert", "Bot"];
    (0..count).map(|n| format!("u:user(id:1){{...on {}{{roles presence{{isConnected}}}}}} ", types[n % 3])).collect()
}

const PROJECTS: &str = "projects{edges{node{id}}} ";
const CHANGE: &str = "userAvailabilityStatusUpdate(input:{userId:1,channel:CHAT,status:AVAILABLE}){user{id}}";

fn fields_of_variables(count: usize) -> String {
    (0..count).map(|n| format!("$v{n}:Int ")).collect()
}

/// Returns requests that must be rejected for other reasons than their document.
fn requests() -> Vec<(&'static str, String)> {
    let query = "{__typename}";
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    vec![
        ("a batch", json!([{ "query": query }]).to_string()),
        ("a batch of two", json!([{ "query": query }, { "query": query }]).to_string()),
        ("an empty batch", String::from("[]")),
        ("nested variables", format!("{{\"query\":\"{query}\",\"variables\":{{\"a\":{deep}}}}}")),
        ("nested extensions", format!("{{\"query\":\"{query}\",\"extensions\":{{\"a\":{deep}}}}}")),
        ("nested JSON", deep),
        ("no object", Value::from(query).to_string()),
        ("a query that is no text", json!({ "query": [query] }).to_string()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn costly_documents_are_rejected_at_once() {
    let home = Home::new(Backend::Embedded).await;
    let mut process = Process::start(&home.location, &[]).await;
    let persona = process.api.persona("tenant").await;
    let documents = documents().into_iter().map(|(what, text)| (what, json!({ "query": text }).to_string()));
    for (what, body) in documents.chain(requests()) {
        // The second request could meet a cache.
        for _ in 0..2 {
            let watch = Stopwatch::start();
            let request = process.api.request(reqwest::Method::POST, "/graphql").bearer_auth(&persona.key);
            let request = request.header("Content-Type", "application/json").body(body.clone());
            let answer = crate::support::api::send(request).await;
            let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}\n{}", process.output()));
            assert_eq!(answer.status, 400, "{what}: {}", answer.text);
            assert!(watch.elapsed() < REJECT_TIMEOUT, "{what} took {:?}", watch.elapsed());
            assert!(answer.json()["errors"][0]["extensions"]["name"].is_string(), "{what}: {}", answer.text);
            // All errors are returned; their number is bounded by the document's size.
            assert!(answer.text.len() < 256 * 1024, "{what}: {} bytes of errors", answer.text.len());
        }
        assert!(process.is_running(), "{what}");
    }
    all_at_once(&process, &persona).await;
    assert_eq!(process.api.connected(&persona.key).await.0, 0, "the service still answers");
    let (status, output) = process.terminate().await;
    assert!(status.success(), "{status} {output}");
    assert!(!output.contains("panicked"), "{output}");
}

/// Sends all documents concurrently.
async fn all_at_once(process: &Process, persona: &Persona) {
    let watch = Stopwatch::start();
    let mut sent = Vec::new();
    for (_, text) in documents() {
        let (api, key) = (process.api.clone(), persona.key.clone());
        sent.push(crate::support::tasks::spawn(async move { api.graphql(&key, &text).await }));
    }
    for answer in sent {
        assert_eq!(answer.await.unwrap().expect("an answer").status, 400);
    }
    assert!(watch.elapsed() < 2 * REJECT_TIMEOUT, "{:?}", watch.elapsed());
}
