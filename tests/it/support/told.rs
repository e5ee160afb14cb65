//! Everything that a run of these tests says, where `TEST_OUTPUT` names a file for it: the services' log lines, all of
//! them, what processes print, and what is answered. `scripts/test` looks in it for keys.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::sync::LazyLock;

use tracing_subscriber::EnvFilter;

/// Opened for appending, so that each write is a piece of its own. Nothing is kept where nobody asks for it.
static OUTPUT: LazyLock<Option<File>> = LazyLock::new(|| {
    let file = |path| File::options().create(true).append(true).open(path).expect("a file for what is told");
    wanted().map(file)
});

#[expect(clippy::disallowed_methods, reason = "a setting of the tests")]
fn wanted() -> Option<OsString> {
    std::env::var_os("TEST_OUTPUT")
}

/// Where a new key, token or ticket is shown, once, to whom it belongs.
const SHOWN: [&str; 3] = ["/keys", "/token", "/tickets"];

/// Keeps what was said.
pub fn keep(said: &str) {
    if let Some(mut output) = OUTPUT.as_ref() {
        output.write_all(format!("{said}\n").as_bytes()).expect("it is written");
    }
}

/// Keeps what was answered to a path, unless it is what the caller came for: a new key, token or ticket.
pub fn keep_answer(path: &str, status: u16, text: &str) {
    let is_shown = (200..300).contains(&status) && SHOWN.iter().any(|end| path.ends_with(end));
    if !is_shown {
        keep(text);
    }
}

/// The finest level of all but a client of these tests, which logs the key that it sends.
const LEVELS: &str = "trace,tungstenite::handshake::client=off";

/// Keeps the log of all services of this process from now on.
pub fn keep_log() {
    static KEPT: LazyLock<()> = LazyLock::new(|| {
        if let Some(output) = OUTPUT.as_ref() {
            let writer = output.try_clone().expect("the same file");
            let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(LEVELS)).with_ansi(false);
            log.with_writer(writer).try_init().expect("nobody else logs here");
        }
    });
    LazyLock::force(&KEPT);
}
