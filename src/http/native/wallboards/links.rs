//! `/v1/wallboards/{name}/links`: links by which a screen without a key shows a board
//! (docs/reference/native.md, "Links to wallboards").

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::{Uuid, uuid};

use super::{Authenticated, BoardPath, board_name};
use crate::auth::{GraphqlRead, WallboardsRead, WallboardsWrite};
use crate::command::wallboards::make_link::{self as command, DAYS, HOURS, Term, USUAL_DAYS};
use crate::command::wallboards::revoke_link::{LinkId, revoke_link};
use crate::domain::board::Names;
use crate::domain::directory::Problem;
use crate::domain::ids::parse_guid;
use crate::domain::{Fault, Time, json};
use crate::http::describe;
use crate::http::extract::{PathId, PathIds, freshness, reply};
use crate::http::fault::NativeFault;
use crate::http::native::{Document, EXAMPLE_KEY};
use crate::http::state::AppState;
use crate::query;
use crate::query::board::links::links;
use crate::store::LinkRecord;

/// The link of the description's examples.
const EXAMPLE_LINK: Uuid = uuid!("9f86d081-884c-8d65-9a2f-eaa0c55ad015");

/// A link to be made.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = NewWallboardLink)]
#[serde(default, deny_unknown_fields)]
pub struct NewLink {
    /// Days after which it expires; 30 if neither `days` nor `hours` is given.
    #[schema(minimum = 1, maximum = 365, nullable = false)]
    #[serde(deserialize_with = "json::given")]
    days: Option<u32>,
    /// In place of `days`: hours after which it expires, for a page on which a key was entered.
    #[schema(minimum = 1, maximum = 12, nullable = false)]
    #[serde(deserialize_with = "json::given")]
    hours: Option<u32>,
    /// The form of people's names: first names, full names, or none; `first` if absent.
    #[schema(value_type = Option<NamesName>, nullable = false)]
    #[serde(deserialize_with = "json::given")]
    names: Option<Names>,
    /// Whether it outlives the key that makes it; with `days` only.
    #[schema(nullable = false)]
    #[serde(deserialize_with = "json::given")]
    keep: Option<bool>,
}

/// The form of people's names.
#[derive(ToSchema)]
#[schema(as = WallboardNames, rename_all = "snake_case")]
#[expect(dead_code, reason = "only its shape is of interest")]
enum NamesName {
    First,
    Full,
    Hidden,
}

/// A new link. Its token is shown in this answer only.
#[derive(Serialize, ToSchema)]
#[schema(as = WallboardLinkMade)]
struct Made<'a> {
    id: Uuid,
    /// The token.
    link: &'a str,
    /// The path of the page that shows the board, with the token in its fragment, which browsers do not send.
    path: String,
    wallboard: &'a str,
    #[schema(value_type = NamesName)]
    names: Names,
    #[schema(value_type = String, format = DateTime)]
    expires: Time,
}

impl Made<'_> {
    fn example() -> Self {
        Made {
            id: EXAMPLE_LINK,
            link: "wl_…",
            path: String::from("/wallboard#wl_…"),
            wallboard: "default",
            names: Names::First,
            expires: describe::EXAMPLE_TIME.plus_seconds(30 * 24 * 60 * 60),
        }
    }
}

/// The links of a board, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = WallboardLinks)]
struct Links {
    links: Vec<Listed>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WallboardLink)]
struct Listed {
    id: Uuid,
    #[schema(value_type = NamesName)]
    names: Names,
    /// Whether it shows tiles that list people.
    people: bool,
    /// The key that it ends with; `null` if it outlives the one that made it.
    #[schema(required)]
    key: Option<Uuid>,
    #[schema(value_type = String, format = DateTime)]
    created: Time,
    #[schema(value_type = String, format = DateTime)]
    expires: Time,
    /// Time of the newest connection with it; `null` before the first.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    seen: Option<Time>,
}

impl From<LinkRecord> for Listed {
    fn from(link: LinkRecord) -> Self {
        let id = link.id();
        let LinkRecord { names, people, key, created, expires, seen, .. } = link;
        Listed { id, names, people, key, created, expires, seen }
    }
}

impl Links {
    fn example() -> Self {
        let listed = Listed {
            id: EXAMPLE_LINK,
            names: Names::First,
            people: true,
            key: Some(EXAMPLE_KEY),
            created: describe::EXAMPLE_TIME,
            expires: describe::EXAMPLE_TIME.plus_seconds(30 * 24 * 60 * 60),
            seen: None,
        };
        Links { links: vec![listed] }
    }
}

/// The number of links that were revoked.
#[derive(Serialize, ToSchema)]
#[schema(as = WallboardLinksEnded)]
struct Ended {
    ended: usize,
}

impl NewLink {
    /// Returns the term; [`Fault::Refused`] for members that do not fit.
    fn term(&self) -> Result<Term, Fault> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, pointer: &str, detail: String| {
            if !holds {
                problems.push(Problem { pointer: pointer.to_owned(), detail });
            }
        };
        let range =
            |range: &std::ops::RangeInclusive<u32>| format!("must be from {} to {}", range.start(), range.end());
        require(self.days.is_none_or(|days| DAYS.contains(&days)), "/days", range(&DAYS));
        require(self.hours.is_none_or(|hours| HOURS.contains(&hours)), "/hours", range(&HOURS));
        let is_one = self.days.is_none() || self.hours.is_none();
        require(is_one, "/hours", String::from("takes the place of days: remove one of them"));
        let is_kept = self.keep == Some(true) && self.hours.is_some();
        require(!is_kept, "/keep", String::from("is for links of days only"));
        if !problems.is_empty() {
            return Err(Fault::Refused(problems));
        }
        Ok(self.hours.map_or(Term::Days(self.days.unwrap_or(USUAL_DAYS)), Term::Hours))
    }
}

/// Makes a link by which a screen without a key shows the board.
///
/// The token is in this answer only. The link shows the board and can be used for nothing else; it ends when it expires,
/// is revoked, or with the key that made it unless it is to be kept. With `hours` the key needs nothing but what the board
/// shows, and tiles that it may not read are left out. At most 1,000 links. Scope: `graphql:read`; for links of days also
/// `wallboards:write`, and `users:read` if the board lists people.
#[utoipa::path(
    post,
    path = "/v1/wallboards/{name}/links",
    params(BoardPath),
    request_body(content = NewLink, example = json!({ "days": 30, "names": "first" })),
    responses((status = 201, description = "The new link; it is shown here only", body = Made, example = json!(Made::example())), NativeFault),
)]
pub async fn create_link(
    State(app): State<AppState>,
    caller: Authenticated<GraphqlRead>,
    PathId(name): PathId,
    Document(wanted): Document<NewLink>,
) -> Result<Response<Body>, NativeFault> {
    let board = board_name(&name)?;
    let (term, names) = (wanted.term()?, wanted.names.unwrap_or_default());
    let wanted = command::NewLink { board, term, names, keep: wanted.keep.unwrap_or_default() };
    let (link, secret) = command::make_link(&caller, app.store(), app.reader(), app.clock(), wanted).await?;
    let token = secret.reveal();
    let path = format!("{}/wallboard#{token}", app.edge().base_path);
    let made = Made { id: link.id(), link: token, path, wallboard: board, names, expires: link.expires };
    let position = app.reader().snapshot(caller.tenant())?.view.position();
    Ok(reply::at_position(reply::json(201, "application/json", &made), position))
}

/// Lists the valid links of a board, the newest first, without their tokens.
///
/// Scope: `wallboards:read`.
#[utoipa::path(
    get,
    path = "/v1/wallboards/{name}/links",
    params(BoardPath),
    responses((status = 200, description = "The links", body = Links, example = json!(Links::example())), NativeFault),
)]
pub async fn list_links(
    State(app): State<AppState>,
    caller: Authenticated<WallboardsRead>,
    PathId(name): PathId,
    headers: HeaderMap,
) -> Result<Response<Body>, NativeFault> {
    let snapshot = query::open(app.reader(), &caller, freshness::any_age(&headers)?).await?;
    let links = links(&caller, app.store(), app.credentials(), board_name(&name)?, app.clock().now()).await?;
    let answer = Links { links: links.into_iter().map(Listed::from).collect() };
    Ok(reply::from_snapshot(reply::json(200, "application/json", &answer), &snapshot))
}

/// Revokes a link.
///
/// Screens that show the board by it go dark within a second. A link that does not exist is none. Scope:
/// `wallboards:write`.
#[utoipa::path(
    delete,
    path = "/v1/wallboards/{name}/links/{link}",
    params(BoardPath, ("link" = Uuid, Path, description = "The link's id", example = "9f86d081-884c-8d65-9a2f-eaa0c55ad015")),
    responses((status = 200, description = "The number of links that were revoked", body = Ended, example = json!(Ended { ended: 1 })), NativeFault),
)]
pub async fn delete_link(
    State(app): State<AppState>,
    caller: Authenticated<WallboardsWrite>,
    PathIds([name, link]): PathIds<2>,
) -> Result<Response<Body>, NativeFault> {
    let board = board_name(&name)?;
    let id = parse_guid(&link).ok_or(Fault::NotFound("link"))?;
    let snapshot = app.reader().snapshot(caller.tenant())?;
    let link = LinkId { board, id };
    let is_revoked = revoke_link(&caller, app.store(), app.credentials(), app.clock(), link).await?;
    let answer = reply::json(200, "application/json", &Ended { ended: usize::from(is_revoked) });
    Ok(reply::from_snapshot(answer, &snapshot))
}
