//! The edge: every route on one screen. The only place that knows HTTP; each dialect is a folder that knows no other.

pub mod convoso;
mod drain;
pub mod extract;
pub mod fault;
pub mod graphql;
pub mod health;
pub mod iadvize_rest;
pub mod layers;
pub mod listener;
pub mod native;
pub mod services;
pub mod vonage;

use axum::Router;
use axum::routing::{delete, get, post, put};

pub use services::{Edge, Services};

/// Every route of the service. A method that a route does not take is answered in the route's own dialect.
pub fn router(services: Services) -> Router {
    let operator_live = get(iadvize_rest::get_live::get_live).put(iadvize_rest::set_live::set_live);
    let operators_live = get(iadvize_rest::list_live::list_live);
    let agents_ready = get(vonage::count_agents::count_agents);
    let mut router = Router::new()
        // Our own.
        .route("/v1/events", post(native::events::post_events).fallback(native::wrong_method))
        .route(
            "/v1/directory",
            put(native::directory::put_directory).get(native::directory::get_directory).fallback(native::wrong_method),
        )
        .route("/v1/tenants", post(native::tenants::create_tenant).fallback(native::wrong_method))
        .route(
            "/v1/tenants/{tenant}/keys",
            post(native::keys::create_key).get(native::keys::list_keys).fallback(native::wrong_method),
        )
        .route("/v1/tenants/{tenant}/keys/{key}", delete(native::keys::revoke_key).fallback(native::wrong_method))
        // iAdvize's GraphQL, and a page to try it on.
        .route("/graphql", post(graphql::endpoint::graphql).fallback(graphql::endpoint::wrong_method))
        .route("/graphiql", get(graphql::graphiql::page))
        .route("/graphiql/{file}", get(graphql::graphiql::file))
        // iAdvize's REST, with and without the vendor's base path.
        .route("/operator/live", operators_live.clone().fallback(iadvize_rest::wrong_method))
        .route("/operator/{id}/live", operator_live.clone().fallback(iadvize_rest::wrong_method))
        .route("/api/2/operator/live", operators_live.fallback(iadvize_rest::wrong_method))
        .route("/api/2/operator/{id}/live", operator_live.fallback(iadvize_rest::wrong_method))
        // Convoso.
        .route("/v1/user-activity/search", convoso::search::routes())
        .route("/user-activity/search", convoso::search::routes())
        // Vonage Contact Center.
        .route(
            "/agents-availability",
            get(vonage::presence_summary::presence_summary)
                .post(vonage::agents_availability::agents_availability)
                .fallback(vonage::wrong_method),
        )
        .route(
            "/agents/{id}/presence",
            get(vonage::agents::get_presence::get_presence)
                .patch(vonage::agents::set_presence::set_presence)
                .fallback(vonage::wrong_method),
        )
        .route(
            "/agents/presences/users",
            get(vonage::agents::list_presences::list_presences).fallback(vonage::wrong_method),
        )
        .route(
            "/agents/presence-definitions",
            get(vonage::agents::list_definitions::list_definitions).fallback(vonage::wrong_method),
        )
        .route("/v0/{account}/agents", agents_ready.clone().fallback(vonage::wrong_method))
        .route("/v0/{account}/agents/", agents_ready.fallback(vonage::wrong_method))
        // For those who operate it.
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics));
    if services.edge().bench_echo {
        router = router.route("/echo", post(layers::echo));
    }
    layers::around(router.fallback(native::unknown_route)).with_state(services)
}
