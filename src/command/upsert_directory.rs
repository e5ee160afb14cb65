//! Makes or changes reference data and users, as one event.

use std::sync::Arc;

use crate::auth::Caller;
use crate::clock::Clock;
use crate::domain::directory::{Changes, Document};
use crate::domain::event::Rejection;
use crate::domain::{Body, Event, Fault, Outcome, Scope};
use crate::engine::{Reader, Snapshot, Submitter};
use crate::lifecycle::Lifecycle;
use crate::limits::TurnKey;

/// Entities of a document that is checked where every request is answered. More of them take milliseconds.
const SHORT: usize = 100;

/// Commits a document. Returns its effect and the position at which it is visible.
pub async fn upsert_directory(
    caller: &Caller,
    (submitter, reader): (&Submitter, &Reader),
    clock: &Clock,
    lifecycle: &Lifecycle,
    document: Document,
) -> Result<(u64, Changes), Fault> {
    caller.require(Scope::DirectoryWrite)?;
    let snapshot = reader.snapshot(caller.tenant());
    let document = if document.len() > SHORT {
        let check = move || checked(&snapshot, document);
        lifecycle.run_cpu_bound(TurnKey::Tenant(caller.tenant()), check).await??
    } else {
        checked(&snapshot, document)?
    };
    commit(caller, submitter, clock, (document, None)).await
}

/// Commits a document for a caller whose right to do so was checked before, and `then` right after it in the same
/// transaction.
pub(super) async fn upsert(
    caller: &Caller,
    (submitter, reader): (&Submitter, &Reader),
    clock: &Clock,
    (document, then): (Document, Option<Body>),
) -> Result<(u64, Changes), Fault> {
    let document = checked(&reader.snapshot(caller.tenant()), document)?;
    commit(caller, submitter, clock, (document, then)).await
}

/// Returns the document if the directory of the snapshot would take it.
fn checked(snapshot: &Snapshot, document: Document) -> Result<Document, Fault> {
    let problems = document.check();
    if !problems.is_empty() {
        return Err(Fault::Refused(problems));
    }
    // Tried on a copy first, so that a document that would be refused does not fill the journal. What counts is the
    // outcome of its event: the directory may have changed since.
    snapshot.try_document(&document).map_err(Fault::Refused)?;
    Ok(document)
}

async fn commit(
    caller: &Caller,
    submitter: &Submitter,
    clock: &Clock,
    (document, then): (Document, Option<Body>),
) -> Result<(u64, Changes), Fault> {
    let body = Body::DirectoryUpserted { document: Arc::new(document) };
    let event = |body| Event::internal("rollcall:directory", clock.new_id(), clock.now(), body);
    let events = std::iter::once(body).chain(then).map(event).collect();
    let receipt = submitter.commit(caller.tenant(), events).await?;
    match receipt.outcomes.into_iter().next() {
        Some(Outcome::Upserted(changes)) => Ok((receipt.position, changes)),
        Some(Outcome::Rejected(Rejection::Document(problems))) => Err(Fault::Refused(problems)),
        _ => Err(Fault::Internal),
    }
}
