//! The OpenAPI schemas of a board, and an example.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde_json::{Value, json};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::board::{
    By, HOURS, MAX_COLUMNS, MAX_FIRST, MAX_PAGES, MAX_SERIES, MAX_TILES, MAX_TITLE, Metric, Order, ROTATION, Theme,
    TileType, USUAL_HOURS, USUAL_PEOPLE, USUAL_ROWS, WIDTHS,
};
use crate::domain::filter::MAX_VALUES;
use crate::domain::{Channel, Reason, Role};
use crate::http::describe;

/// A board: pages of tiles.
pub struct BoardForm;

/// Returns an example of a board.
pub fn example() -> Value {
    json!({
        "title": "Service floor",
        "rotation_seconds": 20,
        "pages": [
            { "title": "Now", "tiles": [
                { "type": "number", "metric": "available", "of": "connected", "health": true },
                { "type": "number", "title": "Full on chat", "channels": ["chat"], "metric": "full",
                  "warn": { "above": 10 }, "alert": { "above": 20 } },
                { "type": "rows", "by": "skill", "order": "severity",
                  "columns": [{ "metric": "available", "warn": { "below": 2 }, "alert": { "below": 1 } }, "full", "away"] },
            ] },
            { "title": "People", "tiles": [
                { "type": "people", "filters": { "group": [1] }, "width": 4, "first": 200 },
                { "type": "chart", "series": ["available", "connected"], "hours": 8 },
            ] },
        ],
    })
}

fn text(meaning: &str) -> ObjectBuilder {
    describe::text().description(Some(meaning.to_owned()))
}

/// The schema of a title. `rest` follows the meaning.
fn title(rest: &str) -> ObjectBuilder {
    text(&format!("The heading, at most {MAX_TITLE} characters{rest}"))
}

fn one_of(meaning: &str, names: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    text(meaning).enum_values(Some(names.into_iter().collect::<Vec<_>>()))
}

fn whole(meaning: &str, range: &RangeInclusive<u32>) -> ObjectBuilder {
    let whole = describe::whole().description(Some(meaning.to_owned()));
    whole.minimum(Some(*range.start())).maximum(Some(*range.end()))
}

fn names(meaning: &str, names: impl IntoIterator<Item = &'static str>) -> Schema {
    describe::list(describe::text().enum_values(Some(names.into_iter().collect::<Vec<_>>())))
        .description(Some(meaning))
        .into()
}

fn metrics() -> impl Iterator<Item = &'static str> {
    Metric::ALL.into_iter().map(Metric::name)
}

impl PartialSchema for BoardForm {
    fn schema() -> RefOr<Schema> {
        let pages =
            describe::list(Ref::from_schema_name("WallboardPage")).min_items(Some(1)).max_items(Some(MAX_PAGES));
        let rotation =
            whole("Seconds until the next page is shown; without it pages do not change by themselves", &ROTATION);
        ObjectBuilder::new()
            .property("title", title("; the name if absent"))
            .property(
                "theme",
                one_of("The colours; those that the browser prefers if absent", Theme::ALL.map(Theme::name)),
            )
            .property("rotation_seconds", describe::or_null(rotation))
            .property("pages", pages)
            .required("pages")
            .into()
    }
}

impl ToSchema for BoardForm {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Wallboard")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        let mut add = |name: &str, schema: Schema| schemas.push((name.to_owned(), schema.into()));
        let tiles =
            describe::list(Ref::from_schema_name("WallboardTile")).min_items(Some(1)).max_items(Some(MAX_TILES));
        let page = ObjectBuilder::new().property("title", title(""));
        add("WallboardPage", page.property("tiles", tiles).required("tiles").into());
        add("WallboardTile", tile().into());
        add("WallboardFilters", filters().into());
        add("WallboardColumn", column());
        add("WallboardThreshold", threshold().into());
    }
}

/// The schema of a tile of any kind.
fn tile() -> ObjectBuilder {
    let threshold = || Ref::from_schema_name("WallboardThreshold");
    let columns = describe::list(Ref::from_schema_name("WallboardColumn"));
    let columns = columns.min_items(Some(1)).max_items(Some(MAX_COLUMNS));
    let flag = |meaning: &str| describe::boolean().description(Some(meaning.to_owned()));
    let reasons = Reason::ALL.map(Reason::name);
    let series = describe::list(describe::text().enum_values(Some(metrics().collect::<Vec<_>>())));
    let series = series.min_items(Some(1)).max_items(Some(MAX_SERIES));
    ObjectBuilder::new()
        .property("type", one_of("The kind", TileType::ALL.map(TileType::name)))
        .property("title", title("; made of the other members if absent"))
        .property("width", whole("Quarters of a wide screen; 1 for numbers and 2 for others if absent", &WIDTHS))
        .property("filters", Ref::from_schema_name("WallboardFilters"))
        .property("channels", names("The channels that count; all if absent", Channel::ALL.map(Channel::name)))
        .property("metric", one_of("number: what is shown; needed", metrics()))
        .property("of", one_of("number: what is shown beside it", metrics()))
        .property("warn", threshold())
        .property("alert", threshold())
        .property("health", flag("number: the bands of available of connected users, in place of warn and alert"))
        .property("by", one_of("rows: the key; needed", By::ALL.map(By::name)))
        .property("columns", columns)
        .property("include_empty", flag("rows: false leaves out values without users"))
        .property("order", one_of("rows: by the key, or the worst first", Order::NAMES))
        .property(
            "first",
            whole(
                &format!("rows, people: the most that are shown; {USUAL_ROWS} rows or {USUAL_PEOPLE} people if absent"),
                &(1..=MAX_FIRST),
            ),
        )
        .property("reasons", names("people: those with one of these; all but disabled and offline if absent", reasons))
        .property("series", series)
        .property("hours", whole(&format!("chart: the hours that are shown; {USUAL_HOURS} if absent"), &HOURS))
        .required("type")
}

/// The schema of a tile's filters.
fn filters() -> ObjectBuilder {
    let value = || OneOfBuilder::new().item(describe::whole()).item(describe::text());
    let lists = ["group", "skill_any", "skill_all", "queue", "campaign", "project", "routing_group", "user"];
    let object = lists.into_iter().fold(ObjectBuilder::new(), |object, name| {
        object.property(name, describe::list(Schema::from(value())).min_items(Some(1)).max_items(Some(MAX_VALUES)))
    });
    object
        .property("role", names("Users with any of these roles", Role::ALL.map(Role::name)))
        .description(Some("Users must match all filters, and of one any value, but all of `skill_all`"))
}

/// The schema of a column: a metric's name, or a metric with its limits.
fn column() -> Schema {
    let threshold = || Ref::from_schema_name("WallboardThreshold");
    let object = ObjectBuilder::new()
        .property("metric", one_of("What is shown", metrics()))
        .property("warn", threshold())
        .property("alert", threshold())
        .property("health", describe::boolean())
        .required("metric");
    OneOfBuilder::new().item(describe::text().enum_values(Some(metrics().collect::<Vec<_>>()))).item(object).into()
}

/// The schema of a limit.
fn threshold() -> ObjectBuilder {
    let number = |meaning: &str| ObjectBuilder::new().schema_type(Type::Number).description(Some(meaning.to_owned()));
    ObjectBuilder::new()
        .property("below", number("Passed by smaller values"))
        .property("above", number("Passed by greater values"))
        .description(Some("A limit in one direction: past `warn` a value is a warning, past `alert` it is critical"))
}
