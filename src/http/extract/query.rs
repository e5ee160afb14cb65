//! The query string as an argument of handlers. It is parsed once a request, although the caller's key may be in it.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::request::Parts;
use axum::response::IntoResponse;

use super::Params;
use super::params::unknown::{Elsewhere, KnownParameters, RouteParameters, reject_unknown};
use crate::domain::Fault;

/// The parameters of the query string. `E` is the dialect's error for a query that cannot be parsed. As a handler's
/// argument it follows the caller, so that no error precedes the authentication.
pub struct Query<E> {
    params: Arc<Params<'static>>,
    rejection: PhantomData<fn() -> E>,
}

impl<E> Deref for Query<E> {
    type Target = Params<'static>;

    fn deref(&self) -> &Params<'static> {
        &self.params
    }
}

impl<S, E> FromRequestParts<S> for Query<E>
where
    S: Sync,
    E: From<Fault> + IntoResponse,
{
    type Rejection = E;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, E> {
        Ok(Query { params: query(parts)?, rejection: PhantomData })
    }
}

/// Returns the parameters of the query string. They are parsed at the first call and kept among the request's
/// extensions. [`Fault::TooLarge`] past 1,000 of them.
pub fn query(parts: &mut Parts) -> Result<Arc<Params<'static>>, Fault> {
    if let Some(params) = parts.extensions.get::<Arc<Params<'static>>>() {
        return Ok(params.clone());
    }
    let params = Params::parse(parts.uri.query().unwrap_or_default().as_bytes())?;
    let params = Arc::new(params.into_owned());
    parts.extensions.insert(params.clone());
    Ok(params)
}

/// Rejects a parameter of the query string that looks like a filter, and that the route does not have. It follows the
/// authentication, as every other check of a request.
///
/// [`Fault::Invalid`] with its name, [`Fault::TooLarge`] past 1,000 parameters.
pub fn reject_unknown_parameters(parts: &mut Parts) -> Result<(), Fault> {
    if parts.uri.query().is_none_or(str::is_empty) {
        return Ok(());
    }
    let params = query(parts)?;
    let Some((routes, path)) = route(parts) else { return Ok(()) };
    reject_unknown_of(routes, (parts.method.as_str(), path), &params)
}

/// Works as [`reject_unknown_parameters`] for the query string of a route, given by its method and path.
pub fn reject_unknown_of(
    routes: &RouteParameters,
    (method, path): (&str, &str),
    params: &Params<'_>,
) -> Result<(), Fault> {
    reject_unknown(params.names(), &routes.known(method, path), || routes.elsewhere(path))
}

/// Returns the names that are read elsewhere than in the query of a request's route.
pub fn elsewhere(parts: &Parts) -> Elsewhere<'static> {
    route(parts).map(|(routes, path)| routes.elsewhere(path)).unwrap_or_default()
}

/// Returns the parameters of all routes, and the path of a request's route. Present on every request of the service; a
/// handler called by itself has no route.
fn route(parts: &Parts) -> Option<(&'static RouteParameters, &str)> {
    let KnownParameters(routes) = parts.extensions.get().copied()?;
    Some((routes(), parts.extensions.get::<MatchedPath>()?.as_str()))
}
