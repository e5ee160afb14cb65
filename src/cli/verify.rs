//! `rollcall verify`: whether a stopped store comes up as its journal says, tenant by tenant.

use clap::Args;

use super::Failure;
use crate::boot::{self, BootError, Taken, Tenants};
use crate::clock::Clock;
use crate::config::StoreArgs;
use crate::domain::TenantId;
use crate::engine::replay::catch_up;
use crate::journal::Journal;
use crate::live::State;
use crate::store::Location;
use crate::store::sqlite::FILE;

/// Which store.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// What applying a journal from its beginning comes to.
enum Replay {
    /// The state at its end.
    Whole(Box<State>),
    /// Its beginning is past its retention.
    Shortened { begins: u64 },
}

/// Loads every tenant as the server does, from its checkpoint and what follows it, replays its journal from nothing, and
/// compares. Prints a line a tenant.
pub async fn run(args: VerifyArgs) -> Result<(), Failure> {
    let location = args.store.location().map_err(Failure::setting)?;
    // Opening would make an empty store, and nothing would be wrong with that one.
    if let Location::Folder(folder) = &location
        && !folder.join(FILE).is_file()
    {
        return Err(Failure::setting(format!("there is no store in {}", folder.display())));
    }
    let told = |error: BootError| match error {
        BootError::Taken(_) => Failure::setting(error),
        other => Failure::other(other),
    };
    let Taken { store, mut journal, lock: _held, .. } = boot::take(&location, &Clock::system()).await.map_err(told)?;
    let Tenants { states, quarantined } = boot::load(&store, &mut journal).await.map_err(told)?;
    let mut states: Vec<_> = states.into_iter().collect();
    states.sort_by_key(|(tenant, _)| tenant.0);
    let mut quarantined: Vec<_> = quarantined.into_iter().collect();
    quarantined.sort_unstable();
    for (tenant, reason) in &quarantined {
        println!("{tenant}  NOT LOADED: {reason}");
    }
    let all = states.len() + quarantined.len();
    let mut differ = 0;
    for (tenant, state) in &states {
        let loaded = state.digest();
        let found = match replay(&mut journal, *tenant, state.position()).await.map_err(told)? {
            Replay::Whole(replayed) if replayed.digest() == loaded => String::from("equal"),
            Replay::Whole(replayed) => {
                differ += 1;
                format!("DIFFERENT: the journal makes {}", replayed.digest())
            }
            Replay::Shortened { begins } => format!("not compared: the journal begins at {begins}"),
        };
        println!("{tenant}  {}  {loaded}  {found}", state.position());
    }
    if !quarantined.is_empty() {
        return Err(Failure::other(format!("{} of {all} tenants cannot be loaded", quarantined.len())));
    }
    if differ > 0 {
        return Err(Failure::other(format!(
            "{differ} of {all} tenants load as another state than their journal makes"
        )));
    }
    Ok(())
}

/// Applies one tenant's journal from nothing, up to the position `end`.
async fn replay(journal: &mut Journal, tenant: TenantId, end: u64) -> Result<Replay, BootError> {
    if let Some(first) = journal.read(tenant, 0, 1).await?.first()
        && first.entry.seq > 1
    {
        return Ok(Replay::Shortened { begins: first.entry.seq });
    }
    let mut state = State::new(tenant);
    catch_up(&mut state, journal, tenant, end).await?;
    Ok(Replay::Whole(Box::new(state)))
}
