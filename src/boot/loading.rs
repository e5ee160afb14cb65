//! Loads every tenant's state from its checkpoint and the journal's entries after it. A tenant that cannot be loaded is
//! quarantined, and the others are served.

use std::collections::{HashMap, HashSet, VecDeque};
use std::num::NonZero;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::BootError;
use crate::domain::TenantId;
use crate::engine::Loaded;
use crate::engine::replay::{ReplayError, catch_up, decode};
use crate::journal::{Head, Journal, JournalError};
use crate::lifecycle::Lifecycle;
use crate::live::state::ParsedRows;
use crate::live::{RowKey, State};
use crate::store::{CheckpointMark, CheckpointReader, CheckpointReading, Page, PageRow, Part, Store, StoreError};

/// Most connections that read checkpoints.
const READERS: usize = 4;

/// The tenants in a store.
#[derive(Debug, Default)]
pub struct LoadedTenants {
    /// The tenants that were loaded, with their states.
    pub loaded: Loaded,
    /// The tenants that cannot be loaded, and why.
    pub quarantined: HashMap<TenantId, String>,
    /// The tenants whose entries are of another apply version, with it and the reason why they are not loaded.
    pub unsettled: HashMap<TenantId, (u32, String)>,
}

/// A tenant's checkpoint as a state, or the reason why it cannot be loaded. Tenants without a checkpoint have neither.
type Decoded = (TenantId, Result<State, String>);

/// Takes over the tenants of an older release that has settled them: its checkpoints are at their heads. Then works as
/// [`load_own`].
pub async fn take_over(store: &Store, journal: &mut Journal) -> Result<LoadedTenants, BootError> {
    let ours = journal.apply_version();
    let others: Vec<TenantId> = of_other_versions(&journal.heads().await?, ours).into_keys().collect();
    if !others.is_empty() {
        let raised = journal.raise(&others).await?;
        tracing::info!(tenants = raised.len(), apply_version = ours, "tenants of an older release were taken over");
    }
    let tenants = load_own(store, journal).await?;
    for (tenant, (_, reason)) in &tenants.unsettled {
        tracing::error!(%tenant, reason, "a tenant is of another release; the others are served without it");
    }
    Ok(tenants)
}

/// Loads every tenant whose entries are of the journal's apply version; the others are [`LoadedTenants::unsettled`]. Fails if
/// the store fails; errors in one tenant's data go to [`LoadedTenants::quarantined`].
pub async fn load_own(store: &Store, journal: &mut Journal) -> Result<LoadedTenants, BootError> {
    let ours = journal.apply_version();
    let heads = journal.heads().await?;
    let others = of_other_versions(&heads, ours);
    let tenants: Vec<TenantId> = others.keys().copied().collect();
    let stored = store.checkpoint_positions(&tenants).await?;
    let reason = |(tenant, (version, head)): (TenantId, (u32, u64))| {
        let checkpoint = stored.get(&tenant).copied().unwrap_or_default();
        (tenant, (version, unsettled_reason(version, ours, head, checkpoint)))
    };
    let unsettled: HashMap<_, _> = others.into_iter().map(reason).collect();
    let skipped: HashSet<TenantId> = tenants.into_iter().collect();
    Ok(LoadedTenants { unsettled, ..load_but(store, journal, &heads, &skipped).await? })
}

/// Returns the tenants whose entries are of another apply version than `ours`, with that version and their heads.
fn of_other_versions(heads: &HashMap<TenantId, Head>, ours: u32) -> HashMap<TenantId, (u32, u64)> {
    let other = |(tenant, head): (&TenantId, &Head)| Some((*tenant, (head.other_version(ours)?, head.seq)));
    heads.iter().filter_map(other).collect()
}

/// Returns the reason why a tenant of another apply version is not served.
fn unsettled_reason(version: u32, ours: u32, head: u64, checkpoint: u64) -> String {
    if version > ours {
        return format!("its entries are of apply version {version}, of a newer release; this one's is {ours}");
    }
    format!(
        "its entries are of apply version {version}, and its checkpoint ends at {checkpoint} of {head}; this release's is \
         {ours}: end the servers of the older release in order, or run its rollcall settle"
    )
}

/// Loads every tenant, whatever the apply version of its entries, as far as no entry of another version has to be applied.
/// Fails if the store fails; errors in one tenant's data go to [`LoadedTenants::quarantined`].
pub async fn load(store: &Store, journal: &mut Journal) -> Result<LoadedTenants, BootError> {
    let heads = journal.heads().await?;
    load_but(store, journal, &heads, &HashSet::new()).await
}

/// Works as [`load`], without some of the tenants that have these heads.
async fn load_but(
    store: &Store,
    journal: &mut Journal,
    heads: &HashMap<TenantId, Head>,
    skipped: &HashSet<TenantId>,
) -> Result<LoadedTenants, BootError> {
    let mut ids: Vec<TenantId> = heads.keys().filter(|id| !skipped.contains(id)).copied().collect();
    ids.sort_unstable();
    let mut tenants = LoadedTenants::default();
    for tenant in store.tenants_without_head().await? {
        let reason = "its position is missing while entries or a checkpoint are there: the store lost rows";
        tenants.quarantined.insert(tenant, reason.to_owned());
    }
    let checkpoints = load_checkpoints(store, &ids).await?;
    // Read after the checkpoints: other servers may append and write checkpoints meanwhile, which are never beyond the head.
    let mut heads = journal.heads().await?;
    heads.retain(|tenant, _| !skipped.contains(tenant));
    for (tenant, decoded) in checkpoints {
        match decoded {
            // Checkpoints are read by ranges of tenants, so that those of tenants without a head come along: deleted ones,
            // and those in quarantine.
            _ if !heads.contains_key(&tenant) => {}
            Ok(state) => drop(tenants.loaded.states.insert(tenant, state)),
            Err(reason) => drop(tenants.quarantined.insert(tenant, reason)),
        }
    }
    for (tenant, head) in heads {
        if tenants.quarantined.contains_key(&tenant) {
            continue;
        }
        let mut caught_up = catch_up_to(&mut tenants.loaded, journal, tenant, head).await;
        if matches!(caught_up, Err(BootError::Replay(ReplayError::Gap(_)))) {
            // Another server may have written a newer checkpoint since, and deleted the entries that it has.
            if let Some(state) = newer(store, &tenants.loaded, tenant).await? {
                tenants.loaded.states.insert(tenant, state);
                let head = journal.heads_of(&[tenant]).await?.remove(&tenant).unwrap_or(head);
                caught_up = catch_up_to(&mut tenants.loaded, journal, tenant, head).await;
            }
        }
        match caught_up {
            Ok(()) => {}
            Err(error) if error.is_of_tenant() => {
                tenants.loaded.states.remove(&tenant);
                tenants.quarantined.insert(tenant, error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    for (tenant, reason) in &tenants.quarantined {
        tracing::error!(%tenant, reason, "a tenant cannot be loaded; the others are served without it");
    }
    Ok(tenants)
}

/// Loads a tenant's checkpoint again; `None` unless it can be read and is beyond the state.
async fn newer(store: &Store, loaded: &Loaded, tenant: TenantId) -> Result<Option<State>, BootError> {
    let position = loaded.states.get(&tenant).map_or(0, State::position);
    let stored = match store.load_checkpoint(tenant).await {
        Err(error) if error.is_of_content() => None,
        stored => stored?.filter(|stored| stored.position > position),
    };
    Ok(stored.and_then(|stored| decode(tenant, stored).ok()))
}

async fn catch_up_to(
    loaded: &mut Loaded,
    journal: &mut Journal,
    tenant: TenantId,
    head: Head,
) -> Result<(), BootError> {
    let Loaded { states, first_outcomes } = loaded;
    let state = states.entry(tenant).or_insert_with(|| State::new(tenant));
    let checkpoint = state.position();
    if checkpoint > head.seq {
        return Err(BootError::Lost { tenant, head: head.seq, checkpoint });
    }
    first_outcomes.begin(tenant, state.recorded());
    catch_up(state, journal, tenant, head.into(), |entry, outcome| first_outcomes.note(tenant, entry, outcome)).await?;
    tracing::debug!(%tenant, checkpoint, position = state.position(), "tenant loaded");
    Ok(())
}

impl BootError {
    /// Returns whether the store works and only one tenant's data are wrong.
    fn is_of_tenant(&self) -> bool {
        match self {
            BootError::Checkpoint(_)
            | BootError::Lost { .. }
            | BootError::Replay(ReplayError::Gap(_) | ReplayError::Diverged(_)) => true,
            BootError::Journal(error) | BootError::Replay(ReplayError::Journal(error)) => match error {
                JournalError::Store(error) => StoreError::is_content(error),
                other => ReplayError::is_tenants(other),
            },
            BootError::Store(error) => error.is_of_content(),
            BootError::Taken(_) => false,
        }
    }
}

/// The work that the readers share.
#[derive(Clone)]
struct SharedWork {
    lifecycle: Lifecycle,
    parts: Arc<Mutex<VecDeque<Part>>>,
    /// The tenants whose rows are parsed.
    wanted: Arc<HashSet<TenantId>>,
    /// Permits for parsing and restoring, one for each core: nothing else runs yet.
    cores: Arc<Semaphore>,
}

/// Rows of a page by tenant, or the reason why one of the tenant's cannot be read. A tenant may occur several times.
type Parsed = Vec<(TenantId, Result<ParsedRows, String>)>;

/// Loads all checkpoints over a few connections. If a page cannot be read, since its rows are damaged, the tenants are
/// read one by one, so that only those with such rows fail.
async fn load_checkpoints(store: &Store, ids: &[TenantId]) -> Result<Vec<Decoded>, BootError> {
    match load_all(store, ids).await {
        Err(BootError::Store(error)) if error.is_of_content() => load_singly(store, ids).await,
        loaded => loaded,
    }
}

/// Reads all checkpoints in pages, parses the pages at the same time, and restores the states at the end.
async fn load_all(store: &Store, ids: &[TenantId]) -> Result<Vec<Decoded>, BootError> {
    let CheckpointReading { marks, readers, parts } = store.read_checkpoints(ids, READERS).await?;
    let marks: Vec<_> = marks.into_iter().filter(|mark| ids.binary_search(&mark.tenant).is_ok()).collect();
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let work = SharedWork {
        lifecycle: Lifecycle::default(),
        parts: Arc::new(Mutex::new(parts.into())),
        wanted: Arc::new(marks.iter().map(|mark| mark.tenant).collect()),
        cores: Arc::new(Semaphore::new(cores)),
    };
    let tasks: Vec<_> =
        readers.into_iter().map(|reader| work.lifecycle.spawn_tracked(work.clone().read(reader))).collect();
    let mut rows: HashMap<TenantId, Result<ParsedRows, String>> = HashMap::with_capacity(marks.len());
    for task in tasks {
        let parsed =
            task.await.map_err(|_| StoreError::Unreadable(String::from("checkpoints: reading panicked")))??;
        parsed.into_iter().for_each(|(tenant, found)| add(&mut rows, tenant, found));
    }
    work.restore(&marks, rows).await
}

/// Adds a part of a tenant's rows to the others.
fn add(rows: &mut HashMap<TenantId, Result<ParsedRows, String>>, tenant: TenantId, found: Result<ParsedRows, String>) {
    match (rows.entry(tenant).or_insert_with(|| Ok(ParsedRows::default())), found) {
        (Ok(rows), Ok(found)) => rows.append(found),
        (rows @ Ok(_), Err(reason)) => *rows = Err(reason),
        // The first reason is as good as any other.
        (Err(_), _) => {}
    }
}

impl SharedWork {
    /// Reads parts until none is left, and returns their rows.
    async fn read(self, mut reader: CheckpointReader) -> Result<Parsed, BootError> {
        let mut parsing = Vec::new();
        while let Some(first) = self.next_part() {
            let mut rest = Some(first);
            while let Some(part) = rest.take() {
                let (page, left) = reader.page(part).await?;
                rest = left;
                let wanted = self.wanted.clone();
                parsing.push(self.spawn(move || parse(&page, &wanted)).await);
            }
        }
        reader.close().await?;
        let mut parsed = Vec::new();
        for page in parsing {
            parsed
                .extend(page.await.map_err(|_| StoreError::Unreadable(String::from("checkpoints: parsing panicked")))?);
        }
        Ok(parsed)
    }

    fn next_part(&self) -> Option<Part> {
        self.parts.lock().pop_front()
    }

    /// Runs work on one of the cores, once one is free. Waiting for it bounds the pages in memory.
    async fn spawn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let core = self.cores.clone().acquire_owned().await;
        // The semaphore is never closed.
        self.lifecycle.spawn_at_start(core, work)
    }

    /// Restores the states of all checkpoints.
    async fn restore(
        &self,
        marks: &[CheckpointMark],
        mut rows: HashMap<TenantId, Result<ParsedRows, String>>,
    ) -> Result<Vec<Decoded>, BootError> {
        let mut restoring = Vec::with_capacity(marks.len());
        for CheckpointMark { tenant, position, batch } in marks.iter().copied() {
            let rows = rows.remove(&tenant).unwrap_or_else(|| Ok(ParsedRows::default()));
            let restore = move || {
                let mut state = State::restore(tenant, position, rows?).map_err(|error| error.to_string())?;
                state.set_batch(batch);
                Ok(state)
            };
            restoring.push((tenant, self.spawn(restore).await));
        }
        let mut decoded = Vec::with_capacity(restoring.len());
        for (tenant, state) in restoring {
            let state = state.await.unwrap_or_else(|error| Err(format!("restoring its state failed: {error}")));
            decoded.push((tenant, state));
        }
        Ok(decoded)
    }
}

/// Parses the rows of the wanted tenants. Rows of others belong to no checkpoint.
fn parse(page: &Page, wanted: &HashSet<TenantId>) -> Parsed {
    let mut parsed: Parsed = Vec::new();
    for PageRow { tenant, kind, key, body } in page.rows() {
        if parsed.last().is_none_or(|(newest, _)| *newest != tenant) {
            if !wanted.contains(&tenant) {
                continue;
            }
            parsed.push((tenant, Ok(ParsedRows::default())));
        }
        let Some((_, rows)) = parsed.last_mut() else { continue };
        let added = match (&mut *rows, RowKey::parse(kind, key)) {
            (Ok(rows), Some(key)) => rows.add(key, body).map_err(|error| error.to_string()),
            (Ok(_), None) => Err(StoreError::Unreadable(format!("row {kind} {key}")).to_string()),
            (Err(_), _) => Ok(()),
        };
        if let Err(reason) = added {
            *rows = Err(reason);
        }
    }
    parsed
}

/// Loads the tenants one after the other.
async fn load_singly(store: &Store, ids: &[TenantId]) -> Result<Vec<Decoded>, BootError> {
    let (lifecycle, mut reader, mut decoded) = (Lifecycle::default(), None, Vec::new());
    for tenant in ids.iter().copied() {
        let mut reading = match reader.take() {
            Some(reading) => reading,
            None => store.checkpoint_reader().await?,
        };
        match reading.read(tenant, tenant).await {
            Ok(found) => {
                reader = Some(reading);
                for (tenant, stored) in found {
                    let work = move || {
                        let stored = stored.map_err(|error| error.to_string())?;
                        decode(tenant, stored).map_err(|error| error.to_string())
                    };
                    let state = lifecycle.spawn_at_start((), work).await;
                    decoded.push((tenant, state.unwrap_or_else(|error| Err(format!("its rows: {error}")))));
                }
            }
            // The reader's transaction may be aborted.
            Err(error) if error.is_of_content() => decoded.push((tenant, Err(error.to_string()))),
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(reader) = reader {
        reader.close().await?;
    }
    Ok(decoded)
}
