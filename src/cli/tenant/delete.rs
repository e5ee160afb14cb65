//! `rollcall tenant delete`: deletes a tenant with all of its data.

use std::io::{IsTerminal, Write};

use clap::Args;

use super::super::store::{applied, failure, on_store};
use super::super::{Failure, output};
use super::find;
use crate::auth::Admin;
use crate::clock::Clock;
use crate::command::tenants::delete_tenant::delete_tenant;
use crate::config::StoreArgs;
use crate::registry::Registry;
use crate::store::{Chore, Location, Purpose, ServerLock, Store, StoreError, TenantRecord};

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
    on_store(&args.store, Purpose::Write, async |store, location| delete(&args, store, location).await).await
}

async fn delete(args: &DeleteArgs, store: &Store, location: &Location) -> Result<(), Failure> {
    let tenant = find(store, &args.tenant).await?;
    if !args.yes && !is_confirmed(&tenant)? {
        return Err(Failure::other("nothing was deleted"));
    }
    let failure = |error: StoreError| failure(location, error);
    let settings = Registry::load(store.clone()).await.map_err(failure)?.settings();
    let deleted = delete_tenant(&Admin::local(), store, &settings, &Clock::system(), tenant.id).await;
    deleted.map_err(Failure::other)?;
    // Beside a server these would be slices between its appends, which it can time better.
    if store.is_served().await.map_err(failure)? {
        applied(store).await;
        return output::print("deleted; the running server deletes its rows\n");
    }
    delete_rows(store, Chore::Deleted(tenant.id)).await.map_err(failure)?;
    // Held while the file is rewritten: a server that starts meanwhile waits.
    let lock = ServerLock::try_take(location, Purpose::Write).await.map_err(failure)?;
    if lock.is_some() {
        store.close().await;
    }
    output::print("deleted\n")
}

/// Lets the user type the tenant's name. Returns true if it is the name.
fn is_confirmed(tenant: &TenantRecord) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::setting("--yes is needed where standard input is no terminal"));
    }
    let TenantRecord { id, name, .. } = tenant;
    let question = format!("Type the name of tenant {id} ({name:?}) to delete it with all of its data: ");
    // The question may be invisible; the answer decides all the same.
    let _shown = std::io::stderr().write_all(question.as_bytes());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(Failure::other)?;
    Ok(line.trim_end_matches(['\r', '\n']) == tenant.name)
}

async fn delete_rows(store: &Store, chore: Chore) -> Result<(), StoreError> {
    while chore.is_left(store.forget(chore, ROWS).await?, ROWS) {}
    Ok(())
}
