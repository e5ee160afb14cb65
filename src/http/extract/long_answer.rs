//! Responses with lists. Short ones are written at once; long ones in slices on the blocking pool, in turn with other
//! tenants and no faster than the client reads.
//!
//! Both have the same bytes, since one writer makes them. All slices of a response read the same view.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::http::Response;
use bytes::Bytes;
use hyper::body::Frame;
use serde::Serialize;

use super::reply;
use crate::domain::Fault;
use crate::http::state::AppState;
use crate::limits::TurnKey;

/// A slice ends once it has this many bytes.
const SLICE_BYTES: usize = 64 * 1024;
/// A slice ends after this many steps, however little they wrote.
const SLICE_STEPS: usize = 1_000;

/// A response body that is written step by step.
pub trait Steps: Send + 'static {
    /// Appends the next part of the body, and returns `false` once the body is complete.
    fn step(&mut self, out: &mut Vec<u8>) -> bool;
}

/// JSON text with lists of rows that are written one by one.
pub struct Lists<R> {
    /// The text before each list, and the list's rows.
    lists: VecDeque<(Vec<u8>, Box<dyn Iterator<Item = R> + Send>)>,
    tail: Vec<u8>,
    is_first: bool,
}

impl<R: Serialize> Lists<R> {
    /// The object `head`, with lists as further members.
    pub fn object<T: Serialize>(
        head: &T,
        members: impl IntoIterator<Item = (&'static str, Box<dyn Iterator<Item = R> + Send>)>,
    ) -> Self {
        let mut before = json(head);
        // The closing brace comes after the lists.
        before.pop();
        if before.len() > 1 {
            before.push(b',');
        }
        let mut lists = VecDeque::new();
        for (name, rows) in members {
            before.extend(format!("\"{name}\":[").into_bytes());
            lists.push_back((std::mem::replace(&mut before, b"],".to_vec()), rows));
        }
        Lists { lists, tail: b"]}".to_vec(), is_first: true }
    }

    /// The JSON text of a value, with the rows inserted into its empty list `name`.
    pub fn within<T: Serialize>(text: &T, name: &str, rows: impl Iterator<Item = R> + Send + 'static) -> Self {
        let mut head = json(text);
        let list = format!("\"{name}\":[");
        // Quotes within strings are escaped, so the pattern matches only at the member itself.
        let at = head.windows(list.len()).position(|part| part == list.as_bytes());
        let tail = head.split_off(at.map_or(head.len(), |at| at + list.len()));
        Lists { lists: VecDeque::from([(head, Box::new(rows) as _)]), tail, is_first: true }
    }
}

impl<R: Serialize + 'static> Steps for Lists<R> {
    fn step(&mut self, out: &mut Vec<u8>) -> bool {
        let Some((head, rows)) = self.lists.front_mut() else {
            out.append(&mut self.tail);
            return false;
        };
        out.append(head);
        match rows.next() {
            Some(row) => {
                if !std::mem::take(&mut self.is_first) {
                    out.push(b',');
                }
                write(out, &row);
            }
            None => {
                self.lists.pop_front();
                self.is_first = true;
            }
        }
        true
    }
}

/// Responds with JSON. A short body is written inline; a long one in slices, begun when it is the turn of `key`.
///
/// [`Fault::TooMany`] or [`Fault::Unavailable`] if too much long work is waiting.
pub async fn json_in_slices<S: Steps>(
    app: &AppState,
    key: TurnKey,
    is_long: bool,
    content_type: &'static str,
    begin: impl FnOnce() -> S + Send + 'static,
) -> Result<Response<Body>, Fault> {
    let body = if is_long && app.lifecycle().cpu().is_fair() {
        let first = move || slice(begin());
        let (text, rest) = app.lifecycle().run_cpu_bound(key, first).await?;
        match rest {
            None => Body::from(text),
            Some(steps) => Body::new(Slices { first: Some(text.into()), next: Some(next(app, key, steps)) }),
        }
    } else {
        let (mut text, mut steps) = (Vec::new(), begin());
        while steps.step(&mut text) {}
        Body::from(text)
    };
    Ok(reply::json_body(200, content_type, body))
}

/// Writes one slice, and returns it with the remaining steps, if there are any.
fn slice<S: Steps>(mut steps: S) -> (Vec<u8>, Option<S>) {
    let mut text = Vec::new();
    for _ in 0..SLICE_STEPS {
        if !steps.step(&mut text) {
            return (text, None);
        }
        if text.len() >= SLICE_BYTES {
            break;
        }
    }
    (text, Some(steps))
}

/// A slice being written; it resolves to its bytes and the rest of the body.
type Next = Pin<Box<dyn Future<Output = Result<(Bytes, Option<Rest>), Fault>> + Send>>;

/// The rest of a body, with its type erased.
struct Rest(Next);

/// Writes slices, each in a turn of its own, until one of them is not empty.
fn next<S: Steps>(app: &AppState, key: TurnKey, mut steps: S) -> Next {
    let app = app.clone();
    Box::pin(async move {
        loop {
            let (text, rest) = app.lifecycle().continue_cpu_bound(key, move || slice(steps)).await?;
            match rest {
                None => return Ok((text.into(), None)),
                Some(rest) if text.is_empty() => steps = rest,
                Some(rest) => return Ok((text.into(), Some(Rest(next(&app, key, rest))))),
            }
        }
    })
}

/// A body that begins its next slice only when the connection takes more, so that a slow reader keeps no core busy.
/// Dropping it ends the work.
struct Slices {
    first: Option<Bytes>,
    next: Option<Next>,
}

impl HttpBody for Slices {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(text) = self.first.take().filter(|text| !text.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(text))));
        }
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let slice = ready!(next.as_mut().poll(cx));
        self.next = None;
        // An error ends the connection, so that the client does not mistake half a response for a whole one.
        Poll::Ready(Some(slice.map(|(text, rest)| {
            self.next = rest.map(|Rest(next)| next);
            Frame::data(text)
        })))
    }
}

/// Serializes a value as JSON.
fn json<T: Serialize>(value: &T) -> Vec<u8> {
    let mut text = Vec::new();
    write(&mut text, value);
    text
}

fn write<T: Serialize>(out: &mut Vec<u8>, value: &T) {
    // Neither serialising plain types nor writing to memory can fail.
    let _written = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Answer<'a> {
        count: usize,
        name: &'a str,
        rows: Vec<u32>,
        more: Vec<u32>,
    }

    /// Returns the whole text and the number of its slices.
    fn slices<S: Steps>(steps: S) -> (Vec<u8>, usize) {
        let (mut whole, mut number, mut rest) = (Vec::new(), 0, Some(steps));
        while let Some(steps) = rest {
            let (text, left) = slice(steps);
            whole.extend(text);
            number += 1;
            rest = left;
        }
        (whole, number)
    }

    #[test]
    fn rows_are_written_inside_the_named_list() {
        for rows in [0, 1, 1_000, 1_001, 50_000] {
            let answer = |rows| Answer { count: 7, name: "\"rows\":[", rows, more: vec![1] };
            let lists = Lists::within(&answer(Vec::new()), "rows", 0..rows);
            let (text, number) = slices(lists);
            assert_eq!(text, serde_json::to_vec(&answer((0..rows).collect())).unwrap(), "{rows}");
            assert!(number >= rows as usize / SLICE_STEPS && number <= rows as usize / SLICE_STEPS + 1, "{number}");
        }
    }

    #[test]
    fn an_object_keeps_the_order_of_its_lists() {
        let rows = |of: &'static [u8]| Box::new(of.iter()) as Box<dyn Iterator<Item = &'static u8> + Send>;
        let lists = || [("a", rows(&[])), ("b", rows(&[1, 2])), ("c", rows(&[3]))];
        let head = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(slices(Lists::object(&head("{}"), lists())).0, br#"{"a":[],"b":[1,2],"c":[3]}"#);
        let after = slices(Lists::object(&head(r#"{"z":{"y":1}}"#), lists())).0;
        assert_eq!(after, br#"{"z":{"y":1},"a":[],"b":[1,2],"c":[3]}"#);
    }

    #[test]
    fn a_slice_ends_at_its_byte_limit() {
        let lists = Lists::within(
            &Answer { count: 0, name: "", rows: vec![], more: vec![] },
            "rows",
            std::iter::repeat_n("x".repeat(30_000), 9),
        );
        let (text, number) = slices(lists);
        assert!(text.len() > 270_000);
        assert_eq!(number, 4, "three rows a slice");
    }
}
