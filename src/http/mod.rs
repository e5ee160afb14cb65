//! The HTTP server: every route on one screen, and a folder for each dialect.

mod answer;
pub mod connection;
pub mod convoso;
pub mod cors;
mod describe;
pub mod dialect;
mod drain;
pub mod extract;
pub mod fault;
pub mod graphql;
pub mod health;
pub mod iadvize_rest;
pub mod layers;
pub mod listener;
pub mod native;
pub mod oauth;
pub mod openapi;
pub mod pages;
mod request_context;
pub mod state;
pub mod tls;
pub mod vonage;

use axum::Router;
use axum::routing::{delete, get, post, put};

use graphql::GraphqlState;
use native::desk::DeskState;
pub use state::{AppState, Edge, Handles};

/// Builds the router with every route. Errors for unsupported methods have the shape of the route's dialect.
pub fn router(app: AppState) -> Router {
    let mut router = Router::new()
        // The native API.
        .route("/v1/events", post(native::events::post_events).fallback(native::wrong_method))
        .route(
            "/v1/directory",
            put(native::directory::put_directory).get(native::directory::get_directory).fallback(native::wrong_method),
        )
        .merge(desk_routes(&app))
        .route("/v1/webhooks/iadvize", post(native::webhooks::iadvize::post_webhook).fallback(native::wrong_method))
        .route("/v1/tenants", post(native::tenants::create_tenant).fallback(native::wrong_method))
        .route(
            "/v1/tenants/{tenant}",
            get(native::settings::get_tenant).patch(native::settings::set_settings).fallback(native::wrong_method),
        )
        .route(
            "/v1/tenants/{tenant}/limits",
            get(native::limits::get_limits).put(native::limits::put_limits).fallback(native::wrong_method),
        )
        .route(
            "/v1/tenants/{tenant}/keys",
            post(native::keys::create_key).get(native::keys::list_keys).fallback(native::wrong_method),
        )
        .route("/v1/tenants/{tenant}/keys/{key}", delete(native::keys::revoke_key).fallback(native::wrong_method))
        // iAdvize's GraphQL API, and GraphiQL.
        .merge(graphql_routes(&app))
        .route("/graphiql", get(pages::graphiql::page))
        .route("/graphiql/{file}", get(pages::graphiql::file))
        // iAdvize's REST API, with and without the vendor's base path.
        .merge(iadvize_rest())
        .nest("/api/2", iadvize_rest())
        // Convoso, with and without the vendor's base path.
        .route("/v1/user-activity/search", convoso::user_activity::routes())
        .route("/user-activity/search", convoso::user_activity::routes())
        .route("/v1/agent-monitor/search", convoso::agent_monitor::routes())
        .route("/agent-monitor/search", convoso::agent_monitor::routes())
        // Vonage Contact Center.
        .merge(vonage())
        // OAuth 2.0, at the paths that iAdvize's and Vonage's clients use.
        .merge(oauth())
        // The OpenAPI description of everything but GraphQL, and Swagger UI.
        .route("/openapi.json", get(openapi::openapi))
        .route("/docs", get(pages::swagger_ui::moved))
        .route("/docs/", get(pages::swagger_ui::page))
        .route("/docs/{file}", get(pages::swagger_ui::file))
        // For operators.
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics));
    if app.edge().bench_echo {
        router = router.route("/echo", post(layers::echo));
    }
    layers::around(router.fallback(native::unknown_route)).with_state(app)
}

/// Desks have tickets and connections of their own.
fn desk_routes(app: &AppState) -> Router<AppState> {
    Router::new()
        .route("/v1/desk", get(native::desk::connect).fallback(native::wrong_method))
        .route("/v1/desk/tickets", post(native::desk::tickets::issue_ticket).fallback(native::wrong_method))
        .with_state(DeskState::new(app.clone()))
}

/// GraphQL has an executor of its own.
fn graphql_routes(app: &AppState) -> Router<AppState> {
    Router::new()
        .route("/graphql", post(graphql::endpoint::graphql).fallback(graphql::endpoint::wrong_method))
        .with_state(GraphqlState::new(app.clone()))
}

fn iadvize_rest() -> Router<AppState> {
    use iadvize_rest::{grouping, operator};
    Router::new()
        .route("/operator", get(operator::list::list).post(operator::create::create))
        .route("/operator/live", get(operator::live::list::list_live))
        .route("/operator/{id}", get(operator::get::get).put(operator::update::update).delete(operator::delete::delete))
        .route("/operator/{id}/live", get(operator::live::get::get_live).put(operator::live::set::set_live))
        .route("/operator/{id}/profile", get(operator::profile::profile))
        .route("/operator/{id}/statistic", get(operator::statistic::statistic))
        .route("/group", get(grouping::list::list_groups))
        .route("/group/{id}", get(grouping::get::get_group))
        .route("/skill", get(grouping::list::list_skills))
        .route("/skill/{id}", get(grouping::get::get_skill))
        .method_not_allowed_fallback(iadvize_rest::wrong_method)
}

fn vonage() -> Router<AppState> {
    use vonage::agents;
    Router::new()
        .route(
            "/agents-availability",
            get(vonage::presence_summary::presence_summary).post(vonage::agents_availability::agents_availability),
        )
        .route(
            "/agents/{id}/presence",
            get(agents::get_presence::get_presence).patch(agents::set_presence::set_presence),
        )
        .route("/agents/presences/users", get(agents::list_presences::list_presences))
        .route("/agents/presence-definitions", get(agents::list_definitions::list_definitions))
        .route("/v0/{account}/agents", get(vonage::count_agents::count_agents))
        .route("/v0/{account}/agents/", get(vonage::count_agents::count_agents_with_slash))
        .method_not_allowed_fallback(vonage::wrong_method)
}

fn oauth() -> Router<AppState> {
    Router::new()
        .route("/oauth2/token", post(oauth::password_grant::password_grant))
        .route("/oauth2/revoke", post(oauth::revoke::revoke_user_token))
        .route("/_authenticated", get(oauth::authenticated::authenticated))
        .route("/Auth/connect/token", post(oauth::client_credentials::client_credentials))
        .route("/Auth/connect/revocation", post(oauth::revoke::revoke_client_token))
        .method_not_allowed_fallback(oauth::wrong_method)
}
