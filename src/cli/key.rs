//! `rollcall key`: creates, lists and revokes keys. A change is in effect in a running service when its command ends.

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::store::{self, on_store};
use super::{Failure, output, tenant};
use crate::auth::{Admin, Credentials, OperatorHashes};
use crate::clock::Clock;
use crate::command::tenants::create_key::{NewKey, create_key};
use crate::command::tenants::revoke_key::{KeyOf, revoke_key};
use crate::config::StoreArgs;
use crate::domain::Scope;
use crate::domain::text::printable;
use crate::query;
use crate::registry::Registry;
use crate::store::{Location, Purpose, Store, StoreError};

/// The commands for keys.
#[derive(Subcommand, Debug)]
pub enum KeyCommand {
    /// Creates a key for a tenant and prints it, and nothing else; it is never shown again.
    Create(CreateArgs),
    /// Lists a tenant's keys: id, first characters of the key, state, scopes, name.
    List(ListArgs),
    /// Revokes a key; a running service rejects it when this ends.
    Revoke(RevokeArgs),
}

/// The arguments of `key create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Id or name of the tenant.
    tenant: String,
    /// Name of the key, shown in lists.
    #[arg(long, default_value = "key")]
    name: String,
    /// Scope of the key, such as events:write, or * for all scopes; repeatable.
    #[arg(long = "scope", required = true, value_parser = scope)]
    scopes: Vec<Scope>,
    #[command(flatten)]
    store: StoreArgs,
}

/// The arguments of `key list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Id or name of the tenant.
    tenant: String,
    #[command(flatten)]
    store: StoreArgs,
}

/// The arguments of `key revoke`.
#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// Id or name of the tenant.
    tenant: String,
    /// Id of the key, as listed by key list.
    key: Uuid,
    #[command(flatten)]
    store: StoreArgs,
}

fn scope(text: &str) -> Result<Scope, String> {
    let name = serde_json::Value::from(text);
    serde_json::from_value(name).map_err(|error| error.to_string())
}

/// Runs the command.
pub async fn run(command: KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::Create(args) => {
            output::require_reader().map_err(|error| error.and("no key was created"))?;
            on_store(&args.store, Purpose::Write, async |store, place| create(&args, store, place).await).await
        }
        KeyCommand::List(args) => on_store(&args.store, Purpose::Read, async |store, _| list(&args, store).await).await,
        KeyCommand::Revoke(args) => {
            on_store(&args.store, Purpose::Write, async |store, place| revoke(&args, store, place).await).await
        }
    }
}

async fn create(args: &CreateArgs, store: &Store, location: &Location) -> Result<(), Failure> {
    let clock = Clock::system();
    let tenant = tenant::find(store, &args.tenant).await?.id;
    let credentials = credentials(store, location, &clock).await?;
    let wanted = NewKey { tenant, name: &args.name, scopes: args.scopes.clone() };
    let made = create_key(&Admin::local(), store, &credentials, &clock, wanted).await;
    let (record, key) = made.map_err(|fault| Failure::other(tenant::reason(&fault)))?;
    store::applied(store).await;
    let Err(error) = output::print_once(&format!("{}\n", key.reveal())) else { return Ok(()) };
    // Nothing else has the key, so that it could never be used.
    let id = record.id;
    let revoked = revoke_key(&Admin::local(), store, &credentials, &clock, KeyOf { tenant, key: id }).await;
    Err(error.and(match revoked {
        Ok(_) => format!("the key {id} was created, but not shown, and is revoked"),
        Err(fault) => format!("the key {id} was created, but not shown, and must be revoked: that failed now: {fault}"),
    }))
}

async fn list(args: &ListArgs, store: &Store) -> Result<(), Failure> {
    let tenant = tenant::find(store, &args.tenant).await?.id;
    for key in query::keys::keys(&Admin::local(), store, tenant).await.map_err(Failure::other)? {
        let state = if key.revoked.is_some() { "revoked" } else { "valid  " };
        let scopes = serde_json::to_string(&key.scopes).map_err(Failure::other)?;
        output::print(&format!(
            "{}  {}…  {state}  {scopes}  {}\n",
            key.id,
            printable(&key.prefix),
            printable(&key.name)
        ))?;
    }
    Ok(())
}

async fn revoke(args: &RevokeArgs, store: &Store, location: &Location) -> Result<(), Failure> {
    let clock = Clock::system();
    let tenant = tenant::find(store, &args.tenant).await?.id;
    let credentials = credentials(store, location, &clock).await?;
    let key = KeyOf { tenant, key: args.key };
    revoke_key(&Admin::local(), store, &credentials, &clock, key).await.map_err(Failure::other)?;
    store::applied(store).await;
    output::print("revoked\n")
}

/// Loads the keys and tokens of the store.
async fn credentials(store: &Store, location: &Location, clock: &Clock) -> Result<Credentials, Failure> {
    let load = async || -> Result<Credentials, StoreError> {
        Credentials::load(Registry::load(store.clone()).await?, OperatorHashes::default(), clock.clone()).await
    };
    load().await.map_err(|error| store::failure(location, error))
}
