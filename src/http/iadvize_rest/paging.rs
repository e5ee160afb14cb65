//! Pages of a list (docs/reference/iadvize-rest.md, "Lists"): `page`, `limit` and `full` in requests, `pagination` in
//! responses.

use serde::Serialize;
use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::fields::flag_text;
use crate::domain::Fault;
use crate::http::describe;
use crate::http::extract::Params;

/// Items per page by default.
const LIMIT: u64 = 20;
/// Most items per page. A larger `limit` is lowered to this rather than rejected.
const MAX_LIMIT: u64 = 100;

/// The requested part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paging {
    page: u64,
    limit: u64,
    /// True if items have every field, rather than id and link only.
    pub full: bool,
}

/// The page that a response contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pagination {
    page: u64,
    pages: u64,
    limit: u64,
    count: u64,
}

impl Pagination {
    /// The only page of a list with one item.
    pub const EXAMPLE: Pagination = Pagination { page: 1, pages: 1, limit: LIMIT, count: 1 };
}

impl Paging {
    /// Reads the parameters. Empty values count as absent.
    pub fn read(query: &Params<'_>) -> Result<Self, Fault> {
        let number = |name: &str, usual: u64| match query.one(name)?.unwrap_or_default() {
            "" => Ok(usual),
            // A number beyond 64 bits is valid: it is a page that no list has.
            text if text.bytes().all(|b| b.is_ascii_digit()) => match text.parse().unwrap_or(u64::MAX) {
                0 => Err(Fault::misfit_text(name, "must be 1 or more", text)),
                number => Ok(number),
            },
            other => Err(Fault::misfit_text(name, "must be a whole number", other)),
        };
        let full = match query.one("full")?.unwrap_or_default() {
            "" => false,
            text => flag_text(text).ok_or_else(|| Fault::misfit_text("full", "must be 0 or 1", text))?,
        };
        Ok(Paging { page: number("page", 1)?, limit: number("limit", LIMIT)?.min(MAX_LIMIT), full })
    }

    /// Returns the requested part of `items`. Past the last page it is empty and has the last page's number: the
    /// vendor's clients continue until `page` equals `pages`.
    pub fn of<'a, T>(&self, items: &'a [T]) -> (&'a [T], Pagination) {
        let count = items.len() as u64;
        let pages = count.div_ceil(self.limit).max(1);
        let pagination = Pagination { page: self.page.min(pages), pages, limit: self.limit, count };
        let start = self.page.saturating_sub(1).saturating_mul(self.limit).min(count);
        let end = start.saturating_add(self.limit).min(count);
        (&items[start as usize..end as usize], pagination)
    }
}

impl IntoParams for Paging {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let number = || describe::whole().minimum(Some(1));
        vec![
            describe::query_parameter("page", number(), "Number of the page, from 1; 1 by default", json!(1)),
            describe::query_parameter(
                "limit",
                number(),
                "Items per page; 20 by default, more than 100 are 100",
                json!(20),
            ),
            describe::query_parameter(
                "full",
                describe::flag(),
                "1 to return every field of each item, rather than its id and link",
                json!(0),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Paging, Fault> {
        Paging::read(&Params::parse(query.as_bytes())?)
    }

    #[test]
    fn pages_cover_the_list_exactly_once() {
        let items: Vec<u32> = (0..45).collect();
        let mut seen = Vec::new();
        for page in 1..=3 {
            let (part, of) = read(&format!("page={page}")).unwrap().of(&items);
            assert_eq!((of.page, of.pages, of.limit, of.count), (page, 3, 20, 45));
            seen.extend_from_slice(part);
        }
        assert_eq!(seen, items);
        let (part, of) = read("page=99999999999999999999&limit=1000").unwrap().of(&items);
        assert_eq!((part.len(), of.page, of.pages, of.limit), (0, 1, 1, 100));
        let (part, of) = read("full=1").unwrap().of(&[] as &[u32]);
        assert_eq!((part.len(), of.page, of.pages, of.count), (0, 1, 1, 0));
    }

    #[test]
    fn invalid_values_are_rejected() {
        for query in ["page=0", "page=-1", "page=a", "limit=0", "limit=1.5", "full=yes", "page=1&page=2"] {
            assert!(read(query).is_err(), "{query}");
        }
        assert_eq!(read("page=&limit=&full="), read(""));
    }
}
