//! `rollcall verify`: checks for each tenant of a stopped store that it loads the state that its journal produces.

use clap::Args;

use super::super::{Failure, output};
use super::boot_failure;
use crate::boot::{self, BootError, LoadedTenants, LockedStore};
use crate::clock::Clock;
use crate::config::StoreArgs;
use crate::domain::TenantId;
use crate::domain::text::printable;
use crate::engine::replay::{ReplayError, Tail, catch_up};
use crate::journal::{Journal, JournalError, LockMode};
use crate::live::State;
use crate::live::state::APPLY_VERSION;
use crate::store::{Location, Purpose, Store};

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
    /// The journal's beginning is no longer kept; its first entry has this position.
    Shortened { begins: u64 },
    /// This entry was written for other rules than this release applies.
    OtherRules { entry: u64, version: u32 },
    /// The journal cannot be applied from its beginning, although a checkpoint may cover the place.
    Broken(ReplayError),
}

/// Checks the store that the settings name.
pub async fn run(args: VerifyArgs) -> Result<(), Failure> {
    let location = args.store.location().map_err(Failure::setting)?;
    check(&location, Purpose::Read, |error| boot_failure(&location, error)).await
}

/// Loads every tenant as the server does, from its checkpoint and the entries after it, applies its journal to an empty
/// state, and compares the two. Prints one line per tenant. The store is opened for the purpose, and closed at the end.
pub async fn check(
    location: &Location,
    purpose: Purpose,
    failure: impl Fn(BootError) -> Failure,
) -> Result<(), Failure> {
    let locked = boot::lock_store(location, &Clock::system(), purpose, LockMode::Exclusive, APPLY_VERSION).await;
    let LockedStore { store, mut journal, lock: _held, .. } = locked.map_err(&failure)?;
    let checked = compare(&store, &mut journal, failure).await;
    store.disconnect().await;
    checked
}

async fn compare(store: &Store, journal: &mut Journal, failure: impl Fn(BootError) -> Failure) -> Result<(), Failure> {
    let LoadedTenants { loaded, quarantined, .. } = boot::load(store, journal).await.map_err(&failure)?;
    let mut states: Vec<_> = loaded.states.into_iter().collect();
    states.sort_by_key(|(tenant, _)| tenant.0);
    let mut quarantined: Vec<_> = quarantined.into_iter().collect();
    quarantined.sort_unstable();
    for (tenant, reason) in &quarantined {
        output::print(&format!("{tenant}  NOT LOADED: {}\n", printable(reason)))?;
    }
    let all = states.len() + quarantined.len();
    let mut differ = 0;
    for (tenant, state) in &states {
        let loaded = state.digest();
        let replayed = replay(journal, *tenant, Tail::of(state)).await;
        let found = match replayed.map_err(BootError::from).map_err(&failure)? {
            Replay::Whole(replayed) if replayed.digest() == loaded => String::from("equal"),
            Replay::Whole(replayed) => {
                differ += 1;
                format!("DIFFERENT: the journal produces {}", replayed.digest())
            }
            Replay::Shortened { begins } => format!("not compared: the journal begins at {begins}"),
            Replay::OtherRules { entry, version } => {
                format!("not compared: entry {entry} was written by apply version {version}")
            }
            Replay::Broken(error) => {
                differ += 1;
                format!("BROKEN: {error}")
            }
        };
        output::print(&format!("{tenant}  {}  {loaded}  {}\n", state.position(), printable(&found)))?;
    }
    if !quarantined.is_empty() {
        return Err(Failure::other(format!("{} of {all} tenants cannot be loaded", quarantined.len())));
    }
    if differ > 0 {
        return Err(Failure::other(format!(
            "{differ} of {all} tenants load a state that their journal does not produce"
        )));
    }
    Ok(())
}

/// Applies one tenant's journal to an empty state, up to `end`.
async fn replay(journal: &mut Journal, tenant: TenantId, end: Tail) -> Result<Replay, JournalError> {
    let mut state = State::new(tenant);
    let replayed = match journal.read(tenant, 0, 1).await {
        Ok(first) => match first.first() {
            Some(first) if first.entry.seq > 1 => return Ok(Replay::Shortened { begins: first.entry.seq }),
            _ => catch_up(&mut state, journal, tenant, end, |_, _| {}).await,
        },
        Err(error) => Err(error.into()),
    };
    match replayed {
        Ok(()) => Ok(Replay::Whole(Box::new(state))),
        Err(ReplayError::Journal(JournalError::Version { seq, found, .. })) => {
            Ok(Replay::OtherRules { entry: seq, version: found })
        }
        Err(ReplayError::Journal(error)) if !ReplayError::is_tenants(&error) => Err(error),
        // Only this tenant's: the others are compared all the same.
        Err(error) => Ok(Replay::Broken(error)),
    }
}
