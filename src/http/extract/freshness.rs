//! What a read asks of the state it is answered from (EVENTS.md, "Positions and reads").

use axum::http::HeaderMap;

use crate::domain::Fault;
use crate::http::Services;
use crate::query::Freshness;

/// The request header that names a position to wait for.
pub const MIN_POSITION: &str = "Rollcall-Min-Position";

/// For dashboards: however old the state is, with its age.
pub fn any_age(headers: &HeaderMap) -> Result<Freshness, Fault> {
    let mut positions = headers.get_all(MIN_POSITION).iter();
    let Some(value) = positions.next() else { return Ok(Freshness::default()) };
    let position = value.to_str().ok().and_then(|text| text.parse().ok());
    match (position, positions.next()) {
        (Some(position), None) => Ok(Freshness { min_position: Some(position), max_staleness_ms: None }),
        _ => Err(Fault::invalid(MIN_POSITION, "must be one whole number")),
    }
}

/// For routers, to whom a wrong number is worse than none.
pub fn current(headers: &HeaderMap, services: &Services) -> Result<Freshness, Fault> {
    Ok(Freshness { max_staleness_ms: Some(services.edge().max_staleness_ms), ..any_age(headers)? })
}
