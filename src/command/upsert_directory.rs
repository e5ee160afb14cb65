//! Creates or changes reference data and users by a directory document, as one event.

use std::sync::Arc;

use crate::auth::Caller;
use crate::clock::Clock;
use crate::domain::directory::{Changes, Document};
use crate::domain::event::Rejection;
use crate::domain::{Event, EventBody, Fault, Outcome, Scope};
use crate::engine::{Reader, Snapshot, Submitter};
use crate::lifecycle::Lifecycle;
use crate::limits::TurnKey;

/// The most entities of a document that is checked on the threads that answer requests. Larger ones take milliseconds.
const INLINE_ENTITIES: usize = 100;

/// Commits a document. Returns the position at which it is visible, and its changes.
///
/// [`Fault::Refused`] with the document's problems.
pub async fn upsert_directory(
    caller: &Caller,
    (submitter, reader): (&Submitter, &Reader),
    clock: &Clock,
    lifecycle: &Lifecycle,
    document: Document,
) -> Result<(u64, Changes), Fault> {
    caller.require(Scope::DirectoryWrite)?;
    let snapshot = reader.snapshot(caller.tenant());
    let document = if document.len() > INLINE_ENTITIES {
        let check = move || checked(&snapshot, document);
        lifecycle.run_cpu_bound(TurnKey::Tenant(caller.tenant()), check).await??
    } else {
        checked(&snapshot, document)?
    };
    commit(caller, submitter, clock, (document, None)).await
}

/// Commits a document and, in the same transaction, `then` after it. The caller's scope must have been checked.
pub(super) async fn upsert(
    caller: &Caller,
    (submitter, reader): (&Submitter, &Reader),
    clock: &Clock,
    (document, then): (Document, Option<EventBody>),
) -> Result<(u64, Changes), Fault> {
    let document = checked(&reader.snapshot(caller.tenant()), document)?;
    commit(caller, submitter, clock, (document, then)).await
}

/// Returns the document if the directory of the snapshot would accept it.
fn checked(snapshot: &Snapshot, document: Document) -> Result<Document, Fault> {
    let problems = document.check();
    if !problems.is_empty() {
        return Err(Fault::Refused(problems));
    }
    // Tried on a copy first, so that rejected documents do not fill the journal. The outcome of the event is what
    // counts: the directory may have changed by then.
    snapshot.try_document(&document).map_err(Fault::Refused)?;
    Ok(document)
}

/// Commits the document's event, with `then` after it. Returns the position and the document's changes.
async fn commit(
    caller: &Caller,
    submitter: &Submitter,
    clock: &Clock,
    (document, then): (Document, Option<EventBody>),
) -> Result<(u64, Changes), Fault> {
    let body = EventBody::DirectoryUpserted { document: Arc::new(document) };
    let event = |body| Event::internal("rollcall:directory", clock.new_id(), clock.now(), body);
    let events = std::iter::once(body).chain(then).map(event).collect();
    let receipt = submitter.commit(caller.tenant(), events).await?;
    match receipt.outcomes.into_iter().next() {
        Some(Outcome::Upserted(changes)) => Ok((receipt.position, changes)),
        Some(Outcome::Rejected(Rejection::Document(problems))) => Err(Fault::Refused(problems)),
        _ => Err(Fault::Internal),
    }
}
