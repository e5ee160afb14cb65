//! `PUT` and `GET /v1/directory`: reference data and users (docs/reference/native.md, "Directory").

mod form;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use serde::Serialize;
use utoipa::ToSchema;

use self::form::{DirectoryForm, example};
use super::{Authenticated, document};
use crate::auth::{DirectoryRead, DirectoryWrite};
use crate::command::upsert_directory::upsert_directory;
use crate::domain::Fault;
use crate::domain::directory::{Changes, Document, MAX_ENTITIES};
use crate::http::extract::body::{Limit, is_long};
use crate::http::extract::long_answer::{Lists, json_in_slices};
use crate::http::extract::{freshness, read_body, reply};
use crate::http::fault::NativeFault;
use crate::http::state::AppState;
use crate::limits::TurnKey;
use crate::query;
use crate::query::directory::{directory, directory_head, directory_size};

/// The size limit of a document.
const LIMIT: Limit = Limit { bytes: 32 * 1024 * 1024, name: "32 MiB" };

#[derive(Serialize, ToSchema)]
#[schema(as = DirectoryTaken)]
struct Answer {
    position: u64,
    created: u32,
    updated: u32,
    unchanged: u32,
}

/// Creates and updates the entities of the document, all of them or none.
///
/// Entities and members that the document omits stay as they are, `null` clears a member, and an empty list clears a list.
/// Entities are matched by `id`, then by `guid`; a new one without them is given both. At most 32 MiB and 50,000
/// entities. Scope: `directory:write`; for other roles of an account with a password also `operators:passwords`.
#[utoipa::path(
    put,
    path = "/v1/directory",
    request_body(content = DirectoryForm, example = example),
    responses(
        (status = 200, description = "The numbers of created, updated and unchanged entities", body = Answer, example = json!(Answer { position: 19, created: 1, updated: 1, unchanged: 1 })),
        NativeFault,
    ),
)]
pub async fn put_directory(
    State(app): State<AppState>,
    caller: Authenticated<DirectoryWrite>,
    request: Request,
) -> Result<Response<Body>, NativeFault> {
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, LIMIT).await?;
    let is_long = is_long(&body);
    let document: Document =
        app.read(TurnKey::Tenant(caller.tenant()), is_long, move || document(&parts.headers, &body)).await?;
    if document.len() > MAX_ENTITIES {
        return Err(NativeFault(Fault::TooLarge("50000 entities")));
    }
    let (position, changes) = upsert_directory(app.command(&caller), app.lifecycle(), document).await?;
    let Changes { created, updated, unchanged } = changes;
    let answer = Answer { position, created, updated, unchanged };
    Ok(reply::at_position(reply::json(200, "application/json", &answer), position))
}

/// Returns the directory as it is now, in the form that `PUT` accepts: sending it back changes nothing.
///
/// Every entity has its `id` and `guid`. Deleted users are not in it. Scope: `directory:read`.
#[utoipa::path(
    get,
    path = "/v1/directory",
    responses(
        (status = 200, description = "The directory, in the form that PUT accepts", body = DirectoryForm, example = json!(example())),
        NativeFault,
    ),
)]
pub async fn get_directory(
    State(app): State<AppState>,
    caller: Authenticated<DirectoryRead>,
    headers: HeaderMap,
) -> Result<Response<Body>, NativeFault> {
    let freshness = freshness::any_age(&headers)?;
    let snapshot = query::open(app.reader(), &caller, freshness).await?;
    let is_long = directory_size(&snapshot.view) > query::INLINE_ROWS;
    let view = snapshot.view.clone();
    let begin = move || Lists::object(&directory_head(&view), directory(&view));
    let answer = json_in_slices(&app, TurnKey::Tenant(caller.tenant()), is_long, "application/json", begin).await?;
    Ok(reply::from_snapshot(answer, &snapshot))
}
