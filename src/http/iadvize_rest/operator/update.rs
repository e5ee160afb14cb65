//! `PUT /operator/{id}`: change the fields that are named, and no others.

use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::Response;

use super::row::Row;
use super::{patch, reference, refused};
use crate::command::update_operator::update_operator;
use crate::domain::Scope;
use crate::http::extract::{Params, reply};
use crate::http::iadvize_rest::fields::Fields;
use crate::http::iadvize_rest::{RestFault, caller, data};
use crate::http::services::Services;

/// Changes an operator and shows it.
pub async fn update(
    State(services): State<Services>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response<Body>, RestFault> {
    let (parts, body) = request.into_parts();
    let query = query.unwrap_or_default();
    let caller = caller(&services, &parts.headers, &Params::parse(query.as_bytes())?)?;
    caller.require(Scope::OperatorsWrite)?;
    let user = patch::read(&Fields::read(&parts.headers, body).await?)?;
    let engine = (services.submitter(), services.reader());
    let changed = update_operator(&caller, engine, services.clock(), (reference(&id)?, user)).await;
    let (position, profile) = changed.map_err(|fault| refused(fault, &id))?;
    Ok(reply::at_position(data(Row::from(&*profile)), position))
}
