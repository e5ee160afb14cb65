//! Hazard 5: `NOTIFY` in every commit makes commits nine times slower, and `LISTEN` does not work everywhere.

use crate::support::routes::source;

#[test]
fn commits_send_no_notifications() {
    let files = [
        "src/journal/postgres.rs",
        "migrations/postgres/0001_journal.sql",
        "migrations/postgres/0002_state.sql",
        "migrations/postgres/0003_registry.sql",
    ];
    for file in files {
        let text = source(file).to_lowercase();
        assert!(text.contains("journal") || text.contains("table"), "{file} has the expected content");
        for word in ["notify", "listen", "trigger"] {
            assert!(!text.contains(word), "{file} has {word}");
        }
    }
}
