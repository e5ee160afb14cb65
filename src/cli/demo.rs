//! `rollcall demo`: the service on a store of its own, with a tenant whose two hundred people are at work.

mod contacts;
mod curls;
mod floor;
mod names;
mod people;
mod person;

use clap::Args;
use clap::builder::Resettable;

use super::{Failure, healthcheck, serve};
use crate::app::App;
use crate::auth::secret::Secret;
use crate::auth::{Admin, Caller};
use crate::clock::Clock;
use crate::command::tenants::create_key::create_key;
use crate::command::tenants::create_tenant::create_tenant;
use crate::command::tenants::revoke_key::revoke_key;
use crate::command::upsert_directory::upsert_directory;
use crate::config::ServeArgs;
use crate::domain::{Fault, Scope, TenantId};
use crate::store::Location;
use crate::{query, telemetry};
use floor::Floor;

/// The tenant's name.
const TENANT: &str = "Demo";
/// The key for whoever looks on.
const KEY: &str = "demo";
/// The key of the simulated desks; it is never shown.
const FLOOR_KEY: &str = "demo floor";

/// What `serve` takes, but always with an embedded store, and never by accident the one of a real service: the
/// variables that name one are not read.
#[derive(Args, Debug)]
#[command(
    mut_arg("data_dir", |arg| arg.env(Resettable::Reset).default_value("./demo-data")),
    mut_arg("database_url", |arg| arg.env(Resettable::Reset).hide(true)),
    // A demo that is left alone for days is not to fill the disk.
    mut_arg("journal_days", |arg| arg.default_value("1")),
    mut_arg("dedupe_days", |arg| arg.default_value("1")),
)]
pub struct DemoArgs {
    #[command(flatten)]
    serve: ServeArgs,
}

/// Runs the service and the people.
pub async fn run(args: DemoArgs) -> Result<(), Failure> {
    let args = args.serve;
    if args.store.database_url.is_some() {
        return Err(Failure::setting("--database-url is for serve: the demo runs on an embedded store of its own"));
    }
    let _log = telemetry::start_logging(&args.log, args.budgets()).map_err(Failure::setting)?;
    let location = Location::Folder(args.store.data_dir.clone());
    let app = serve::start(&args, location.clone()).await?;
    let key = match populate(&app).await {
        Ok(key) => key,
        Err(fault) => {
            app.stop().await;
            return Err(Failure::other(format!("the demo could not be set up: {fault}")));
        }
    };
    let url = format!("{}://{}", app.scheme, healthcheck::reachable(app.address));
    telemetry::print(serve::banner(&app, &location) + &announcement(&url, &key));
    serve::until_stopped(app).await
}

fn announcement(url: &str, key: &Secret) -> String {
    format!(
        "  key       {}
            for everything of the tenant {TENANT:?}; those of earlier demos no longer work

{} people connect, take chats and calls, and go on breaks, faster than life. Ask about them:
{}
",
        key.reveal(),
        people::COUNT,
        curls::text(url, key.reveal())
    )
}

/// Makes the tenant, its people and their keys, and sets them to work. Answers the key for whoever looks on.
async fn populate(app: &App) -> Result<Secret, Fault> {
    let clock = Clock::system();
    let tenant = tenant(app, &clock).await?;
    revoke_keys(app, &clock, tenant).await?;
    let key = key(app, &clock, tenant, (KEY, vec![Scope::All])).await?;
    let scopes = vec![Scope::DirectoryWrite, Scope::EventsWrite, Scope::OperatorsRead];
    let floor_key = self::key(app, &clock, tenant, (FLOOR_KEY, scopes)).await?;
    let caller: Caller = app.ring.caller(Some(floor_key.reveal()), |_, _| None)?;
    let engine = (&app.submitter, &app.reader);
    upsert_directory(&caller, engine, &clock, app.lifecycle(), people::document()).await?;
    let mut floor = Floor::new(caller, (app.submitter.clone(), app.reader.clone()), clock);
    floor.open().await?;
    let stopping = app.lifecycle().stopping().clone();
    // The service can do without the floor: should that fail, it goes on.
    drop(app.lifecycle().track(floor.run(stopping)));
    Ok(key)
}

/// The demo's tenant, whether it is there from an earlier run or not.
async fn tenant(app: &App, clock: &Clock) -> Result<TenantId, Fault> {
    let admin = Admin::local();
    let known = query::keys::tenants(&admin, &app.store).await?;
    match known.into_iter().find(|tenant| tenant.name == TENANT) {
        Some(tenant) => Ok(tenant.id),
        None => Ok(create_tenant(&admin, &app.store, clock, TENANT).await?.id),
    }
}

/// Takes away the keys of earlier runs: nobody has them any more, or nobody should.
async fn revoke_keys(app: &App, clock: &Clock, tenant: TenantId) -> Result<(), Fault> {
    let admin = Admin::local();
    for key in query::keys::keys(&admin, &app.store, tenant).await? {
        if key.revoked.is_none() && (key.name == KEY || key.name == FLOOR_KEY) {
            revoke_key(&admin, (&app.store, &app.ring), clock, tenant, key.id).await?;
        }
    }
    Ok(())
}

async fn key(app: &App, clock: &Clock, tenant: TenantId, key: (&str, Vec<Scope>)) -> Result<Secret, Fault> {
    let made = create_key(&Admin::local(), (&app.store, &app.ring), clock, tenant, key).await?;
    Ok(made.1)
}
