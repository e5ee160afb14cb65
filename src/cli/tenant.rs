//! `rollcall tenant`: add and list tenants. A running service notices within a second.

use clap::{Args, Subcommand};

use super::{Failure, migrate};
use crate::clock::Clock;
use crate::command::tenants::create_tenant::create_tenant;
use crate::config::StoreArgs;
use crate::store::{Store, TenantRecord};
use crate::{auth::Admin, query};

/// What to do.
#[derive(Subcommand, Debug)]
pub enum TenantCommand {
    /// Adds a tenant and prints its id.
    Create(CreateArgs),
    /// Lists tenants: id, name, since when.
    List(ListArgs),
}

/// A tenant to add.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Name, unique among tenants.
    name: String,
    #[command(flatten)]
    store: StoreArgs,
}

/// Which store.
#[derive(Args, Debug)]
pub struct ListArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// Runs the command.
pub async fn run(command: TenantCommand) -> Result<(), Failure> {
    match command {
        TenantCommand::Create(args) => {
            let store = migrate::open(&args.store).await?;
            let tenant = create_tenant(&Admin::local(), &store, &Clock::system(), &args.name).await;
            println!("{}", tenant.map_err(Failure::other)?.id);
        }
        TenantCommand::List(args) => {
            let store = migrate::open(&args.store).await?;
            for tenant in query::keys::tenants(&Admin::local(), &store).await.map_err(Failure::other)? {
                println!("{}  {}  {}", tenant.id, tenant.created, tenant.name);
            }
        }
    }
    Ok(())
}

/// The tenant that a person means: by id or by name.
pub async fn find(store: &Store, text: &str) -> Result<TenantRecord, Failure> {
    let tenants = query::keys::tenants(&Admin::local(), store).await.map_err(Failure::other)?;
    let named = tenants.into_iter().find(|tenant| tenant.name == text || tenant.id.to_string() == text);
    named.ok_or_else(|| Failure::other(format!("there is no tenant {text}")))
}
