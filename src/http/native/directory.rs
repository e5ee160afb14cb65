//! `PUT` and `GET /v1/directory`: reference data and users (EVENTS.md, "Directory").

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use serde::Serialize;

use super::{caller, document};
use crate::command::upsert_directory::upsert_directory;
use crate::domain::directory::{Changes, Document, MAX_ENTITIES};
use crate::domain::{Fault, Scope};
use crate::http::extract::body::Limit;
use crate::http::extract::{freshness, read_body, reply};
use crate::http::fault::NativeFault;
use crate::http::services::Services;
use crate::query::{self, directory::directory};

/// The limit on the body.
const LIMIT: Limit = Limit { bytes: 32 * 1024 * 1024, name: "32 MiB" };

#[derive(Serialize)]
struct Answer {
    position: u64,
    #[serde(flatten)]
    changes: Changes,
}

/// Makes or changes what the document names, as one unit.
pub async fn put_directory(State(services): State<Services>, request: Request) -> Result<Response<Body>, NativeFault> {
    let (parts, body) = request.into_parts();
    let caller = caller(&services, &parts.headers)?;
    caller.require(Scope::DirectoryWrite)?;
    let body = read_body(&parts.headers, body, LIMIT).await?;
    let document: Document = document(&parts.headers, &body)?;
    if document.len() > MAX_ENTITIES {
        return Err(NativeFault(Fault::TooLarge("50000 entities")));
    }
    let (position, changes) =
        upsert_directory(&caller, (services.submitter(), services.reader()), services.clock(), document).await?;
    let answer = Answer { position, changes };
    Ok(reply::at_position(reply::json(200, "application/json", &answer), position))
}

/// The directory as it is now; `PUT` of it changes nothing.
pub async fn get_directory(
    State(services): State<Services>,
    headers: HeaderMap,
) -> Result<Response<Body>, NativeFault> {
    let caller = caller(&services, &headers)?;
    let freshness = freshness::any_age(&headers)?;
    let snapshot = query::open(services.reader(), &caller, Scope::DirectoryRead, freshness).await?;
    let answer = reply::json(200, "application/json", &directory(&snapshot.view));
    Ok(reply::from_snapshot(answer, &snapshot))
}
