//! `rollcall verify`: checks for each tenant of a stopped store that it loads the state that its journal produces.

use clap::Args;

use super::Failure;
use crate::boot::{self, BootError, LoadedTenants, LockedStore};
use crate::clock::Clock;
use crate::config::StoreArgs;
use crate::domain::TenantId;
use crate::engine::replay::catch_up;
use crate::journal::{Journal, JournalError};
use crate::live::State;
use crate::store::Location;
use crate::store::sqlite::DATABASE_FILE;

/// The arguments of `verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// The result of applying a journal from its beginning.
enum Replay {
    /// The state at the journal's end.
    Whole(Box<State>),
    /// The journal begins with an entry of another apply version.
    OtherRules { found: u32 },
    /// The journal's beginning is no longer kept; its first entry has this position.
    Shortened { begins: u64 },
}

/// Loads every tenant as the server does, from its checkpoint and the entries after it, applies its journal to an empty
/// state, and compares the two. Prints one line per tenant.
pub async fn run(args: VerifyArgs) -> Result<(), Failure> {
    let location = args.store.location().map_err(Failure::setting)?;
    // Opening would create an empty store, in which nothing could be wrong.
    if let Location::Folder(folder) = &location
        && !folder.join(DATABASE_FILE).is_file()
    {
        return Err(Failure::setting(format!("there is no store in {}", folder.display())));
    }
    let failure = |error: BootError| match error {
        BootError::Taken(_) => Failure::setting(error),
        other => Failure::other(other),
    };
    let LockedStore { store, mut journal, lock: _held, .. } =
        boot::lock_store(&location, &Clock::system()).await.map_err(failure)?;
    let LoadedTenants { loaded, quarantined } = boot::load(&store, &mut journal).await.map_err(failure)?;
    let mut states: Vec<_> = loaded.states.into_iter().collect();
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
        let found = match replay(&mut journal, *tenant, state.position()).await.map_err(failure)? {
            Replay::Whole(replayed) if replayed.digest() == loaded => String::from("equal"),
            Replay::Whole(replayed) => {
                differ += 1;
                format!("DIFFERENT: the journal produces {}", replayed.digest())
            }
            Replay::OtherRules { found } => format!("not compared: the journal has entries of apply version {found}"),
            Replay::Shortened { begins } => format!("not compared: the journal begins at {begins}"),
        };
        println!("{tenant}  {}  {loaded}  {found}", state.position());
    }
    if !quarantined.is_empty() {
        return Err(Failure::other(format!("{} of {all} tenants cannot be loaded", quarantined.len())));
    }
    if differ > 0 {
        return Err(Failure::other(format!(
            "{differ} of {all} tenants load a state that differs from the one their journal produces"
        )));
    }
    Ok(())
}

/// Applies one tenant's journal to an empty state, up to the position `end`.
async fn replay(journal: &mut Journal, tenant: TenantId, end: u64) -> Result<Replay, BootError> {
    let first = match journal.read(tenant, 0, 1).await {
        // A checkpoint covers the entries of earlier releases, which this one must not apply.
        Err(JournalError::Version { found, .. }) => return Ok(Replay::OtherRules { found }),
        read => read?,
    };
    if let Some(first) = first.first()
        && first.entry.seq > 1
    {
        return Ok(Replay::Shortened { begins: first.entry.seq });
    }
    let mut state = State::new(tenant);
    catch_up(&mut state, journal, tenant, end, |_, _| {}).await?;
    Ok(Replay::Whole(Box::new(state)))
}
