//! `rollcall settle`: writes the checkpoints with which a newer release can take a store over.

use clap::Args;

use super::super::{Failure, output};
use super::{boot_failure, failure};
use crate::boot::{self, LoadedTenants, LockedStore};
use crate::clock::Clock;
use crate::config::StoreArgs;
use crate::domain::TenantId;
use crate::domain::text::printable;
use crate::engine::settle;
use crate::journal::{Journal, LockMode};
use crate::live::State;
use crate::live::state::APPLY_VERSION;
use crate::store::{Location, Purpose, Store};

/// The arguments of `settle`.
#[derive(Args, Debug)]
pub struct SettleArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// Loads every tenant whose entries this release applies, and writes a checkpoint at its head. Prints one line per tenant.
/// Servers of a newer release may be running: on PostgreSQL they serve the tenants from then on.
pub async fn run(args: SettleArgs) -> Result<(), Failure> {
    let location = args.store.location().map_err(Failure::setting)?;
    let clock = Clock::system();
    let locked = boot::lock_store(&location, &clock, Purpose::Write, LockMode::Shared, APPLY_VERSION).await;
    let LockedStore { store, mut journal, lock: _held } = locked.map_err(|error| boot_failure(&location, error))?;
    let settled = settle_all(&location, &store, &mut journal, &clock).await;
    store.disconnect().await;
    settled
}

async fn settle_all(location: &Location, store: &Store, journal: &mut Journal, clock: &Clock) -> Result<(), Failure> {
    let loaded = boot::load_own(store, journal).await.map_err(|error| boot_failure(location, error))?;
    let LoadedTenants { loaded, quarantined, unsettled } = loaded;
    let mut lines: Vec<(TenantId, Result<String, String>)> = Vec::new();
    lines.extend(quarantined.into_iter().map(|(tenant, reason)| (tenant, Err(reason))));
    lines.extend(unsettled.into_iter().map(|(tenant, (version, reason))| match version > APPLY_VERSION {
        true => (tenant, Ok(format!("taken over by a newer release (apply version {version})"))),
        false => (tenant, Err(reason)),
    }));
    for (tenant, mut state) in loaded.states {
        lines.push((tenant, settle_one(store, clock, tenant, &mut state).await));
    }
    // What servers of this release append meanwhile is left.
    let heads = journal.heads().await.map_err(|error| boot_failure(location, error.into()))?;
    let all: Vec<TenantId> = heads.keys().copied().collect();
    let stored = store.checkpoint_positions(&all).await.map_err(|error| failure(location, error))?;
    for (tenant, line) in &mut lines {
        let Some(head) = heads.get(tenant).filter(|head| head.other_version(APPLY_VERSION).is_none()) else { continue };
        if line.is_ok() && stored.get(tenant).is_none_or(|stored| *stored < head.seq) && head.seq > 0 {
            *line = Err(format!("its journal went on to {}: stop the servers of this release first", head.seq));
        }
    }
    report(lines)
}

/// Writes a checkpoint of a state unless a stored one has all of it. Returns what was done, or why nothing could be.
async fn settle_one(store: &Store, clock: &Clock, tenant: TenantId, state: &mut State) -> Result<String, String> {
    let position = state.position();
    if state.entries_since_checkpoint() == 0 {
        return Ok(format!("{position}  settled before"));
    }
    match settle(store, clock, tenant, state, APPLY_VERSION).await {
        Ok(()) => Ok(format!("{position}  settled")),
        Err(error) => Err(error.to_string()),
    }
}

/// Prints one line per tenant. A failure if one of them is not settled.
fn report(mut lines: Vec<(TenantId, Result<String, String>)>) -> Result<(), Failure> {
    lines.sort_by_key(|(tenant, _)| tenant.0);
    let (all, failed) = (lines.len(), lines.iter().filter(|(_, line)| line.is_err()).count());
    for (tenant, line) in lines {
        let text = line.unwrap_or_else(|reason| format!("NOT SETTLED: {reason}"));
        output::print(&format!("{tenant}  {}\n", printable(&text)))?;
    }
    if failed > 0 {
        return Err(Failure::other(format!("{failed} of {all} tenants are not settled")));
    }
    Ok(())
}
