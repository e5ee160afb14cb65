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
pub mod live;
pub mod native;
pub mod oauth;
pub mod openapi;
pub mod pages;
mod request_context;
mod request_id;
pub mod state;
pub mod tls;
pub mod vonage;
mod websocket;

use std::sync::LazyLock;

use axum::routing::{get, post};
use axum::{Extension, Router};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Tickets;
use extract::params::unknown::{KnownParameters, RouteParameters};
use graphql::GraphqlState;
use live::LiveQueries;
use native::desk::DeskState;
use native::live::LiveState;
use openapi::describe;
use openapi::security::{ADMINISTRATOR, API_KEY, AUTH_TOKEN, BASIC, BEARER, KEY_IN_QUERY, METRICS};
pub use state::{AppState, Edge, Handles};

/// Builds the router with every route. Unknown paths and unsupported methods are answered in the shape of the path's
/// dialect.
pub fn router(app: AppState) -> Router {
    let (live, tickets) = (LiveQueries::new(app.clone()), Tickets::new(app.store(), app.clock()));
    let graphql = GraphqlState::new(app.clone(), live.clone(), tickets.clone());
    let mut router = Router::from(described_routes())
        .merge(Router::from(desk_routes()).with_state(DeskState::new(app.clone(), tickets.clone())))
        .merge(Router::from(live_routes()).with_state(LiveState { app: app.clone(), live, tickets }))
        .merge(graphql_routes().with_state(graphql))
        // The base paths of the vendors' own hosts.
        .nest("/api/2", iadvize_rest().into())
        .nest("/v1", convoso().into())
        .route("/", get(pages::home::page))
        .route("/home/{hash}/{file}", get(pages::home::file))
        .route("/graphiql", get(pages::graphiql::page))
        .route("/graphiql/{file}", get(pages::graphiql::file))
        .route("/wallboard", get(pages::wallboard::page))
        .route("/wallboard/{hash}/{file}", get(pages::wallboard::file))
        .route("/openapi.json", get(openapi::served(&app.edge().base_path)))
        .route("/docs", get(pages::swagger_ui::moved))
        .route("/docs/", get(pages::swagger_ui::page))
        .route("/docs/{file}", get(pages::swagger_ui::file));
    if app.edge().bench_echo {
        router = router.route("/echo", post(layers::echo));
    }
    let router = router.method_not_allowed_fallback(dialect::wrong_method).fallback(dialect::unknown_route);
    layers::around(router.layer(Extension(KnownParameters(route_parameters)))).with_state(app)
}

/// Returns the parameters of every described route, which are read from the description once.
fn route_parameters() -> &'static RouteParameters {
    static PARAMETERS: LazyLock<RouteParameters> = LazyLock::new(|| {
        let (route, alias) = vonage::presence_summary::ALIAS;
        RouteParameters::of(&openapi::document()).and(route, alias)
    });
    &PARAMETERS
}

/// The routes of the OpenAPI description, without those of desks, which have a state of their own.
fn described_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(iadvize_rest())
        .merge(convoso())
        .merge(vonage())
        .merge(native())
        .merge(oauth())
        .merge(operation())
}

/// Probes and metrics.
fn operation() -> OpenApiRouter<AppState> {
    let probes = OpenApiRouter::new().routes(routes!(health::livez)).routes(routes!(health::readyz));
    let metrics = OpenApiRouter::new().routes(routes!(health::metrics));
    let probes = describe(health::Description::openapi(), &[], probes);
    probes.merge(describe(health::Description::openapi(), &[METRICS, ADMINISTRATOR], metrics))
}

/// iAdvize's REST API.
fn iadvize_rest() -> OpenApiRouter<AppState> {
    use iadvize_rest::{Description, grouping, operator};
    let routes = OpenApiRouter::new()
        .routes(routes!(operator::list::list, operator::create::create))
        .routes(routes!(operator::live::list::list_live))
        .routes(routes!(operator::get::get, operator::update::update, operator::delete::delete))
        .routes(routes!(operator::live::get::get_live, operator::live::set::set_live))
        .routes(routes!(operator::profile::profile))
        .routes(routes!(operator::statistic::statistic))
        .routes(routes!(grouping::list::list_groups))
        .routes(routes!(grouping::get::get_group))
        .routes(routes!(grouping::list::list_skills))
        .routes(routes!(grouping::get::get_skill));
    describe(Description::openapi(), &[API_KEY, KEY_IN_QUERY, BASIC, BEARER], routes)
}

/// Convoso's API.
fn convoso() -> OpenApiRouter<AppState> {
    use convoso::{Description, agent_monitor, user_activity};
    let routes = OpenApiRouter::new()
        .routes(routes!(user_activity::count_by_query, user_activity::count_by_body))
        .routes(routes!(agent_monitor::watch_by_query, agent_monitor::watch_by_body));
    describe(Description::openapi(), &[AUTH_TOKEN], routes)
}

/// The API of Vonage Contact Center.
fn vonage() -> OpenApiRouter<AppState> {
    use vonage::{Description, agents, agents_availability, count_agents, presence_summary};
    let routes = OpenApiRouter::new()
        .routes(routes!(presence_summary::presence_summary, agents_availability::agents_availability))
        .routes(routes!(agents::get_presence::get_presence, agents::set_presence::set_presence))
        .routes(routes!(agents::list_presences::list_presences))
        .routes(routes!(agents::list_definitions::list_definitions))
        .routes(routes!(count_agents::count_agents))
        // Without the slash that the vendor documents; described once.
        .route("/v0/{account}/agents", get(count_agents::count_agents));
    describe(Description::openapi(), &[BEARER], routes)
}

/// The native API, without desks.
fn native() -> OpenApiRouter<AppState> {
    use native::{Administration, Counted, Description, LogIns, Wallboards, Webhooks};
    use native::{breakdown, directory, events, keys, limits, log_ins, self_check, settings, state, tenants};
    use native::{wallboards, webhooks};
    let tenant = OpenApiRouter::new()
        .routes(routes!(events::post_events))
        .routes(routes!(directory::put_directory, directory::get_directory))
        .routes(routes!(state::get_state));
    let counted = OpenApiRouter::new().routes(routes!(breakdown::get_breakdown));
    let boards = OpenApiRouter::new()
        .routes(routes!(wallboards::list_wallboards))
        .routes(routes!(wallboards::get_wallboard, wallboards::put_wallboard, wallboards::delete_wallboard))
        .routes(routes!(wallboards::links::list_links, wallboards::links::create_link))
        .routes(routes!(wallboards::links::delete_link));
    let webhooks = OpenApiRouter::new().routes(routes!(webhooks::iadvize::post_webhook));
    let log_ins = OpenApiRouter::new().routes(routes!(log_ins::list_log_ins, log_ins::delete_log_ins));
    let administration = OpenApiRouter::new()
        .routes(routes!(tenants::create_tenant, tenants::list_tenants))
        .routes(routes!(settings::get_tenant, settings::set_settings, tenants::delete_tenant))
        .routes(routes!(limits::get_limits, limits::put_limits))
        .routes(routes!(state::get_tenant_state))
        .routes(routes!(self_check::check_tenant))
        .routes(routes!(self_check::get_self_checks))
        .routes(routes!(keys::create_key, keys::list_keys))
        .routes(routes!(keys::revoke_key));
    describe(Description::openapi(), &[BEARER, API_KEY], tenant)
        .merge(describe(Counted::openapi(), &[BEARER, API_KEY], counted))
        .merge(describe(Wallboards::openapi(), &[BEARER, API_KEY], boards))
        .merge(describe(Webhooks::openapi(), &[BEARER, API_KEY, BASIC, KEY_IN_QUERY], webhooks))
        .merge(describe(LogIns::openapi(), &[BEARER, API_KEY], log_ins))
        .merge(describe(Administration::openapi(), &[ADMINISTRATOR], administration))
}

/// Desks: their connections and tickets.
fn desk_routes() -> OpenApiRouter<DeskState> {
    use native::{Desks, desk};
    let connections = OpenApiRouter::new().routes(routes!(desk::connect));
    let tickets = OpenApiRouter::new().routes(routes!(desk::tickets::issue_ticket));
    describe(Desks::openapi(), &[BEARER, API_KEY, BASIC, KEY_IN_QUERY], connections).merge(describe(
        Desks::openapi(),
        &[BEARER, API_KEY],
        tickets,
    ))
}

/// The plain event stream, and the tickets of live queries.
fn live_routes() -> OpenApiRouter<LiveState> {
    use native::{Live, live};
    let routes =
        OpenApiRouter::new().routes(routes!(live::live_breakdown)).routes(routes!(live::tickets::issue_live_ticket));
    describe(Live::openapi(), &[BEARER, API_KEY], routes)
}

/// OAuth 2.0, at the paths that iAdvize's and Vonage's clients use.
fn oauth() -> OpenApiRouter<AppState> {
    use oauth::{Description, authenticated, client_credentials, password_grant, revoke};
    let forms = OpenApiRouter::new()
        .routes(routes!(password_grant::password_grant))
        .routes(routes!(revoke::revoke_user_token))
        .routes(routes!(client_credentials::client_credentials))
        .routes(routes!(revoke::revoke_client_token));
    let bearers = OpenApiRouter::new().routes(routes!(authenticated::authenticated));
    describe(Description::openapi(), &[], forms).merge(describe(Description::openapi(), &[BEARER], bearers))
}

/// The OpenAPI description of GraphQL's requests and answers.
fn graphql_description() -> utoipa::openapi::OpenApi {
    let description = graphql::endpoint::Description::openapi();
    describe::<AppState>(description, &[BEARER], OpenApiRouter::new()).into_openapi()
}

/// GraphQL, which has an executor of its own. Its schema describes itself; the description of the REST routes has only
/// the requests and answers that carry it ([`graphql::endpoint::Description`]).
fn graphql_routes() -> Router<GraphqlState> {
    use graphql::endpoint::{graphql_by_body, graphql_by_query, wrong_method};
    Router::new().route("/graphql", get(graphql_by_query).post(graphql_by_body).fallback(wrong_method))
}
