//! Creates or changes reference data and users by a directory document, as one event.

use std::sync::Arc;

use super::Context;
use crate::auth::DirectoryWrite;
use crate::domain::directory::{Changes, Document};
use crate::domain::event::Rejection;
use crate::domain::{EventBody, Fault, Outcome, RoleGrant};
use crate::engine::Snapshot;
use crate::lifecycle::Lifecycle;
use crate::limits::TurnKey;

/// The most entities of a document that is checked on the threads that answer requests. Larger ones take milliseconds.
const INLINE_ENTITIES: usize = 100;

/// Commits a document. Returns the position at which it is visible, and its changes.
///
/// [`Fault::Refused`] with the document's problems.
pub async fn upsert_directory(
    context: Context<'_, DirectoryWrite>,
    lifecycle: &Lifecycle,
    document: Document,
) -> Result<(u64, Changes), Fault> {
    let document = Arc::new(document);
    if document.len() <= INLINE_ENTITIES {
        return upsert(&context, document, None).await;
    }
    let position = context.snapshot()?.view.position();
    match check_long(&context, lifecycle, &document).await {
        // As in `Context::decide`, which cannot wait for a turn.
        Err(Fault::Refused(_)) if context.reader.catch_up(context.tenant(), position).await? => {
            check_long(&context, lifecycle, &document).await?;
        }
        checked => checked?,
    }
    commit(&context, document, None).await
}

/// Checks a long document outside of the threads that answer requests, in the tenant's turn.
async fn check_long(
    context: &Context<'_, DirectoryWrite>,
    lifecycle: &Lifecycle,
    document: &Arc<Document>,
) -> Result<(), Fault> {
    let (snapshot, document, roles) = (context.snapshot()?, document.clone(), context.caller.role_grant());
    let checking = move || check(&snapshot, &document, roles);
    lifecycle.run_cpu_bound(TurnKey::Tenant(context.tenant()), checking).await?
}

/// Commits a document and, in the same transaction, `then` after it, for a command with a scope of its own that suffices.
pub(super) async fn upsert<P>(
    context: &Context<'_, P>,
    document: Arc<Document>,
    then: Option<EventBody>,
) -> Result<(u64, Changes), Fault> {
    let roles = context.caller.role_grant();
    context.decide(|snapshot| check(snapshot, &document, roles)).await?;
    commit(context, document, then).await
}

/// Returns [`Fault::Refused`] unless the directory of the snapshot would accept the document from a caller who may give these
/// roles.
fn check(snapshot: &Snapshot, document: &Document, roles: RoleGrant) -> Result<(), Fault> {
    let problems = document.check();
    if !problems.is_empty() {
        return Err(Fault::Refused(problems));
    }
    // Tried on a copy first, so that rejected documents do not fill the journal. The outcome of the event is what
    // counts: the directory may have changed by then.
    snapshot.try_document(document, roles).map_err(Fault::Refused)
}

/// Commits the document's event, with `then` after it. Returns the position and the document's changes.
async fn commit<P>(
    context: &Context<'_, P>,
    document: Arc<Document>,
    then: Option<EventBody>,
) -> Result<(u64, Changes), Fault> {
    let body = EventBody::DirectoryUpserted { document, roles: context.caller.role_grant() };
    let event = |body| context.event("rollcall:directory", body);
    let events = std::iter::once(body).chain(then).map(event).collect();
    let receipt = context.commit(events).await?;
    match receipt.outcomes.into_iter().next() {
        Some(Outcome::Upserted(changes)) => Ok((receipt.position, changes)),
        Some(Outcome::Rejected(Rejection::Document(problems))) => Err(Fault::Refused(problems)),
        _ => Err(Fault::Internal),
    }
}
