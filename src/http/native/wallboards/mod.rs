//! `/v1/wallboards`: wallboards as documents, and their links (docs/reference/native.md, "Wallboards").

mod form;
pub mod links;
mod shape;
mod version;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use self::form::{BoardForm, example};
use self::shape::with_all_problems;
use self::version::{expected, with_version};
use super::{Authenticated, document};
use crate::auth::{WallboardsRead, WallboardsWrite};
use crate::command::wallboards::delete::delete_board;
use crate::command::wallboards::put::{NewBoard, put_board};
use crate::domain::board::{Board, DEFAULT, is_board_name};
use crate::domain::{Fault, Time};
use crate::http::describe;
use crate::http::extract::body::Limit;
use crate::http::extract::{PathId, freshness, read_body, reply};
use crate::http::fault::{NativeFault, VersionFault};
use crate::http::state::AppState;
use crate::query;

/// The size limit of a board.
const LIMIT: Limit = Limit { bytes: 64 * 1024, name: "64 KiB" };

/// The path of a board's routes, for the OpenAPI description.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only its shape is of interest: the path is parsed by hand")]
struct BoardPath {
    /// The board's name: 1 to 64 of a to z, 0 to 9 and -.
    #[param(example = "default")]
    name: String,
}

/// A board that was put.
#[derive(Serialize, ToSchema)]
#[schema(as = WallboardTaken)]
struct Taken {
    /// Position from which on the board is as it was sent.
    position: u64,
    /// The board's version, which `ETag` has as well.
    version: u64,
}

/// A board that was deleted.
#[derive(Serialize, ToSchema)]
#[schema(as = WallboardDeleted)]
struct Deleted {
    /// Position from which on it is gone.
    position: u64,
}

/// The boards of a tenant.
#[derive(Serialize, ToSchema)]
#[schema(as = Wallboards)]
struct Boards {
    /// The boards, by name.
    wallboards: Vec<Listed>,
}

/// A board without its pages.
#[derive(Serialize, ToSchema)]
#[schema(as = WallboardListed)]
struct Listed {
    name: String,
    title: String,
    /// The position at which it was put; 0 for the built-in board.
    version: u64,
    /// Time at which it was put; `null` for the built-in board.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    put: Option<Time>,
    /// The number of its pages.
    pages: usize,
}

impl Listed {
    fn new(name: &str, board: &Board, version: u64, put: Option<Time>) -> Self {
        let title = board.title.clone().unwrap_or_else(|| name.to_owned());
        Listed { name: name.to_owned(), title, version, put, pages: board.pages.len() }
    }
}

impl Boards {
    fn example() -> Self {
        let title = String::from("Service floor");
        let put = Some(describe::EXAMPLE_TIME);
        Boards { wallboards: vec![Listed { name: String::from("floor"), title, version: 42, put, pages: 2 }] }
    }
}

/// Checks the name in a path: another text is the name of no board.
fn board_name(name: &str) -> Result<&str, Fault> {
    if is_board_name(name) { Ok(name) } else { Err(Fault::NotFound("wallboard")) }
}

/// Creates or replaces a wallboard.
///
/// The document is the whole board: pages of tiles, with what each shows. All walls that show it change at once. It may
/// show what the key may read: `graphql:read`, and `users:read` for tiles of type `people`. With `If-Match` it is put only
/// if the board has that version. At most 50 boards and 64 KiB. Scope: `wallboards:write`.
#[utoipa::path(
    put,
    path = "/v1/wallboards/{name}",
    params(BoardPath, ("If-Match" = Option<String>, Header, example = "*", description = "The version that is replaced, as `ETag` had it; `*` for any, but one")),
    request_body(content = BoardForm, example = example),
    responses(
        (status = 200, description = "The board's version", body = Taken, example = json!(Taken { position: 42, version: 42 })),
        NativeFault,
        VersionFault,
    ),
)]
pub async fn put_wallboard(
    State(app): State<AppState>,
    caller: Authenticated<WallboardsWrite>,
    PathId(name): PathId,
    request: Request,
) -> Result<Response<Body>, NativeFault> {
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, LIMIT).await?;
    let name = board_name(&name)?;
    let board: Board = document(&parts.headers, &body).map_err(|fault| with_all_problems(fault, &body))?;
    let wanted = NewBoard { name, board, expected: expected(&parts.headers)? };
    let version = put_board(app.command(&caller), wanted).await?;
    let answer = reply::json(200, "application/json", &Taken { position: version, version });
    Ok(with_version(reply::at_position(answer, version), version))
}

/// Returns a wallboard as it was put, in the form that `PUT` accepts.
///
/// The board `default` always exists: until one of that name is put it is the built-in one, with the version 0. Scope:
/// `wallboards:read`.
#[utoipa::path(
    get,
    path = "/v1/wallboards/{name}",
    params(BoardPath),
    responses((status = 200, description = "The board", body = BoardForm, example = json!(example())), NativeFault),
)]
pub async fn get_wallboard(
    State(app): State<AppState>,
    caller: Authenticated<WallboardsRead>,
    PathId(name): PathId,
    headers: HeaderMap,
) -> Result<Response<Body>, NativeFault> {
    let freshness = freshness::any_age(&headers)?;
    let snapshot = query::open(app.reader(), &caller, freshness).await?;
    let (board, version) = snapshot.view.boards().get(board_name(&name)?).ok_or(Fault::NotFound("wallboard"))?;
    let answer = reply::json(200, "application/json", &Arc::as_ref(board));
    Ok(with_version(reply::from_snapshot(answer, &snapshot), version))
}

/// Deletes a wallboard.
///
/// Its walls show nothing from then on. A board `default` that was put gives way to the built-in one. With `If-Match` it
/// is deleted only if it has that version. Scope: `wallboards:write`.
#[utoipa::path(
    delete,
    path = "/v1/wallboards/{name}",
    params(BoardPath, ("If-Match" = Option<String>, Header, example = "*", description = "The version that is deleted, as `ETag` had it; `*` for any")),
    responses(
        (status = 200, description = "Deleted", body = Deleted, example = json!(Deleted { position: 43 })),
        NativeFault,
        VersionFault,
    ),
)]
pub async fn delete_wallboard(
    State(app): State<AppState>,
    caller: Authenticated<WallboardsWrite>,
    PathId(name): PathId,
    headers: HeaderMap,
) -> Result<Response<Body>, NativeFault> {
    let position = delete_board(app.command(&caller), board_name(&name)?, expected(&headers)?).await?;
    Ok(reply::at_position(reply::json(200, "application/json", &Deleted { position }), position))
}

/// Lists the wallboards, by name.
///
/// The built-in board `default` is among them, unless one of that name was put. Scope: `wallboards:read`.
#[utoipa::path(
    get,
    path = "/v1/wallboards",
    responses((status = 200, description = "All boards, without their pages", body = Boards, example = json!(Boards::example())), NativeFault),
)]
pub async fn list_wallboards(
    State(app): State<AppState>,
    caller: Authenticated<WallboardsRead>,
    headers: HeaderMap,
) -> Result<Response<Body>, NativeFault> {
    let freshness = freshness::any_age(&headers)?;
    let snapshot = query::open(app.reader(), &caller, freshness).await?;
    let boards = snapshot.view.boards();
    let put = boards.iter().map(|(name, known)| Listed::new(name, &known.board, known.version, Some(known.put)));
    let mut wallboards: Vec<Listed> = put.collect();
    if let Some((board, 0)) = boards.get(DEFAULT) {
        wallboards.push(Listed::new(DEFAULT, board, 0, None));
        wallboards.sort_by(|a, b| a.name.cmp(&b.name));
    }
    Ok(reply::from_snapshot(reply::json(200, "application/json", &Boards { wallboards }), &snapshot))
}
