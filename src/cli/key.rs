//! `rollcall key`: give, list and take away keys. A running service notices within a second.

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{Failure, migrate, tenant};
use crate::auth::{Admin, KeyRing};
use crate::clock::Clock;
use crate::command::tenants::create_key::create_key;
use crate::command::tenants::revoke_key::revoke_key;
use crate::config::StoreArgs;
use crate::domain::Scope;
use crate::query;

/// What to do.
#[derive(Subcommand, Debug)]
pub enum KeyCommand {
    /// Gives a tenant a key and prints it: this once.
    Create(CreateArgs),
    /// Lists a tenant's keys: id, beginning of the key, whether it is revoked, scopes, name.
    List(ListArgs),
    /// Takes a key away.
    Revoke(RevokeArgs),
}

/// A key to add.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// The tenant, by id or name.
    tenant: String,
    /// A name for people.
    #[arg(long, default_value = "key")]
    name: String,
    /// What it may do, such as events:write; * for everything. Can be given several times.
    #[arg(long = "scope", required = true, value_parser = scope)]
    scopes: Vec<Scope>,
    #[command(flatten)]
    store: StoreArgs,
}

/// Whose keys.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// The tenant, by id or name.
    tenant: String,
    #[command(flatten)]
    store: StoreArgs,
}

/// A key to take away.
#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// The tenant, by id or name.
    tenant: String,
    /// The key's id.
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
            let tenant = tenant::find(&store, &args.tenant).await?.id;
            let ring = KeyRing::load(store.clone(), None, clock.clone()).await.map_err(Failure::other)?;
            let made = create_key(&admin, (&store, &ring), &clock, tenant, (&args.name, args.scopes)).await;
            println!("{}", made.map_err(Failure::other)?.1.reveal());
        }
        KeyCommand::List(args) => {
            let store = migrate::open(&args.store).await?;
            let tenant = tenant::find(&store, &args.tenant).await?.id;
            for key in query::keys::keys(&admin, &store, tenant).await.map_err(Failure::other)? {
                let state = if key.revoked.is_some() { "revoked" } else { "valid  " };
                let scopes = serde_json::to_string(&key.scopes).map_err(Failure::other)?;
                println!("{}  {}…  {state}  {scopes}  {}", key.id, key.prefix, key.name);
            }
        }
        KeyCommand::Revoke(args) => {
            let store = migrate::open(&args.store).await?;
            let tenant = tenant::find(&store, &args.tenant).await?.id;
            let ring = KeyRing::load(store.clone(), None, clock.clone()).await.map_err(Failure::other)?;
            let revoked = revoke_key(&admin, (&store, &ring), &clock, tenant, args.key).await;
            revoked.map_err(Failure::other)?;
            println!("revoked");
        }
    }
    Ok(())
}
