//! `GET /v1/breakdown`: users by reason and their slots, as flat rows in JSON or CSV
//! (docs/reference/native.md, "Breakdown").

pub mod answer;
mod csv;
pub mod parameters;
mod row;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_DISPOSITION;
use axum::http::{HeaderMap, HeaderValue, Response};

use self::answer::Answer;
use self::csv::Csv;
use self::parameters::{Asked, BreakdownParameters, Format};
use self::row::FlatRow;
use super::Authenticated;
use crate::auth::GraphqlRead;
use crate::http::extract::long_answer::{Lists, json_in_slices};
use crate::http::extract::{Query, freshness, reply};
use crate::http::fault::NativeFault;
use crate::http::state::AppState;
use crate::limits::TurnKey;
use crate::query;
use crate::query::breakdown::breakdown;

/// The media type of CSV with a line of names (RFC 4180).
const CSV: &str = "text/csv; charset=utf-8; header=present";
/// Makes a browser save the answer rather than show it.
const ATTACHMENT: &str = "attachment; filename=\"breakdown.csv\"";

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
    let Asked { question, users, format } = parameters.resolve(&snapshot)?;
    let (key, keys) = (TurnKey::Tenant(caller.tenant()), question.keys().to_vec());
    let is_long = snapshot.view.directory().users().len() > query::INLINE_ROWS || !keys.is_empty();
    let view = snapshot.view.clone();
    let found = app.read(key, is_long, move || breakdown(&view, &question)).await?;
    let is_long = found.rows.len() > query::INLINE_ROWS;
    let (head, rows) = Answer::of(&snapshot, app.clock().now(), &users, found);
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
            let begin = move || Lists::within(&head, "rows", rows);
            json_in_slices(&app, key, is_long, "application/json", begin).await?
        }
    };
    Ok(reply::from_snapshot(answer, &snapshot))
}
