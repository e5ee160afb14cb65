//! One checkpoint on its way to the store, in slices bounded in bytes and time.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::histogram;

use super::Archived;
use crate::clock::Clock;
use crate::domain::TenantId;
use crate::lifecycle::Lifecycle;
use crate::live::Checkpoint;
use crate::live::state::{APPLY_VERSION, CheckpointSource, Export};
use crate::store::{CheckpointWriter, Mark, Store, StoreError};

/// The largest slice.
const SLICE_BYTES: usize = 1024 * 1024;
/// The smallest slice where the store is slow.
const SMALLEST_SLICE_BYTES: usize = 32 * 1024;
/// The first slice through a connection that appends wait for, until it is known how long one takes.
const FIRST_SLICE_BYTES: usize = 128 * 1024;
/// How long a slice should take where appends wait for it.
const SLICE_TIME: Duration = Duration::from_millis(20);
/// The longest pause after a slice.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// Rows of a slice, whatever their size: deletions have none.
const SLICE_ROWS: usize = 5_000;
/// Rows exported before other tasks get their turn.
const ROWS_PER_TURN: usize = 64;
/// How long the store may take for one slice before the checkpoint is given up.
const SLICE_TIMEOUT: Duration = Duration::from_secs(30);

/// A checkpoint to be written.
pub(super) struct Job {
    pub store: Store,
    pub clock: Clock,
    pub lifecycle: Lifecycle,
    pub tenant: TenantId,
    pub source: CheckpointSource,
    /// Set when the service ends: no more pauses.
    pub hurry: Arc<AtomicBool>,
}

/// A checkpoint that was exported as a whole.
pub(super) struct WholeJob {
    store: Store,
    tenant: TenantId,
    whole: Checkpoint,
    archived: Archived,
}

impl Job {
    /// Exports and writes the checkpoint. Returns the conversations that it moved to the archive.
    pub async fn write(self) -> Result<Archived, StoreError> {
        let Job { store, clock, lifecycle, tenant, source, hurry } = self;
        let begun = clock.monotonic();
        let mark = Mark { tenant, position: source.position(), apply_version: APPLY_VERSION, batch: None };
        let mut pace = Pace::new(clock, store.shares_its_writer(), hurry);
        // One that is stored already left nothing to do; so it is with the state's copy, which is given up here.
        let Some(mut writer) = pace.take(store.begin_checkpoint(mark)).await? else { return Ok(Archived::new()) };
        while pace.take(writer.tidy()).await? {
            pace.pause().await;
        }
        let panicked = || StoreError::Unreadable(String::from("the rows of a checkpoint could not be exported"));
        // Sorting is work for a core. It needs no permit: no more checkpoints are written at a time than there are turns.
        let mut export = lifecycle.block((), move || source.export()).await.map_err(|_| panicked())?;
        loop {
            let slice = fill(&mut export, pace.bytes).await;
            let is_last = export.is_done();
            pace.take(writer.write(&slice, is_last)).await?;
            if is_last {
                break;
            }
            pace.adapt(slice.bytes);
            pace.pause().await;
        }
        histogram!("rollcall_checkpoint_seconds").record((pace.clock.monotonic() - begun).as_secs_f64());
        if let Err(error) = move_staged(&mut writer, &mut pace).await {
            // It is current all the same: the next one goes on with this.
            tracing::warn!(%error, %tenant, "a checkpoint's staged rows were not moved yet");
        }
        Ok(export.left())
    }

    /// Exports every row at once.
    pub fn export_whole(self) -> WholeJob {
        let mut export = self.source.export();
        let mut whole = export.slice();
        while export.add_to(&mut whole) {}
        WholeJob { store: self.store, tenant: self.tenant, whole, archived: export.left() }
    }
}

impl WholeJob {
    /// Writes the checkpoint in one transaction.
    pub async fn write(self) -> Result<Archived, StoreError> {
        self.store.write_checkpoint(self.tenant, APPLY_VERSION, &self.whole).await?;
        Ok(self.archived)
    }
}

/// Exports a slice of about so many bytes, in turns with other tasks.
async fn fill(export: &mut Export, bytes: usize) -> Checkpoint {
    let mut slice = export.slice();
    let mut rows = 0;
    while slice.bytes < bytes && rows < SLICE_ROWS && export.add_to(&mut slice) {
        rows += 1;
        if rows % ROWS_PER_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
    slice
}

async fn move_staged(writer: &mut CheckpointWriter, pace: &mut Pace) -> Result<(), StoreError> {
    while pace.take(writer.tidy()).await? {
        pace.pause().await;
    }
    Ok(())
}

/// How large the slices are and how much room is between them.
pub(super) struct Pace {
    clock: Clock,
    /// Whether appends wait for the slices.
    is_shared: bool,
    hurry: Arc<AtomicBool>,
    bytes: usize,
    /// How long the newest slice took.
    took: Duration,
}

impl Pace {
    pub fn new(clock: Clock, is_shared: bool, hurry: Arc<AtomicBool>) -> Self {
        let bytes = if is_shared { FIRST_SLICE_BYTES } else { SLICE_BYTES };
        Pace { clock, is_shared, hurry, bytes, took: Duration::ZERO }
    }

    /// Waits for the store, but not for ever, and takes the time.
    pub async fn take<T>(&mut self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let begun = self.clock.monotonic();
        let done = tokio::time::timeout(SLICE_TIMEOUT, work).await.map_err(|_| StoreError::TimedOut)?;
        self.took = self.clock.monotonic() - begun;
        done
    }

    /// Chooses the next slice's size so that it takes about [`SLICE_TIME`], from how long one of `bytes` took.
    fn adapt(&mut self, bytes: usize) {
        if self.is_shared {
            let fits = bytes as u128 * SLICE_TIME.as_micros() / self.took.as_micros().max(1);
            let most = (2 * self.bytes).min(SLICE_BYTES);
            self.bytes = usize::try_from(fits).unwrap_or(most).clamp(SMALLEST_SLICE_BYTES, most);
        }
    }

    /// How many rows the next statement may have so that it takes about [`SLICE_TIME`], from how long one of `rows` took.
    pub fn rows(&self, rows: u32, (fewest, most): (u32, u32)) -> u32 {
        if !self.is_shared {
            return most;
        }
        let fits = u128::from(rows) * SLICE_TIME.as_micros() / self.took.as_micros().max(1);
        u32::try_from(fits).unwrap_or(most).min(rows.saturating_mul(4)).clamp(fewest, most)
    }

    /// Leaves the connection to appends for as long as the newest slice held it.
    pub async fn pause(&self) {
        if self.is_shared && !self.hurry.load(Ordering::Relaxed) {
            tokio::time::sleep(self.took.min(LONGEST_PAUSE)).await;
        }
        tokio::task::yield_now().await;
    }
}
