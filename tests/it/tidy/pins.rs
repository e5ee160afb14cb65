//! What is pinned for builds and containers, and what containers may do.

use super::root;

fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The files of Compose, each with the names of its services.
const COMPOSE: [(&str, &[&str]); 2] = [
    ("docker-compose.yml", &["rollcall", "postgres"]),
    ("docker-compose.cluster.yml", &["rollcall", "balancer", "postgres"]),
];

/// Returns the rest of each line that begins with a word, without indentation.
fn after<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = &'t str> {
    text.lines().filter_map(move |line| line.trim().strip_prefix(word)).map(str::trim)
}

/// Returns whether an image names a version down to the patch or the day, or is an earlier stage of the same file.
fn is_pinned(image: &str) -> bool {
    let (_, tag) = image.rsplit_once(':').unwrap_or_default();
    let version = tag.split('-').find(|part| part.starts_with(|c: char| c.is_ascii_digit())).unwrap_or_default();
    version.len() == 8 || version.matches('.').count() >= 1 && !version.ends_with('.')
}

#[test]
fn images_are_pinned() {
    let docker = text("Dockerfile");
    let others = COMPOSE.map(|(file, _)| text(file)).join("\n") + &text("deploy/kubernetes/rollcall.yaml");
    let from = after(&docker, "FROM ").map(|line| line.split(' ').next().unwrap_or_default());
    let images: Vec<&str> = from.chain(after(&others, "image:")).collect();
    assert!(images.len() >= 6, "{images:?}");
    for image in images {
        assert!(is_pinned(image), "{image}");
    }
    assert!(!docker.contains("# syntax="), "a frontend that is not pinned");
    for image in ["postgres", "postgres:latest", "postgres:17", "debian:bookworm-slim"] {
        assert!(!is_pinned(image), "{image} is taken for pinned");
    }
}

#[test]
fn one_toolchain_builds_everywhere() {
    let (docker, workflow) = (text("Dockerfile"), text(".github/workflows/ci.yml"));
    let toolchain = after(&workflow, "RUST_TOOLCHAIN:").next().expect("the toolchain of CI");
    assert!(docker.contains(&format!("FROM rust:{toolchain}-")), "the Dockerfile builds with another release");
    assert!(!workflow.contains("rustup default stable") && !workflow.contains("rustup update"), "{workflow}");
}

#[test]
fn containers_have_no_privileges_and_no_default_secrets() {
    COMPOSE.into_iter().for_each(|(file, services)| require_no_privileges(&text(file), services));
}

/// Panics unless a file of Compose has these services, all without privileges and without default secrets.
fn require_no_privileges(compose: &str, expected: &[&str]) {
    // What has an indentation of two: the services, and in the parts behind them networks and volumes.
    let services = compose.split("\nnetworks:").next().and_then(|part| part.split("\nvolumes:").next());
    let services = services.expect("the services").lines();
    let names: Vec<&str> = services
        .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'))
        .filter(|name| !name.starts_with([' ', '#']))
        .collect();
    assert_eq!(names, expected);
    let of = |name: &str| {
        let from = compose.split(&format!("\n  {name}:\n")).nth(1).expect("the service");
        let end = from.match_indices("\n  ").find(|(at, _)| !from[at + 3..].starts_with([' ', '#']));
        from[..end.map_or(from.len(), |(at, _)| at)].to_owned()
    };
    for name in names {
        let service = of(name);
        for line in ["read_only: true", "cap_drop: [ALL]", "security_opt: [\"no-new-privileges:true\"]"] {
            assert!(service.contains(&format!("    {line}\n")), "{name} lacks {line}");
        }
    }
    for (at, _) in compose.match_indices("${") {
        let variable = compose[at + 2..].split('}').next().unwrap_or_default();
        let is_secret = ["PASSWORD", "ADMIN_TOKEN"].iter().any(|word| variable.contains(word));
        assert!(!is_secret || variable.contains(":?"), "{variable} has a default, or may be empty");
    }
}
