//! CORS: pages of listed origins may send requests and read the answers, and no others. And the service's own pages.

use std::process::Command;

use reqwest::Method;
use reqwest::header::HeaderMap;
use rollcall::limits::TenantLimits;

use crate::support::api::{Answer, send};
use crate::support::{Backend, Home, Service, Setup};

/// What browsers accept for a page.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
const DESK: &str = "https://desk.example.com";
const WALL: &str = "http://localhost:3000";

async fn service(origins: &[&str]) -> Service {
    let cors_origins = origins.iter().map(|origin| origin.parse().expect("an origin")).collect();
    let tenant_limits = TenantLimits { rate: 1, events: 0, at_a_time: 0 };
    let setup = Setup { cors_origins, tenant_limits, ..Setup::default() };
    Service::start_on(Home::new(Backend::Embedded).await, setup).await
}

/// Sends the preflight request of a browser.
async fn preflight(service: &Service, origin: &str, method: &str, path: &str) -> Answer {
    let request = service.api.request(Method::OPTIONS, path).header("Origin", origin);
    let request = request.header("Access-Control-Request-Method", method);
    let headers = "authorization,content-type,x-api-key,rollcall-min-position";
    send(request.header("Access-Control-Request-Headers", headers)).await.expect("an answer")
}

fn words(headers: &HeaderMap, name: &str) -> Vec<String> {
    let text = headers.get(name).map_or("", |value| value.to_str().expect("text"));
    let mut words: Vec<String> = text.split(',').map(|word| word.trim().to_ascii_lowercase()).collect();
    words.sort();
    words
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listed_origins_are_allowed() {
    let service = service(&[DESK, WALL]).await;
    let routes = [
        ("POST", "/graphql"),
        ("POST", "/v1/events"),
        ("PUT", "/operator/1/live"),
        ("PUT", "/api/2/operator/1/live"),
        ("DELETE", "/operator/1"),
        ("PATCH", "/agents/5ea70000-0000-4000-8000-000000000001/presence"),
        ("GET", "/v1/directory"),
        ("POST", "/agents-availability"),
        ("POST", "/oauth2/token"),
    ];
    for (method, path) in routes {
        for origin in [DESK, WALL] {
            let answer = preflight(&service, origin, method, path).await;
            assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{method} {path}");
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "{method} {path}");
            assert!(words(&answer.headers, "access-control-allow-methods").contains(&method.to_ascii_lowercase()));
            let allowed = words(&answer.headers, "access-control-allow-headers");
            let expected = [
                "accept",
                "apollo-require-preflight",
                "apollographql-client-name",
                "apollographql-client-version",
                "authorization",
                "content-type",
                "rollcall-min-position",
                "x-api-key",
                "x-apollo-operation-name",
                "x-request-id",
            ];
            assert_eq!(allowed, expected);
            assert_eq!(answer.header("access-control-max-age"), Some("600"));
            assert_eq!(answer.header("access-control-allow-credentials"), None, "there are no cookies");
        }
    }
    let persona = service.api.persona("tenant").await;
    let mut statuses = Vec::new();
    // Errors can be read by the page as well.
    for key in [persona.key.as_str(), "wrong", &persona.key, &persona.key] {
        let request = service.api.request(Method::GET, "/v1/directory").bearer_auth(key).header("Origin", DESK);
        let answer = send(request).await.expect("an answer");
        assert_eq!(answer.header("access-control-allow-origin"), Some(DESK), "{}", answer.status);
        let exposed = words(&answer.headers, "access-control-expose-headers");
        assert_eq!(exposed, ["retry-after", "rollcall-position", "rollcall-staleness-ms", "x-request-id"]);
        assert!(words(&answer.headers, "vary").contains(&String::from("origin")));
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [200, 401, 200, 429]);
    service.stop().await;
}

/// Attributes of events are headers in the binary mode of CloudEvents, extensions of any name among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attributes_of_events_are_allowed() {
    let service = service(&[DESK]).await;
    for (origin, wanted, attributes) in [
        (DESK, "authorization,ce-id, CE-Trace,x-other,ce-a b", &["ce-id", "ce-trace"][..]),
        (DESK, "content-type,x-ce-id", &[]),
        (WALL, "ce-id", &[]),
    ] {
        let request = service.api.request(Method::OPTIONS, "/v1/events").header("Origin", origin);
        let request = request.header("Access-Control-Request-Method", "POST");
        let answer = send(request.header("Access-Control-Request-Headers", wanted)).await.expect("an answer");
        let values = answer.headers.get_all("access-control-allow-headers").iter();
        let allowed = values.map(|value| value.to_str().expect("text")).collect::<Vec<_>>().join(",");
        let allowed: Vec<&str> = allowed.split(',').filter(|name| name.contains("ce-")).collect();
        assert_eq!(allowed, attributes, "{origin} {wanted}");
    }
    service.stop().await;
}

/// The handshake of web hooks comes before CORS, which would answer every OPTIONS as a preflight.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listed_origins_do_not_hide_the_handshake_of_web_hooks() {
    let service = service(&[DESK]).await;
    let request = service.api.request(Method::OPTIONS, "/v1/events").header("WebHook-Request-Origin", "acd.example");
    let answer = send(request).await.expect("an answer");
    assert_eq!((answer.status, answer.header("webhook-allowed-origin")), (200, Some("acd.example")));
    assert_eq!(answer.header("webhook-allowed-rate"), Some("60"), "a request a second");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_origins_are_not_allowed() {
    let service = service(&[DESK]).await;
    for origin in [
        WALL,
        "https://desk.example.com.evil.example",
        "https://desk.example.com:8443",
        "http://desk.example.com",
        "null",
    ] {
        let answer = preflight(&service, origin, "POST", "/graphql").await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        let request = service.api.request(Method::GET, "/livez").header("Origin", origin);
        let answer = send(request).await.expect("an answer");
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None), "{origin}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_list_there_are_no_cors_headers() {
    let service = service(&[]).await;
    let answer = preflight(&service, DESK, "POST", "/graphql").await;
    assert_eq!(answer.status, 405);
    let request = service.api.request(Method::GET, "/livez").header("Origin", DESK);
    for answer in [answer, send(request).await.expect("an answer")] {
        let has = answer.headers.keys().any(|name| name.as_str().starts_with("access-control") || name == "vary");
        assert!(!has, "{:?}", answer.headers);
    }
    service.stop().await;
}

/// Every page and its files are served under a policy that keeps the browser from loading anything elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_load_from_this_server_only() {
    let service = service(&[]).await;
    let files = [
        ("/graphiql", "text/html; charset=utf-8"),
        ("/graphiql/start.js", "text/javascript; charset=utf-8"),
        ("/graphiql/page.css", "text/css; charset=utf-8"),
        ("/graphiql/LICENSES.txt", "text/plain; charset=utf-8"),
        ("/", "text/html; charset=utf-8"),
        ("/docs/", "text/html; charset=utf-8"),
        ("/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ];
    for (path, kind) in files {
        let request = service.api.request(Method::GET, path).header("Accept", BROWSER);
        let answer = send(request).await.expect("an answer");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("http"), "{path}: {policy}");
    }
    for path in ["/graphiql/nothing.js", "/docs/nothing.js", "/graphiql/..%2F..%2FCargo.toml"] {
        let answer = send(service.api.request(Method::GET, path)).await.expect("an answer");
        assert_eq!(answer.status, 404, "{path}");
    }
    service.stop().await;
}

/// Large files are sent compressed to browsers, and not again to those that have them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_files_are_compressed_and_cached() {
    let service = service(&[]).await;
    let get = async |path: &str, headers: &[(&str, &str)]| {
        let request = service.api.request(Method::GET, path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        send(request).await.expect("an answer")
    };
    let script = "/docs/swagger-ui-bundle.js";
    let plain = get(script, &[]).await;
    let packed = get(script, &[("Accept-Encoding", "br, gzip")]).await;
    assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), (None, Some("gzip")));
    assert_eq!(packed.header("content-type"), Some("text/javascript; charset=utf-8"));
    let length = |answer: &Answer| answer.header("content-length").expect("a length").parse::<usize>().unwrap();
    assert!(length(&packed) * 3 < length(&plain), "{} of {}", length(&packed), length(&plain));
    for (answer, accept) in [(&plain, "identity"), (&packed, "gzip")] {
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "the name has no hash of the contents");
        let tag = answer.header("etag").expect("a tag");
        let again = get(script, &[("Accept-Encoding", accept), ("If-None-Match", tag)]).await;
        assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", Some(tag)));
    }
    assert_ne!(plain.header("etag"), packed.header("etag"));
    for path in ["/docs/swagger-ui-bundle.js.gz", "/graphiql/nothing.js"] {
        assert_eq!(get(path, &[("Accept-Encoding", "gzip")]).await.status, 404, "{path}");
    }
    // Behind a proxy the pages may be below another path: nothing in them begins at the root of the server.
    for path in ["/", "/graphiql", "/docs/", "/graphiql/start.js", "/docs/start.js"] {
        let page = get(path, &[("Accept", "text/html, text/javascript")]).await.ok().text;
        for start in ["href=\"/", "src=\"/", "url: \"/", "(\"/"] {
            assert!(!page.contains(start), "{path} has {start}");
        }
    }
    service.stop().await;
}

/// The wallboard's files have addresses with a hash of their contents, and are kept by browsers; the page is revalidated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wallboard_files_are_kept_and_the_page_is_not() {
    let frame_ancestors = vec!["https://intranet.example.com".parse().expect("an origin")];
    let setup = Setup { frame_ancestors, ..Setup::default() };
    let service = Service::start_on(Home::new(Backend::Embedded).await, setup).await;
    let get = async |path: &str, headers: &[(&str, &str)]| {
        let request = service.api.request(Method::GET, path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        send(request).await.expect("an answer")
    };
    let page = get("/wallboard", &[]).await.ok();
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; "), "{policy}");
    assert!(
        policy.ends_with("; frame-ancestors https://intranet.example.com") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!((page.header("cache-control"), page.header("referrer-policy")), (Some("no-cache"), Some("no-referrer")));
    let tag = page.header("etag").expect("a tag");
    assert_eq!(get("/wallboard", &[("If-None-Match", tag)]).await.status, 304);
    let packed = get("/wallboard", &[("Accept-Encoding", "gzip"), ("If-None-Match", tag)]).await;
    assert_eq!((packed.status, packed.header("content-encoding")), (200, Some("gzip")));
    assert!(!page.text.contains("=\"/") && !page.text.contains("HASH"), "{}", page.text);
    let script = page.text.split('"').find(|text| text.ends_with("/main.js")).expect("the script");
    let kept = Some("public, max-age=31536000, immutable");
    for accept in ["identity", "gzip"] {
        let file = get(&format!("/{script}"), &[("Accept-Encoding", accept)]).await;
        assert_eq!((file.status, file.header("cache-control")), (200, kept));
        assert_eq!(file.header("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(file.header("content-encoding"), (accept == "gzip").then_some("gzip"));
    }
    let (folder, _) = script.rsplit_once('/').expect("a folder");
    let another = script.replace(folder, "wallboard/0123456789abcdef");
    for path in
        [&another, &format!("{folder}/nothing.js"), &format!("{folder}/index.html"), &String::from("wallboard/x")]
    {
        assert_eq!(get(&format!("/{path}"), &[]).await.status, 404, "{path}");
    }
    service.stop().await;
}

/// The page at the root is for browsers. Other clients get its links as JSON, and neither form has anything of a tenant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_root_has_links_for_browsers_and_for_programs() {
    let service = service(&[]).await;
    service.api.persona("tenant-of-secrets").await;
    let get = async |path: &str, headers: &[(&str, &str)]| {
        let request = service.api.request(Method::GET, path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        send(request).await.expect("an answer").ok()
    };
    let page = get("/", &[("Accept", BROWSER)]).await;
    let plain = get("/", &[]).await;
    for answer in [&page, &plain] {
        assert_eq!(answer.header("vary"), Some("accept, accept-encoding"));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        assert!(!answer.text.contains("tenant") && !answer.text.contains("HASH"), "{}", answer.text);
    }
    assert_eq!(plain.header("content-type"), Some("application/json"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'self'; ") && !policy.contains("script"), "{policy}");
    // Every address in either form leads somewhere, those of the page by their path from the root.
    let of_page = page.text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let of_page: Vec<String> = of_page.filter(|to| !to.starts_with("data:")).map(|to| format!("/{to}")).collect();
    let links = plain.json()["links"].as_object().expect("links").clone();
    let of_json: Vec<String> = links.values().map(|link| link.as_str().expect("a path").to_owned()).collect();
    assert_eq!((of_page.len(), of_json.len()), (7, 6), "{}", page.text);
    for path in of_page.iter().chain(&of_json) {
        assert!(!path.starts_with("//"), "{path}");
        get(path, &[]).await;
    }
    let tag = page.header("etag").expect("a tag");
    let request = service.api.request(Method::GET, "/").header("Accept", BROWSER).header("If-None-Match", tag);
    assert_eq!(send(request).await.expect("an answer").status, 304);
    let packed = get("/", &[("Accept", BROWSER), ("Accept-Encoding", "gzip")]).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_ne!(packed.header("etag"), Some(tag));
    service.stop().await;
}

/// The compressed forms are those of the files beside them.
#[test]
fn compressed_page_files_have_the_contents_of_the_others() {
    let mut compared = 0;
    for folder in ["web/graphiql", "web/swagger-ui"] {
        for file in std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path()) {
            let name = file.display().to_string();
            let plain = std::fs::read(&file).expect("the file");
            let packed = std::path::PathBuf::from(format!("{name}.gz"));
            if name.ends_with(".gz") || plain.len() < 100_000 {
                assert!(!packed.exists(), "{name} is small");
                continue;
            }
            let unpacked = Command::new("gzip").arg("-dc").arg(&packed).output().expect("gzip runs").stdout;
            assert!(unpacked == plain, "{name}.gz is of another file: gzip -9nk {name}");
            compared += 1;
        }
    }
    assert_eq!(compared, 5);
}
