//! `rollcall demo`: runs the service on a store of its own, with a tenant of two hundred simulated people.

mod contacts;
mod curls;
mod duration_range;
mod floor;
mod names;
mod people;
mod person;

use std::io::{IsTerminal, stdout};
use std::time::Duration;

use clap::Args;
use clap::builder::Resettable;

use super::serve::{Checked, Signals, banner};
use super::{Failure, healthcheck, output, serve};
use crate::app::App;
use crate::auth::secret::Secret;
use crate::auth::{Admin, Caller};
use crate::clock::Clock;
use crate::command::Context;
use crate::command::tenants::create_key::{NewKey, create_key};
use crate::command::tenants::create_tenant::create_tenant;
use crate::command::tenants::revoke_key::{KeyOf, revoke_key};
use crate::command::tenants::set_settings::{SettingsChange, set_settings};
use crate::command::upsert_directory::upsert_directory;
use crate::command::wallboards::make_link::{NewLink, Term, USUAL_DAYS, make_link};
use crate::config::{ServeArgs, SettingsFile};
use crate::domain::board::{DEFAULT, Names};
use crate::domain::json::Field;
use crate::domain::settings::SettingsPatch;
use crate::domain::settings::desk::DeskTerms;
use crate::domain::{Fault, Scope, TenantId};
use crate::store::TenantRecord;
use crate::{query, telemetry};
use floor::Floor;

/// Name of the demo's tenant.
const TENANT: &str = "Demo";
/// Days for which the demo keeps closed conversations.
const CONVERSATION_DAYS: u32 = 1;
/// Name of the key that is printed for the user of the demo.
const KEY: &str = "demo";
/// Name of the simulated desks' key, which is never printed.
const FLOOR_KEY: &str = "demo floor";

/// The settings of `serve`, but always with an embedded store. The variables that name a store are not read, so that
/// the demo never uses that of a real service by accident.
#[derive(Args, Debug)]
#[command(
    mut_arg("data_dir", |arg| arg.env(Resettable::Reset).default_value("./demo-data")),
    mut_arg("database_url", |arg| arg.env(Resettable::Reset).hide(true)),
    // A demo that runs for days must not fill the disk.
    mut_arg("journal_days", |arg| arg.default_value("1")),
    mut_arg("dedupe_days", |arg| arg.default_value("1")),
)]
pub struct DemoArgs {
    #[command(flatten)]
    serve: ServeArgs,
}

/// Runs the service and the simulation. `file` is the settings file that was read.
pub async fn run(args: DemoArgs, file: Option<SettingsFile>, mut signals: Signals) -> Result<(), Failure> {
    let args = args.serve;
    if args.store.has_database() {
        return Err(Failure::setting("--database-url is not supported: the demo runs on an embedded store of its own"));
    }
    let checked = Checked::new(&args)?;
    let _log = telemetry::start_logging(&args.log, args.budgets()).map_err(Failure::setting)?;
    serve::warn_of_open_secrets(file.as_ref());
    let location = checked.location.clone();
    let Some(app) = serve::start(&args, checked, &mut signals).await? else { return Ok(()) };
    let (key, link) = match set_up(&app).await {
        Ok(made) => made,
        Err(fault) => {
            app.stop().await;
            return Err(Failure::other(format!("the demo could not be set up: {fault}")));
        }
    };
    let url = format!("{}://{}", app.scheme, healthcheck::reachable(app.address));
    let wallboard = link.map(|token| format!("wallboard   {url}{}/wallboard#{}\n\n", args.base_path, token.reveal()));
    let banner = banner::text(&app, &args, &location);
    output::announce(wallboard.unwrap_or_default() + &banner + &announcement(&url, &key));
    serve::until_stopped(app, signals, args.drain().or(Some(Duration::ZERO))).await
}

fn announcement(url: &str, key: &Secret) -> String {
    format!(
        "  key       {}
            with all scopes of the tenant {TENANT:?}; keys of earlier demos no longer work

{} people connect, take chats and calls, and go on breaks, some twenty times faster than in reality. Try:
{}
",
        key.reveal(),
        people::COUNT,
        curls::text(url, key.reveal())
    )
}

/// Sets the tenant up. Returns the key to be printed, and the token of a link if one is to be.
async fn set_up(app: &App) -> Result<(Secret, Option<Secret>), Fault> {
    let key = populate(app).await?;
    let link = wallboard(app, &key).await?;
    Ok((key, link))
}

/// Makes a link to the wallboard if standard output is a terminal: what collects it otherwise keeps what it gets. The link
/// ends with the key, at the next start.
async fn wallboard(app: &App, key: &Secret) -> Result<Option<Secret>, Fault> {
    if !stdout().is_terminal() {
        return Ok(None);
    }
    let caller = app.credentials.caller(Some(key.reveal()), |_, _| Ok(None))?.authorize()?;
    let wanted = NewLink { board: DEFAULT, term: Term::Days(USUAL_DAYS), names: Names::First, keep: false };
    let (_, token) = make_link(&caller, &app.store, &app.reader, &Clock::system(), wanted).await?;
    Ok(Some(token))
}

/// Creates the tenant, its keys and its directory, and starts the simulation. Returns the key to be printed.
async fn populate(app: &App) -> Result<Secret, Fault> {
    let clock = Clock::system();
    let tenant = tenant(app, &clock).await?;
    bound(app, &tenant).await?;
    let tenant = tenant.id;
    revoke_keys(app, &clock, tenant).await?;
    let key = key(app, &clock, NewKey { tenant, name: KEY, scopes: vec![Scope::All] }).await?;
    let scopes = vec![Scope::DirectoryWrite, Scope::EventsWrite, Scope::OperatorsRead];
    let floor_key = self::key(app, &clock, NewKey { tenant, name: FLOOR_KEY, scopes }).await?;
    let caller: Caller = app.credentials.caller(Some(floor_key.reveal()), |_, _| Ok(None))?;
    let (submitter, reader) = (app.submitter.clone(), app.reader.clone());
    let importer = caller.authorize()?;
    let context = Context { caller: &importer, submitter: &submitter, reader: &reader, clock: &clock };
    upsert_directory(context, app.lifecycle(), people::document()).await?;
    let mut floor = Floor::new(caller, submitter, reader, clock)?;
    floor.open().await?;
    let stopping = app.lifecycle().stopping().clone();
    // The service does not depend on the simulation: if that fails, the service goes on.
    drop(app.lifecycle().spawn_tracked(floor.run(stopping)));
    Ok(key)
}

/// Returns the demo's tenant, which is created unless an earlier run left it.
async fn tenant(app: &App, clock: &Clock) -> Result<TenantRecord, Fault> {
    let admin = Admin::local();
    let known = query::keys::tenants(&admin, &app.store).await?;
    match known.into_iter().find(|tenant| tenant.name == TENANT) {
        Some(tenant) => Ok(tenant),
        None => create_tenant(&admin, &app.store, clock, TENANT).await,
    }
}

/// Bounds how long closed conversations are kept, unless the demo's user has: they are the one kind of data that a tenant
/// keeps for ever.
async fn bound(app: &App, tenant: &TenantRecord) -> Result<(), Fault> {
    if tenant.settings.conversation_days.is_some() {
        return Ok(());
    }
    let patch = SettingsPatch { conversation_days: Field::Set(CONVERSATION_DAYS), ..SettingsPatch::default() };
    let change = SettingsChange { patch: &patch, usual: DeskTerms::default() };
    set_settings(&Admin::local(), &app.store, app.settings(), tenant.id, change).await.map(drop)
}

/// Revokes the keys of earlier runs, which are no longer needed.
async fn revoke_keys(app: &App, clock: &Clock, tenant: TenantId) -> Result<(), Fault> {
    let admin = Admin::local();
    for key in query::keys::keys(&admin, &app.store, tenant).await? {
        if key.revoked.is_none() && (key.name == KEY || key.name == FLOOR_KEY) {
            revoke_key(&admin, &app.store, &app.credentials, clock, KeyOf { tenant, key: key.id }).await?;
        }
    }
    Ok(())
}

async fn key(app: &App, clock: &Clock, wanted: NewKey<'_>) -> Result<Secret, Fault> {
    let made = create_key(&Admin::local(), &app.store, &app.credentials, clock, wanted).await?;
    Ok(made.1)
}
