//! Exports one checkpoint and writes it to the store, in slices bounded in bytes and time.

use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::histogram;

use super::Archived;
use crate::clock::Clock;
use crate::domain::TenantId;
use crate::lifecycle::Lifecycle;
use crate::live::Checkpoint;
use crate::live::state::{CheckpointSource, Export};
use crate::store::{CheckpointId, CheckpointWriter, Store, StoreError};

/// The largest slice.
const SLICE_BYTES: usize = 1024 * 1024;
/// The smallest slice, for a slow store.
const SMALLEST_SLICE_BYTES: usize = 32 * 1024;
/// The first slice on a connection that is shared with appends, before any slice was timed.
const FIRST_SLICE_BYTES: usize = 128 * 1024;
/// The target duration of a slice on a connection that is shared with appends.
const SLICE_TIME: Duration = Duration::from_millis(20);
/// The longest pause after a slice.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// The most rows of a slice. Deletions count no bytes, so bytes alone would not bound it.
const SLICE_ROWS: usize = 5_000;
/// Rows exported before the task yields to others.
const ROWS_PER_TURN: usize = 64;
/// The longest wait for the store to take one slice; after it the checkpoint fails.
const SLICE_TIMEOUT: Duration = Duration::from_secs(30);
/// The same when the service ends, whose store may be away.
const LAST_SLICE_TIMEOUT: Duration = Duration::from_secs(5);

/// A checkpoint to be written.
pub(super) struct Job {
    pub store: Store,
    pub clock: Clock,
    pub lifecycle: Lifecycle,
    pub tenant: TenantId,
    pub source: CheckpointSource,
    /// The version of the rules that produced the state.
    pub apply_version: u32,
    /// Set when the service ends: no more pauses.
    pub hurry: Arc<AtomicBool>,
}

/// A checkpoint that was exported into memory as a whole.
pub(super) struct WholeJob {
    store: Store,
    mark: CheckpointId,
    whole: Checkpoint,
    archived: Archived,
}

impl Job {
    /// Exports and writes the checkpoint. Returns the conversations that it moved to the archive.
    pub async fn write(self) -> Result<Archived, StoreError> {
        let begun = self.clock.monotonic();
        let mark = self.mark();
        let Job { store, clock, lifecycle, tenant, source, hurry, .. } = self;
        let mut pace = Pace::new(clock, store.shares_its_writer(), hurry);
        // None if this position or a newer one is stored already, as by another server: there is nothing to write.
        let Some(mut writer) = pace.take(store.begin_checkpoint(mark)).await? else { return Ok(source.left()) };
        let is_whole = writer.is_whole();
        if is_whole {
            tracing::warn!(%tenant, "the stored checkpoint is older than the one before; all rows are written");
        }
        // Removes what an abandoned or older checkpoint left, which this one's rows must not mix with.
        while pace.take(writer.tidy()).await? {
            pace.pause().await;
        }
        let panicked = || StoreError::Unreadable(String::from("the rows of a checkpoint could not be exported"));
        // Sorting takes a core for a while, so it runs on the blocking pool. It needs no permit: only as many
        // checkpoints are written at a time as there are turns.
        let export = move || if is_whole { source.export_all() } else { source.export() };
        let mut export = lifecycle.spawn_blocking((), export).await.map_err(|_| panicked())?;
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
            // The checkpoint is current all the same; the next checkpoint moves the rest.
            tracing::warn!(%error, %tenant, "a checkpoint's staged rows were not moved yet");
        }
        Ok(export.left())
    }

    /// Returns the identity of the checkpoint.
    fn mark(&self) -> CheckpointId {
        let Job { tenant, apply_version, source, .. } = self;
        let (position, batch, since) = (source.position(), source.batch(), source.changed().since());
        CheckpointId { tenant: *tenant, position, apply_version: *apply_version, batch, since }
    }

    /// Exports every row into one slice.
    pub fn export_whole(self) -> WholeJob {
        let mark = self.mark();
        let mut export = self.source.export();
        let mut whole = export.slice();
        while export.add_to(&mut whole) {}
        WholeJob { store: self.store, mark, whole, archived: export.left() }
    }
}

impl WholeJob {
    /// Writes the checkpoint in one transaction.
    pub async fn write(self) -> Result<Archived, StoreError> {
        let Some(mut writer) = self.store.begin_checkpoint(self.mark).await? else { return Ok(self.archived) };
        if writer.is_whole() {
            return Err(StoreError::OlderCheckpoint);
        }
        while writer.tidy().await? {}
        writer.write(&self.whole, true).await?;
        Ok(self.archived)
    }
}

/// Exports a slice of about `bytes` bytes, yielding to other tasks.
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

/// Moves the staged rows of a current checkpoint to where they belong. When the service ends the rest stays: a start reads
/// staged rows as well, and the next checkpoint moves them.
async fn move_staged(writer: &mut CheckpointWriter, pace: &mut Pace) -> Result<(), StoreError> {
    while !pace.is_hurried() && pace.take(writer.tidy()).await? {
        pace.pause().await;
    }
    Ok(())
}

/// The size of the slices and the pauses between them.
pub(super) struct Pace {
    clock: Clock,
    /// True if the slices share their connection with appends, which then wait for each slice.
    is_shared: bool,
    /// Set when the service ends: no more pauses.
    hurry: Arc<AtomicBool>,
    /// Bytes of the next slice.
    bytes: usize,
    /// The duration of the newest statement.
    took: Duration,
}

impl Pace {
    pub fn new(clock: Clock, is_shared: bool, hurry: Arc<AtomicBool>) -> Self {
        let bytes = if is_shared { FIRST_SLICE_BYTES } else { SLICE_BYTES };
        Pace { clock, is_shared, hurry, bytes, took: Duration::ZERO }
    }

    /// Waits for the store and records how long it took. [`StoreError::TimedOut`] after [`SLICE_TIMEOUT`], and after
    /// [`LAST_SLICE_TIMEOUT`] when the service ends.
    pub async fn take<T>(&mut self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let begun = self.clock.monotonic();
        let limit = if self.hurry.load(Ordering::Relaxed) { LAST_SLICE_TIMEOUT } else { SLICE_TIMEOUT };
        let done = tokio::time::timeout(limit, work).await.map_err(|_| StoreError::TimedOut)?;
        self.took = self.clock.monotonic() - begun;
        done
    }

    /// Chooses the next slice's size so that it takes about [`SLICE_TIME`], from how long one of `bytes` took.
    fn adapt(&mut self, bytes: usize) {
        if self.is_shared {
            // At least 1 µs: a slice may take no measurable time, and a division by zero panics.
            let fits = bytes as u128 * SLICE_TIME.as_micros() / self.took.as_micros().max(1);
            // At most doubled: one fast slice says little about the next.
            let most = (2 * self.bytes).min(SLICE_BYTES);
            self.bytes = usize::try_from(fits).unwrap_or(most).clamp(SMALLEST_SLICE_BYTES, most);
        }
    }

    /// Returns the rows of the next statement so that it takes about [`SLICE_TIME`], from how long one of `rows` took.
    /// The result is within `bounds`.
    pub fn rows(&self, rows: u32, bounds: RangeInclusive<u32>) -> u32 {
        let (fewest, most) = bounds.into_inner();
        // On a server, appends have a connection of their own and do not wait for the statement.
        if !self.is_shared {
            return most;
        }
        let fits = u128::from(rows) * SLICE_TIME.as_micros() / self.took.as_micros().max(1);
        u32::try_from(fits).unwrap_or(most).min(rows.saturating_mul(4)).clamp(fewest, most)
    }

    /// Returns true if the service ends.
    fn is_hurried(&self) -> bool {
        self.hurry.load(Ordering::Relaxed)
    }

    /// Leaves a shared connection to appends for as long as the newest slice held it, at most [`LONGEST_PAUSE`].
    pub async fn pause(&self) {
        if self.is_shared && !self.is_hurried() {
            tokio::time::sleep(self.took.min(LONGEST_PAUSE)).await;
        }
        tokio::task::yield_now().await;
    }
}
