//! `rollcall key`: creates, lists and revokes keys. Changes take effect in a running service within a second.

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{Failure, migrate, tenant};
use crate::auth::{Admin, Credentials};
use crate::clock::Clock;
use crate::command::tenants::create_key::{NewKey, create_key};
use crate::command::tenants::revoke_key::{KeyOf, revoke_key};
use crate::config::StoreArgs;
use crate::domain::Scope;
use crate::domain::text::printable;
use crate::query;
use crate::registry::Registry;
use crate::store::{Store, StoreError};

/// The commands for keys.
#[derive(Subcommand, Debug)]
pub enum KeyCommand {
    /// Creates a key for a tenant and prints it; it is never shown again.
    Create(CreateArgs),
    /// Lists a tenant's keys: id, first characters of the key, state, scopes, name.
    List(ListArgs),
    /// Revokes a key; a running service rejects it within a second.
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
    let clock = Clock::system();
    let admin = Admin::local();
    match command {
        KeyCommand::Create(args) => {
            let store = migrate::open(&args.store).await?;
            let owner = tenant::find(&store, &args.tenant).await?.id;
            let credentials = credentials(&store, &clock).await?;
            let wanted = NewKey { tenant: owner, name: &args.name, scopes: args.scopes };
            let made = create_key(&admin, &store, &credentials, &clock, wanted).await;
            let made = made.map_err(|fault| Failure::other(tenant::reason(&fault)))?;
            println!("{}", made.1.reveal());
        }
        KeyCommand::List(args) => {
            let store = migrate::open(&args.store).await?;
            let tenant = tenant::find(&store, &args.tenant).await?.id;
            for key in query::keys::keys(&admin, &store, tenant).await.map_err(Failure::other)? {
                let state = if key.revoked.is_some() { "revoked" } else { "valid  " };
                let scopes = serde_json::to_string(&key.scopes).map_err(Failure::other)?;
                println!("{}  {}…  {state}  {scopes}  {}", key.id, printable(&key.prefix), printable(&key.name));
            }
        }
        KeyCommand::Revoke(args) => {
            let store = migrate::open(&args.store).await?;
            let tenant = tenant::find(&store, &args.tenant).await?.id;
            let credentials = credentials(&store, &clock).await?;
            let revoked = revoke_key(&admin, &store, &credentials, &clock, KeyOf { tenant, key: args.key }).await;
            revoked.map_err(Failure::other)?;
            println!("revoked");
        }
    }
    Ok(())
}

/// Loads the keys and tokens of the store.
async fn credentials(store: &Store, clock: &Clock) -> Result<Credentials, Failure> {
    let load = async || -> Result<Credentials, StoreError> {
        Credentials::load(Registry::load(store.clone()).await?, store, None, clock.clone()).await
    };
    load().await.map_err(Failure::other)
}
