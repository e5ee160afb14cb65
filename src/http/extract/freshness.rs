//! The freshness that a read requires of the state (docs/reference/native.md, "Positions and reads").

use axum::http::HeaderMap;

use crate::domain::Fault;
use crate::http::AppState;
use crate::query::Freshness;

/// Request header with the position that the state must have reached.
pub const MIN_POSITION: &str = "Rollcall-Min-Position";

/// Returns the freshness for dashboards: a state of any age will do, and the response says how old it is.
///
/// [`Fault::Invalid`] unless [`MIN_POSITION`] is absent or one whole number.
pub fn any_age(headers: &HeaderMap) -> Result<Freshness, Fault> {
    let mut positions = headers.get_all(MIN_POSITION).iter();
    let Some(value) = positions.next() else { return Ok(Freshness::default()) };
    let position = value.to_str().ok().and_then(|text| text.parse().ok());
    match (position, positions.next()) {
        (Some(position), None) => Ok(Freshness { min_position: Some(position), max_staleness_ms: None }),
        _ => Err(Fault::invalid(MIN_POSITION, "must be one whole number")),
    }
}

/// Returns the freshness for routing decisions, where a wrong number is worse than none: a stale state is refused.
pub fn current(headers: &HeaderMap, app: &AppState) -> Result<Freshness, Fault> {
    Ok(Freshness { max_staleness_ms: Some(app.edge().max_staleness_ms), ..any_age(headers)? })
}
