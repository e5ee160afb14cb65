//! Callers as arguments of handlers: authenticated and authorized before the handler runs.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::response::IntoResponse;

use super::credential;
use super::query::reject_unknown_parameters;
use crate::auth::{Admin, Authorized, Privilege, Scraper};
use crate::domain::Fault;
use crate::http::fault::NativeFault;
use crate::http::request_context::RequestContext;
use crate::http::state::AppState;

/// The place of a credential in the requests of a dialect, and the shape of the dialect's errors.
pub trait Credential: Send + Sync + 'static {
    /// An error in the dialect's shape.
    type Rejection: From<Fault> + IntoResponse;

    /// Returns the key or token that the request carries outside of its body.
    fn read(parts: &mut Parts) -> Result<Option<Cow<'_, str>>, Fault>;
}

/// A caller with the scope of `P`, by a credential that is carried as `C` says.
pub struct Authenticated<C, P> {
    caller: Authorized<P>,
    carried: PhantomData<fn() -> C>,
}

impl<C, P> Deref for Authenticated<C, P> {
    type Target = Authorized<P>;

    fn deref(&self) -> &Authorized<P> {
        &self.caller
    }
}

impl<S, C, P> FromRequestParts<S> for Authenticated<C, P>
where
    S: Send + Sync,
    AppState: FromRef<S>,
    C: Credential,
    P: Privilege,
{
    type Rejection = C::Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, C::Rejection> {
        let context = RequestContext::of(&parts.extensions);
        let credential = C::read(parts)?;
        let caller = AppState::from_ref(state).caller(&context, credential.as_deref()).await?.authorize()?;
        reject_unknown_parameters(parts)?;
        Ok(Authenticated { caller, carried: PhantomData })
    }
}

/// The administrator, authenticated by `Authorization: Bearer`.
impl<S> FromRequestParts<S> for Admin
where
    S: Send + Sync,
    AppState: FromRef<S>,
{
    type Rejection = NativeFault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, NativeFault> {
        let context = RequestContext::of(&parts.extensions);
        let admin = AppState::from_ref(state).admin(&context, credential::bearer(&parts.headers))?;
        reject_unknown_parameters(parts)?;
        Ok(admin)
    }
}

/// A reader of the metrics, authenticated by `Authorization: Bearer`.
impl<S> FromRequestParts<S> for Scraper
where
    S: Send + Sync,
    AppState: FromRef<S>,
{
    type Rejection = NativeFault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, NativeFault> {
        let context = RequestContext::of(&parts.extensions);
        let scraper = AppState::from_ref(state).scraper(&context, credential::bearer(&parts.headers))?;
        reject_unknown_parameters(parts)?;
        Ok(scraper)
    }
}
