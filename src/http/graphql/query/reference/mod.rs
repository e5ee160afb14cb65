//! The queries of reference data: where the ids of filters come from.

pub mod project;
pub mod projects;
pub mod routing_group;
pub mod routing_groups;
pub mod routing_rule;
pub mod routing_rules;

use async_graphql::{Context, OutputType, Result};

use crate::domain::directory::Kind;
use crate::engine::Snapshot;
use crate::http::graphql::QueryContext;
use crate::http::graphql::object::reference::place;
use crate::http::graphql::paging::{Connection, Page, PageArguments};
use crate::query::reference::{Reference, references};

/// Returns a page of all entities of a kind, ascending by id.
fn page<N: OutputType>(
    ctx: &Context<'_>,
    kind: Kind,
    arguments: PageArguments,
    node: impl Fn(&Snapshot, Reference) -> N,
) -> Result<Connection<N>> {
    let page = Page::of(ctx, arguments)?;
    let snapshot = &ctx.data::<QueryContext>()?.snapshot;
    let chosen = page.select(references(&snapshot.view, kind).map(|of| (place(&of), of))).into_iter();
    Ok(page.connection(chosen.map(|(place, of)| (place, node(snapshot, of))).collect()))
}
