//! Records the output of a test run in the file that `TEST_OUTPUT` names: all log lines of the services, the output of
//! processes, and responses. `scripts/test` searches the file for secrets. Without `TEST_OUTPUT` nothing is recorded.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::sync::LazyLock;

use tracing_subscriber::EnvFilter;

/// The file, opened for appending so that concurrent writes do not overwrite each other.
static OUTPUT: LazyLock<Option<File>> = LazyLock::new(|| {
    let file = |path| File::options().create(true).append(true).open(path).expect("the file that TEST_OUTPUT names");
    path().map(file)
});

#[expect(clippy::disallowed_methods, reason = "a setting of the tests")]
fn path() -> Option<OsString> {
    std::env::var_os("TEST_OUTPUT")
}

/// Endings of the paths whose successful responses contain a new key, token, ticket or link by design.
const ISSUING: [&str; 4] = ["/keys", "/token", "/tickets", "/links"];

/// Records one piece of output.
pub fn record(text: &str) {
    if let Some(mut output) = OUTPUT.as_ref() {
        output.write_all(format!("{text}\n").as_bytes()).expect("the file is writable");
    }
}

/// Records a response, unless it issues a secret.
pub fn record_answer(path: &str, status: u16, text: &str) {
    let issues_secret = (200..300).contains(&status) && ISSUING.iter().any(|end| path.ends_with(end));
    if !issues_secret {
        record(text);
    }
}

/// Every level of every target, except the library of WebSockets, which logs the credentials in messages: a service keeps
/// it silent at every level ([`rollcall::telemetry::filter`]), and so are the clients of these tests.
const LEVELS: &str = "trace,tungstenite=off";

/// Records the logs of all services of this process from now on. Later calls have no effect.
pub fn record_log() {
    static INSTALLED: LazyLock<()> = LazyLock::new(|| {
        if let Some(output) = OUTPUT.as_ref() {
            let writer = output.try_clone().expect("the same file");
            let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(LEVELS)).with_ansi(false);
            log.with_writer(writer).try_init().expect("no other subscriber is installed");
        }
    });
    LazyLock::force(&INSTALLED);
}
