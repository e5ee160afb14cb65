//! Any text as a cursor: it is rejected, or it is the only spelling of a place in a list.

#![no_main]

use base64::prelude::{BASE64_STANDARD, Engine};
use libfuzzer_sys::fuzz_target;
use rollcall::http::graphql::paging::list_id::ListId;
use rollcall::http::graphql::paging::{Page, PageArguments};

fuzz_target!(|given: (&str, Option<i32>, bool)| {
    let (text, size, forward) = given;
    let cursor = Some(text.to_owned());
    let arguments = match forward {
        true => PageArguments { first: size, after: cursor, ..PageArguments::default() },
        false => PageArguments { last: size, before: cursor, ..PageArguments::default() },
    };
    let list = ListId::parse("25a037dd").expect("a list");
    let Ok(page) = Page::<i64>::read(arguments, list) else { return };
    assert!((1..=100).contains(&page.limit));
    let place = if forward { page.after } else { page.before }.expect("the cursor that was given");
    assert_eq!(BASE64_STANDARD.encode(format!("{}&&{}&&{list}", place.key, place.guid)), text);
});
