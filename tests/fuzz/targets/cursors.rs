//! Any text as a cursor: a place in a list, or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcall::http::graphql::paging::{Page, PageArguments};

fuzz_target!(|given: (&str, Option<i32>, bool)| {
    let (cursor, size, forward) = given;
    let cursor = Some(cursor.to_owned());
    let arguments = match forward {
        true => PageArguments { first: size, after: cursor, ..PageArguments::default() },
        false => PageArguments { last: size, before: cursor, ..PageArguments::default() },
    };
    if let Ok(page) = Page::<i64>::read(arguments) {
        assert!((1..=100).contains(&page.limit));
        assert!(page.after.or(page.before).is_some_and(|place| page.after == Some(place) || page.before == Some(place)));
    }
});
