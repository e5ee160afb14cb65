//! The announcement of a running service, and the place of the administrator's token.

use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};
use std::process;

use crate::app::App;
use crate::auth::secret::Secret;
use crate::cli::{healthcheck, output};
use crate::config::{LogFormat, ServeArgs};
use crate::store::{Location, private};

/// The name of the file with a generated administrator's token, in the folder of the store.
const TOKEN_FILE: &str = "admin-token";

/// Announces a service on standard output. With `--log-format json` it is a line of the log instead, unless standard
/// output is a terminal: what collects both streams gets JSON alone.
pub fn announce(app: &App, args: &ServeArgs, location: &Location) {
    if args.log.log_format == LogFormat::Pretty || stdout().is_terminal() {
        output::announce(text(app, args, location));
    } else {
        let admin = administrator(app, args, location);
        tracing::info!(url = app.url(), store = %location, process = process::id(), admin, "serving");
    }
}

/// Returns the announcement as text.
pub fn text(app: &App, args: &ServeArgs, location: &Location) -> String {
    let url = app.url();
    // An unspecified address, such as 0.0.0.0, is none that a browser can open.
    let pages = format!("{}://{}", app.scheme, healthcheck::reachable(app.address));
    let base = &args.base_path;
    let store = match location {
        Location::Folder(_) => "embedded, in",
        Location::Postgres(_) => "PostgreSQL,",
    };
    let lines = [
        format!("rollcall {} on {url}", env!("CARGO_PKG_VERSION")),
        format!("  store     {store} {location}"),
        format!("  pages     {pages}{base}/"),
        format!("  REST      {pages}{base}/docs/, described by {pages}{base}/openapi.json"),
        format!("  GraphQL   {pages}{base}/graphiql"),
        format!("  wallboard {pages}{base}/wallboard"),
        format!("  probes    {pages}/livez, {pages}/readyz"),
        format!("  metrics   {pages}/metrics, for the metrics token and the administrator's"),
        format!("  process   {}", process::id()),
        format!("  admin     {}", administrator(app, args, location)),
    ];
    lines.map(|line| line + "\n").concat()
}

/// Returns what is known of the administrator's token. A new one is in it only if standard output is a terminal;
/// otherwise it is written to a file of its own, since a log keeps what it gets.
fn administrator(app: &App, args: &ServeArgs, location: &Location) -> String {
    if args.admin_token.is_some() {
        return String::from("the token of --admin-token (ROLLCALL_ADMIN_TOKEN)");
    }
    let file = token_file(location);
    match (&app.new_admin_token, file) {
        (Some(token), _) if stdout().is_terminal() => format!(
            "{}\n            generated for this store and shown only now: keep it, or set ROLLCALL_ADMIN_TOKEN",
            token.reveal()
        ),
        (Some(token), Some(file)) => written(token, &file),
        (None, Some(file)) if app.has_admin && file.is_file() => format!("in {}", file.display()),
        _ if app.has_admin => {
            String::from("a token that was shown when the store was made; ROLLCALL_ADMIN_TOKEN replaces it")
        }
        _ => String::from("none: set ROLLCALL_ADMIN_TOKEN to add tenants and keys over HTTP"),
    }
}

/// Writes a new token to its file. Returns where it is.
fn written(token: &Secret, file: &Path) -> String {
    match private::write_file(file, &format!("{}\n", token.reveal())) {
        Ok(()) => {
            tracing::warn!(file = %file.display(), "the administrator's token was generated, and written to this file");
            format!("in {}, generated for this store", file.display())
        }
        Err(error) => {
            tracing::error!(file = %file.display(), %error, "the administrator's token was generated, but not written");
            String::from("a token that could not be written; set ROLLCALL_ADMIN_TOKEN")
        }
    }
}

fn token_file(location: &Location) -> Option<PathBuf> {
    match location {
        Location::Folder(folder) => Some(folder.join(TOKEN_FILE)),
        Location::Postgres(_) => None,
    }
}
