//! `GET /v1/breakdown`: users by reason and their slots, as flat rows in JSON or CSV
//! (docs/reference/native.md, "Breakdown").

mod csv;
mod parameters;
mod row;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_DISPOSITION;
use axum::http::{HeaderMap, HeaderValue, Response};
use serde::Serialize;
use utoipa::ToSchema;

use self::csv::Csv;
use self::parameters::{Asked, BreakdownParameters, Format};
use self::row::{Counts, DescribedRow, FlatRow};
use super::Authenticated;
use crate::auth::GraphqlRead;
use crate::domain::filter::Dimension;
use crate::domain::{EntityRef, Time};
use crate::http::describe;
use crate::http::extract::long_answer::{Lists, json_in_slices};
use crate::http::extract::{Query, freshness, reply};
use crate::http::fault::NativeFault;
use crate::http::state::AppState;
use crate::limits::TurnKey;
use crate::query;
use crate::query::breakdown::{Breakdown, Key, breakdown};

/// The media type of CSV with a line of names (RFC 4180).
const CSV: &str = "text/csv; charset=utf-8; header=present";
/// Makes a browser save the answer rather than show it.
const ATTACHMENT: &str = "attachment; filename=\"breakdown.csv\"";

/// Users by reason and their slots.
#[derive(Serialize, ToSchema)]
#[schema(as = Breakdown)]
struct Answer {
    /// Position of the newest journal entry that is counted.
    position: u64,
    /// Time of the answer.
    #[schema(value_type = String, format = DateTime)]
    time: Time,
    /// Milliseconds since the store last confirmed that nothing newer was recorded elsewhere.
    staleness_ms: u64,
    /// All selected users, each counted once.
    total: Counts,
    /// The number of rows, with those that are not returned.
    row_count: u64,
    /// True if there are more rows than are returned.
    truncated: bool,
    /// The people of all rows, per channel, less those of the total.
    overlap: u64,
    /// The users of the parameter `user` who were deleted, as they were given; they match no user.
    #[schema(value_type = Vec<Value>)]
    unknown_ids: Vec<EntityRef>,
    /// The rows, ascending by the first key, then by the others. Each has two members for every key but `channel` and
    /// `presence`, which have one; they are `null` for users without a value.
    #[schema(value_type = Vec<DescribedRow>)]
    rows: Vec<FlatRow>,
}

impl Answer {
    fn example() -> Self {
        Answer {
            position: 19,
            time: describe::EXAMPLE_TIME,
            staleness_ms: 40,
            total: Counts::example(),
            row_count: 1,
            truncated: false,
            overlap: 0,
            unknown_ids: Vec::new(),
            rows: vec![FlatRow::example(&[Key::Channel, Key::Of(Dimension::Skill)])],
        }
    }
}

/// Counts users by reason, in all and by up to three keys.
///
/// Each user has one reason on every channel, and over several channels the best of them: why they can or cannot take a
/// conversation now. `people` is the sum of the reasons. Users must match all filters, and of one filter any value. An
/// unknown key, name or id is 422. Scope: `graphql:read`.
#[utoipa::path(
    get,
    path = "/v1/breakdown",
    params(BreakdownParameters),
    responses(
        (
            status = 200,
            description = "The counts",
            content((Answer = "application/json", example = json!(Answer::example())), (String = "text/csv; charset=utf-8; header=present", example = json!(csv::example()))),
        ),
        NativeFault,
    ),
)]
pub async fn get_breakdown(
    State(app): State<AppState>,
    caller: Authenticated<GraphqlRead>,
    params: Query<NativeFault>,
    headers: HeaderMap,
) -> Result<Response<Body>, NativeFault> {
    let parameters = parameters::read(&params)?;
    let snapshot = query::open(app.reader(), &caller, freshness::any_age(&headers)?).await?;
    let Asked { question, unknown_ids, format } = parameters.resolve(&snapshot)?;
    let (key, keys) = (TurnKey::Tenant(caller.tenant()), question.keys().to_vec());
    let is_long = snapshot.view.directory().users().len() > query::INLINE_ROWS || !keys.is_empty();
    let view = snapshot.view.clone();
    let found = app.read(key, is_long, move || breakdown(&view, &question)).await?;
    let is_long = found.rows.len() > query::INLINE_ROWS;
    let (row_count, truncated, overlap) = (found.row_count, found.is_truncated(), found.overlap);
    let Breakdown { total, rows, .. } = found;
    let rows = rows.into_iter().map({
        let keys = keys.clone();
        move |row| FlatRow::new(&keys, row)
    });
    let answer = match format {
        Format::Csv => {
            let mut answer = json_in_slices(&app, key, is_long, CSV, move || Csv::new(&keys, rows)).await?;
            answer.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static(ATTACHMENT));
            answer
        }
        Format::Json => {
            let head = Answer {
                position: snapshot.view.position(),
                time: snapshot.time(app.clock().now()),
                staleness_ms: snapshot.staleness_ms,
                total: Counts::of(&total),
                row_count,
                truncated,
                overlap,
                unknown_ids,
                rows: Vec::new(),
            };
            let begin = move || Lists::within(&head, "rows", rows);
            json_in_slices(&app, key, is_long, "application/json", begin).await?
        }
    };
    Ok(reply::from_snapshot(answer, &snapshot))
}
