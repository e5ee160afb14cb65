//! `rollcall tenant delete`: deletes a tenant with all of its data.

use std::io::{IsTerminal, Write};

use clap::Args;

use super::super::{Failure, migrate};
use super::find;
use crate::auth::Admin;
use crate::clock::Clock;
use crate::command::tenants::delete_tenant::delete_tenant;
use crate::config::StoreArgs;
use crate::registry::Registry;
use crate::store::{Chore, ServerLock, Store, StoreError, TenantRecord};

/// Rows that are deleted at a time.
const ROWS: u32 = 500;

/// The arguments of `tenant delete`.
#[derive(Args, Debug)]
pub struct DeleteArgs {
    /// Id or name of the tenant.
    tenant: String,
    /// Deletes without a question; needed where standard input is no terminal.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    store: StoreArgs,
}

/// Deletes the tenant, and its rows unless a running server does.
pub async fn run(args: DeleteArgs) -> Result<(), Failure> {
    let location = args.store.location().map_err(Failure::setting)?;
    let store = migrate::open(&args.store).await?;
    let tenant = find(&store, &args.tenant).await?;
    if !args.yes && !is_confirmed(&tenant)? {
        return Err(Failure::other("nothing was deleted"));
    }
    let settings = Registry::load(store.clone()).await.map_err(Failure::other)?.settings();
    let deleted = delete_tenant(&Admin::local(), &store, &settings, &Clock::system(), tenant.id).await;
    deleted.map_err(Failure::other)?;
    // Beside a server these would be slices between its appends, which it can time better.
    let is_served = ServerLock::try_take(&location).await.map_err(Failure::other)?.is_none();
    if is_served {
        println!("deleted; the running server deletes its rows");
    } else {
        delete_rows(&store, Chore::Deleted(tenant.id)).await.map_err(Failure::other)?;
        // Held while the file is rewritten: a server that starts meanwhile waits.
        let lock = ServerLock::try_take(&location).await.map_err(Failure::other)?;
        if lock.is_some() {
            store.close().await;
        }
        println!("deleted");
    }
    Ok(())
}

/// Lets the user type the tenant's name. Returns true if it is the name.
fn is_confirmed(tenant: &TenantRecord) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::setting("--yes is needed where standard input is no terminal"));
    }
    eprint!("Type the name of tenant {} ({:?}) to delete it with all of its data: ", tenant.id, tenant.name);
    // The question may be invisible; the answer decides all the same.
    let _shown = std::io::stderr().flush();
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(Failure::other)?;
    Ok(line.trim_end_matches(['\r', '\n']) == tenant.name)
}

async fn delete_rows(store: &Store, chore: Chore) -> Result<(), StoreError> {
    while chore.is_left(store.forget(chore, ROWS).await?, ROWS) {}
    Ok(())
}
