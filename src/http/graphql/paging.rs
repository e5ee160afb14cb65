//! Relay pagination: edges with cursors, forward or backward (docs/reference/iadvize-graphql.md, "Pages").
//!
//! A query parses its [`Page`] from the arguments, fetches at most [`Page::wanted`] items beyond the cursor in the
//! page's direction, and builds the [`Connection`] from them.

pub mod list_id;

use std::borrow::Cow;
use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use async_graphql::{Context, OutputType, Result, SimpleObject, TypeName};
use base64::prelude::{BASE64_STANDARD, Engine};
use uuid::Uuid;

use super::fault::invalid_argument;
use crate::domain::ids::parse_guid;
use list_id::ListId;

/// Items of a page: the default, and the maximum.
pub const MAX_PAGE: usize = 100;

/// A place in a list: the sort key, then the GUID of the item, which orders items with equal keys.
///
/// Its text is `<key>&&<guid>&&<list>` in Base64, opaque to clients. The last part is the list's [`ListId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor<K> {
    /// The first sort key: an integer id, milliseconds since 1970, or the place of an entry in a history.
    pub key: K,
    /// The second sort key.
    pub guid: Uuid,
}

impl<K: Display + FromStr> Cursor<K> {
    fn encode(&self, list: ListId) -> String {
        BASE64_STANDARD.encode(format!("{}&&{}&&{list}", self.key, self.guid))
    }

    /// Parses what [`Cursor::encode`] writes, with the list that it is of; `None` for any other text, also for another
    /// spelling of the same place.
    fn decode(text: &str) -> Option<(Self, ListId)> {
        let plain = String::from_utf8(BASE64_STANDARD.decode(text).ok()?).ok()?;
        let (place, list) = plain.rsplit_once("&&")?;
        let (key, guid) = place.split_once("&&")?;
        let (cursor, list) = (Cursor { key: key.parse().ok()?, guid: parse_guid(guid)? }, ListId::parse(list)?);
        (cursor.encode(list) == text).then_some((cursor, list))
    }
}

/// The arguments of every paged list.
#[derive(Clone, Debug, Default)]
pub struct PageArguments {
    /// Size of the page, from the start or after a cursor.
    pub first: Option<i32>,
    /// The cursor after which the page starts.
    pub after: Option<String>,
    /// Size of the page, up to the end or before a cursor.
    pub last: Option<i32>,
    /// The cursor before which the page ends.
    pub before: Option<String>,
}

/// The part of a list that is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<K> {
    /// True from the start towards the end, false from the end towards the start.
    pub forward: bool,
    /// Most items of the page, 1 to [`MAX_PAGE`].
    pub limit: usize,
    /// Only items after this place. Set only if `forward`.
    pub after: Option<Cursor<K>>,
    /// Only items before this place. Set only if not `forward`.
    pub before: Option<Cursor<K>>,
    /// The list that the page is of.
    pub list: ListId,
}

impl<K: Copy + Ord + Display + FromStr> Page<K> {
    /// Parses the arguments of the root's field that is being resolved, with its filters.
    ///
    /// `INVALID_ARGUMENT` for both directions at once, a size that is not from 1 to [`MAX_PAGE`], or a text that is not a
    /// cursor of this list with these filters.
    pub fn of(ctx: &Context<'_>, arguments: PageArguments) -> Result<Self> {
        Self::read(arguments, ListId::of(ctx)?)
    }

    /// Parses the arguments of a list as [`Page::of`] does.
    pub fn read(arguments: PageArguments, list: ListId) -> Result<Self> {
        let PageArguments { first, after, last, before } = arguments;
        let backward = last.is_some() || before.is_some();
        if backward && (first.is_some() || after.is_some()) {
            return Err(invalid_argument("first and after go forward, last and before go backward: not both at once"));
        }
        let limit = match first.or(last) {
            None => MAX_PAGE,
            Some(count) => {
                usize::try_from(count).ok().filter(|count| (1..=MAX_PAGE).contains(count)).ok_or_else(|| {
                    invalid_argument(format!("{} must be from 1 to 100", if backward { "last" } else { "first" }))
                })?
            }
        };
        let place = |text, argument| place(text, argument, list);
        Ok(Page { forward: !backward, limit, after: place(after, "after")?, before: place(before, "before")?, list })
    }

    /// Returns the number of items to fetch: one more than the page holds, which shows that the list goes on.
    pub const fn wanted(&self) -> usize {
        self.limit + 1
    }

    /// Returns true if a place lies between the cursors of the page.
    pub fn contains(&self, place: Cursor<K>) -> bool {
        self.after.is_none_or(|after| place > after) && self.before.is_none_or(|before| place < before)
    }

    /// Selects the items for [`Page::connection`] from all items of a list, given in any order. The others are neither
    /// kept nor sorted: a page of a long list takes one pass and the memory of two pages.
    pub fn select<T>(&self, items: impl IntoIterator<Item = (Cursor<K>, T)>) -> Vec<(Cursor<K>, T)> {
        let order = |one: &(Cursor<K>, T), other: &(Cursor<K>, T)| {
            if self.forward { one.0.cmp(&other.0) } else { other.0.cmp(&one.0) }
        };
        let mut found = Vec::new();
        for item in items.into_iter().filter(|(place, _)| self.contains(*place)) {
            found.push(item);
            if found.len() == 2 * self.wanted() {
                // Keep the nearer half; the selection is linear, so the whole pass stays linear.
                found.select_nth_unstable_by(self.limit, order);
                found.truncate(self.wanted());
            }
        }
        found.sort_unstable_by(order);
        found.truncate(self.wanted());
        found
    }

    /// Builds the page from at most [`Page::wanted`] items in the page's direction: ascending forward, descending
    /// backward. Its edges are ascending in both cases.
    pub fn connection<N: OutputType, O: ListOwner>(&self, items: Vec<(Cursor<K>, N)>) -> Connection<N, O> {
        let has_more = items.len() > self.limit;
        self.connection_of(items, has_more)
    }

    /// Builds the page as [`Page::connection`] does, from a list that goes on after the items if `has_more`.
    pub fn connection_of<N: OutputType, O: ListOwner>(
        &self,
        items: Vec<(Cursor<K>, N)>,
        has_more: bool,
    ) -> Connection<N, O> {
        let edge = |(place, node): (Cursor<K>, N)| Edge { cursor: place.encode(self.list), node };
        let mut edges: Vec<Edge<N>> = items.into_iter().take(self.limit).map(edge).collect();
        if !self.forward {
            edges.reverse();
        }
        let page_info = PageInfo {
            start_cursor: edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: edges.last().map(|edge| edge.cursor.clone()),
            has_previous_page: if self.forward { self.after.is_some() } else { has_more },
            has_next_page: if self.forward { has_more } else { self.before.is_some() },
        };
        Connection { edges, page_info, owner: PhantomData }
    }
}

fn place<K: Display + FromStr>(text: Option<String>, argument: &str, list: ListId) -> Result<Option<Cursor<K>>> {
    let Some(text) = text else { return Ok(None) };
    match Cursor::decode(&text) {
        Some((cursor, of)) if of == list => Ok(Some(cursor)),
        Some(_) => {
            let why = "is a cursor of another list, or of this list with other filters";
            Err(invalid_argument(format!("{argument} {why}")))
        }
        None => Err(invalid_argument(format!("{argument} is not a cursor of this list"))),
    }
}

/// The object that a list belongs to, where the vendor names the list's type after it.
pub trait ListOwner: Send + Sync + 'static {
    /// The name before that of the items: `RoutingRule` in `RoutingRuleRoutingGroupConnection`.
    const PREFIX: &'static str;
}

/// Marks a list whose type is named after its items alone.
pub struct Unowned;

impl ListOwner for Unowned {
    const PREFIX: &'static str = "";
}

/// One page of a list, in ascending order for both directions.
#[derive(SimpleObject)]
#[graphql(name_type)]
pub struct Connection<N: OutputType, O: ListOwner = Unowned> {
    /// The items of the page, each with its cursor.
    edges: Vec<Edge<N>>,
    /// The position of the page in the list.
    page_info: PageInfo,
    #[graphql(skip)]
    owner: PhantomData<O>,
}

impl<N: OutputType, O: ListOwner> TypeName for Connection<N, O> {
    fn type_name() -> Cow<'static, str> {
        format!("{}{}Connection", O::PREFIX, N::type_name()).into()
    }
}

/// One item of a page.
#[derive(SimpleObject)]
#[graphql(name_type)]
pub struct Edge<N: OutputType> {
    /// The item's place in the list, for the arguments `after` and `before`. Opaque.
    cursor: String,
    /// The item.
    node: N,
}

impl<N: OutputType> TypeName for Edge<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", N::type_name()).into()
    }
}

/// The position of a page in its list.
#[derive(Debug, PartialEq, Eq, SimpleObject)]
pub struct PageInfo {
    /// The cursor of the first item: the `before` of the page that precedes this one. Null if the page is empty.
    start_cursor: Option<String>,
    /// The cursor of the last item: the `after` of the page that follows this one. Null if the page is empty.
    end_cursor: Option<String>,
    /// Backward: true if there are items before this page. Forward: true if `after` was given.
    has_previous_page: bool,
    /// Forward: true if there are items after this page. Backward: true if `before` was given.
    has_next_page: bool,
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static LIST: LazyLock<ListId> = LazyLock::new(|| ListId::whole("", "numbers"));

    fn at(key: i64) -> Cursor<i64> {
        Cursor { key, guid: Uuid::from_u128(7) }
    }

    fn forward(first: Option<i32>, after: Option<i64>) -> Page<i64> {
        let after = after.map(|key| at(key).encode(*LIST));
        Page::read(PageArguments { first, after, ..PageArguments::default() }, *LIST).unwrap()
    }

    fn backward(last: Option<i32>, before: Option<i64>) -> Page<i64> {
        let before = before.map(|key| at(key).encode(*LIST));
        Page::read(PageArguments { last, before, ..PageArguments::default() }, *LIST).unwrap()
    }

    /// The items of one page of the numbers 1 to 9, then `has_previous_page` and `has_next_page`.
    fn page(page: Page<i64>) -> (Vec<i64>, bool, bool) {
        let list = [3, 9, 1, 7, 5, 2, 8, 6, 4].map(|n| (at(n), n));
        let connection: Connection<i64> = page.connection(page.select(list));
        let info = connection.page_info;
        let nodes: Vec<i64> = connection.edges.iter().map(|edge| edge.node).collect();
        assert_eq!(info.start_cursor, nodes.first().map(|n| at(*n).encode(*LIST)));
        assert_eq!(info.end_cursor, nodes.last().map(|n| at(*n).encode(*LIST)));
        (nodes, info.has_previous_page, info.has_next_page)
    }

    #[test]
    fn forward_from_the_start_to_the_end() {
        assert_eq!(page(forward(Some(4), None)), (vec![1, 2, 3, 4], false, true));
        assert_eq!(page(forward(Some(4), Some(4))), (vec![5, 6, 7, 8], true, true));
        assert_eq!(page(forward(Some(4), Some(8))), (vec![9], true, false));
        assert_eq!(page(forward(Some(4), Some(9))), (vec![], true, false));
        assert_eq!(page(forward(Some(9), None)), ((1..10).collect(), false, false), "exactly as many as there are");
        assert_eq!(page(forward(None, None)), ((1..10).collect(), false, false));
    }

    #[test]
    fn backward_from_the_end_to_the_start() {
        assert_eq!(page(backward(Some(4), None)), (vec![6, 7, 8, 9], true, false));
        assert_eq!(page(backward(Some(4), Some(6))), (vec![2, 3, 4, 5], true, true));
        assert_eq!(page(backward(Some(4), Some(2))), (vec![1], false, true));
        assert_eq!(page(backward(Some(4), Some(1))), (vec![], false, true));
        assert_eq!(page(backward(None, Some(100))), ((1..10).collect(), false, true));
    }

    #[test]
    fn equal_keys_are_ordered_by_guid() {
        let place = |guid: u128| Cursor { key: 5, guid: Uuid::from_u128(guid) };
        let list = || [3, 1, 2].map(|guid| (place(guid), guid.to_string()));
        let after = Page { after: Some(place(1)), ..forward(Some(1), None) };
        let connection: Connection<String> = after.connection(after.select(list()));
        let edges = connection.edges;
        assert_eq!(edges.iter().map(|edge| edge.node.as_str()).collect::<Vec<_>>(), ["2"]);
    }

    #[test]
    fn contradictory_or_malformed_arguments_are_rejected() {
        let ok = PageArguments::default();
        let text = || Some(at(1).encode(*LIST));
        for (first, after, last, before) in [
            (Some(0), None, None, None),
            (Some(-1), None, None, None),
            (Some(101), None, None, None),
            (None, None, Some(0), None),
            (None, None, Some(101), None),
            (Some(1), None, Some(1), None),
            (Some(1), None, None, text()),
            (None, text(), Some(1), None),
            (None, text(), None, text()),
            (None, Some(String::new()), None, None),
            (None, None, None, Some(String::from("x"))),
        ] {
            let arguments = PageArguments { first, after, last, before };
            assert!(Page::<i64>::read(arguments.clone(), *LIST).is_err(), "{arguments:?}");
        }
        assert!(Page::<i64>::read(ok, *LIST).is_ok_and(|page| page.forward && page.limit == MAX_PAGE));
        assert!(forward(Some(100), None).limit == 100 && backward(Some(1), None).limit == 1);
    }

    #[test]
    fn only_the_canonical_text_of_a_cursor_is_accepted() {
        let cursor = Cursor { key: 1_546_600_333_000_i64, guid: Uuid::from_u128(9) };
        let (plain, list) = ("1546600333000&&00000000-0000-0000-0000-000000000009", *LIST);
        assert_eq!(cursor.encode(*LIST), BASE64_STANDARD.encode(format!("{plain}&&{list}")));
        assert_eq!(Cursor::decode(&cursor.encode(*LIST)), Some((cursor, *LIST)));
        for other in [
            format!("{plain}&&{list}"),
            BASE64_STANDARD.encode("1546600333000"),
            BASE64_STANDARD.encode(plain),
            BASE64_STANDARD.encode(format!("{plain}&&")),
            BASE64_STANDARD.encode(format!("{plain}&&{list}0")),
            BASE64_STANDARD.encode(format!("+{plain}&&{list}")),
            BASE64_STANDARD.encode(format!("1546600333000&&00000000000000000000000000000009&&{list}")),
            BASE64_STANDARD.encode(format!("x&&00000000-0000-0000-0000-000000000009&&{list}")),
            BASE64_STANDARD.encode([0xff, 0xfe]),
            format!("{} ", cursor.encode(*LIST)),
        ] {
            assert_eq!(Cursor::<i64>::decode(&other), None, "{other}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_rejected_with_the_name_of_its_argument() {
        let text = at(1).encode(ListId::whole("", "users"));
        let other = PageArguments { after: Some(text.clone()), ..PageArguments::default() };
        let why = "is a cursor of another list, or of this list with other filters";
        assert_eq!(Page::<i64>::read(other, *LIST).unwrap_err().message, format!("after {why}"));
        let other = PageArguments { before: Some(text), ..PageArguments::default() };
        assert_eq!(Page::<i64>::read(other, *LIST).unwrap_err().message, format!("before {why}"));
    }
}
