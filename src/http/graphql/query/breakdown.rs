//! The query `breakdown` (docs/reference/iadvize-graphql.md, "breakdown").

use async_graphql::{Context, Object, Result};

use super::user_filter::UserFilter;
use crate::domain::Fault;
use crate::http::graphql::QueryContext;
use crate::http::graphql::fault::{invalid_argument, of_field};
use crate::http::graphql::object::breakdown::{Breakdown, BreakdownKey};
use crate::http::graphql::scalar::{LegacyId, UserChannel};
use crate::query::breakdown::{self, ArgumentName, Arguments, InvalidArgument, Key, Question};

/// Most unknown ids that one error names.
const MAX_NAMED: usize = 20;

/// The field `breakdown`.
#[derive(Default)]
pub struct BreakdownQuery;

#[Object]
impl BreakdownQuery {
    /// Users by the reason why they can or cannot take a conversation, and their slots: in all, and by up to three keys.
    ///
    /// Each user has one reason on each channel; over several channels it is the best of them. Users without an enabled
    /// channel count as well, and so do those who are not connected. Null is reserved for an error of this field.
    async fn breakdown(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most three different keys: a row for each combination of their values.", default)]
        group_by: Vec<BreakdownKey>,
        #[graphql(
            desc = "The channels that count, at least one.",
            default_with = "Some(vec![UserChannel::Chat, UserChannel::Call, UserChannel::Video, UserChannel::ThirdParty])"
        )]
        channels: Option<Vec<UserChannel>>,
        #[graphql(desc = "Selects the users.")] filters: Option<UserFilter>,
        #[graphql(
            desc = "True: a row for every combination of values, also without users. False: only rows with users. By default true for one key and false for several."
        )]
        include_empty: Option<bool>,
        #[graphql(desc = "Returns at most so many rows: 1 to 5000.", default = 1000)] first: i32,
    ) -> Result<Option<Breakdown>> {
        let clauses = filters.unwrap_or_default().into_clauses()?;
        let view = &ctx.data::<QueryContext>()?.snapshot.view;
        let unknown = breakdown::unknown_values(view, &clauses);
        if !unknown.is_empty() {
            let named = unknown.iter().take(MAX_NAMED);
            let named: Vec<String> = named.map(|value| format!("filters.{}: {value}", value.argument)).collect();
            let more = unknown.len().saturating_sub(MAX_NAMED);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            return Err(invalid_argument(format!("{}{more}", named.join(", "))));
        }
        let question = Question::new(Arguments {
            keys: group_by.iter().map(|key| Key::from(*key)).collect(),
            channels: channels.map(|channels| channels.into_iter().map(Into::into).collect()),
            filter: breakdown::filter(&clauses),
            include_empty,
            first: Some(first.into()),
        });
        let question = question.map_err(|invalid| of_field(&fault(invalid)))?;
        let found = breakdown::breakdown(view, &question).map_err(|fault| of_field(&fault))?;
        let unknown_ids = breakdown::deleted_users(view, &clauses).into_iter().map(LegacyId).collect();
        Ok(Some(Breakdown::new(&group_by, found, unknown_ids)))
    }
}

fn fault(InvalidArgument { name, detail }: InvalidArgument) -> Fault {
    let name = match name {
        ArgumentName::Keys => "groupBy",
        ArgumentName::Channels => "channels",
        ArgumentName::First => "first",
    };
    Fault::invalid(name, detail)
}
