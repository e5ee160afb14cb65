//! `PUT` and `GET /v1/directory`: reference data and users (docs/reference/native.md, "Directory").

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use serde::Serialize;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{Authenticated, document};
use crate::auth::{DirectoryRead, DirectoryWrite};
use crate::command::upsert_directory::upsert_directory;
use crate::domain::Fault;
use crate::domain::channel::ReferenceChannel;
use crate::domain::directory::{Changes, Document, Kind, MAX_ENTITIES};
use crate::domain::settings::capacity::SIZES;
use crate::http::describe;
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

/// OpenAPI schema of the document; docs/reference/native.md lists the members of each entity.
struct DirectoryForm;

impl PartialSchema for DirectoryForm {
    fn schema() -> RefOr<Schema> {
        let members = Kind::ALL.into_iter().map(Kind::member).chain(["users"]);
        let object = ObjectBuilder::new().property("settings", settings());
        members.fold(object, |o, name| o.property(name, describe::list(ObjectBuilder::new()))).into()
    }
}

/// Describes the settings of the document.
fn settings() -> ObjectBuilder {
    let channels = ReferenceChannel::ALL.map(ReferenceChannel::name);
    let channel = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
    let channel = channel.enum_values(Some(channels.map(Some).into_iter().chain([None])));
    let channel = channel.description(Some(
        "The channel on which Convoso counts available agents; call unless it is set. With any, one channel is enough",
    ));
    let size = |of: &str| {
        let size = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Integer, Type::Null]));
        let size = size.minimum(Some(*SIZES.start())).maximum(Some(*SIZES.end()));
        size.description(Some(format!("The size of {of}, in percent")))
    };
    let sizes = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Object, Type::Null]));
    let sizes = sizes.property("live", size("a call or video call")).property("semi_live", size("a chat"));
    let sizes = sizes.property("non_live", size("a conversation on a third-party channel"));
    let sizes = sizes.description(Some(
        "Sizes of interactions in Vonage's capacity, for users without sizes of their own. One that is not set follows \
         from the user's channels",
    ));
    ObjectBuilder::new().property("reference_channel", channel).property("capacity", sizes)
}

impl ToSchema for DirectoryForm {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Directory")
    }
}

/// Creates and updates the entities of the document, all of them or none.
///
/// Entities and members that the document omits stay as they are.
#[utoipa::path(
    put,
    path = "/v1/directory",
    request_body(content = DirectoryForm),
    responses(
        (status = 200, description = "The numbers of created, updated and unchanged entities", body = Answer),
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
#[utoipa::path(
    get,
    path = "/v1/directory",
    responses(
        (status = 200, description = "The directory, in the form that PUT accepts", body = DirectoryForm),
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
