//! Splits a file into the bodies of requests. Lines that are not JSON are rejected here, where their number is known.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::cli::Failure;

/// Most bytes of one request; the service accepts 8 MiB.
const MAX_BYTES: usize = 8 * 1024 * 1024 - 1;

/// The events of one request.
#[derive(Debug)]
pub struct Batch {
    /// The body: one event per line.
    pub body: Bytes,
    /// The number of each event's line in the file, from 1.
    pub lines: Vec<u64>,
}

impl Batch {
    /// Returns the range of lines, for messages.
    pub fn place(&self) -> String {
        match self.lines.as_slice() {
            [] => String::from("no lines"),
            [line] => format!("line {line}"),
            [first, .., last] => format!("lines {first} to {last}"),
        }
    }
}

/// One line, with its number.
struct Line {
    number: u64,
    text: Vec<u8>,
}

/// The batches of one file, in its order.
pub struct Batches {
    reader: Box<dyn BufRead + Send>,
    limit: usize,
    number: u64,
    bytes: u64,
    /// The line that did not fit into the batch before.
    held: Option<Line>,
}

impl Batches {
    /// Opens a file, or standard input for `-`. Returns the size as well, if it is known.
    pub fn open(path: &Path, limit: usize) -> io::Result<(Self, Option<u64>)> {
        let (reader, size): (Box<dyn BufRead + Send>, _) = if path == Path::new("-") {
            (Box::new(BufReader::new(io::stdin())), None)
        } else {
            let file = File::open(path)?;
            let about = file.metadata()?;
            if about.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            (Box::new(BufReader::new(file)), about.is_file().then_some(about.len()))
        };
        Ok((Batches { reader, limit, number: 0, bytes: 0, held: None }, size))
    }

    /// Returns the number of bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// Returns the next batch, or `None` at the end of the file.
    pub fn next(&mut self) -> Result<Option<Batch>, Failure> {
        let (mut body, mut lines) = (Vec::new(), Vec::new());
        while lines.len() < self.limit {
            let line = match self.held.take() {
                Some(line) => line,
                None => match self.read()? {
                    Some(line) => line,
                    None => break,
                },
            };
            if body.len() + line.text.len() + 1 > MAX_BYTES {
                self.held = Some(line);
                break;
            }
            body.extend_from_slice(&line.text);
            body.push(b'\n');
            lines.push(line.number);
        }
        Ok((!lines.is_empty()).then(|| Batch { body: body.into(), lines }))
    }

    /// Returns the next line that is not blank. A line that can never be sent is an error.
    fn read(&mut self) -> Result<Option<Line>, Failure> {
        loop {
            let mut text = Vec::new();
            let mut bounded = (&mut self.reader).take(MAX_BYTES as u64 + 1);
            let read = bounded.read_until(b'\n', &mut text);
            self.number += 1;
            let refuse = |why: &dyn std::fmt::Display| Failure::other(format!("line {}: {why}", self.number));
            let read = read.map_err(|error| refuse(&error))?;
            if read == 0 {
                return Ok(None);
            }
            self.bytes += read as u64;
            let text = text.trim_ascii();
            if text.len() >= MAX_BYTES {
                return Err(refuse(&"larger than the 8 MiB that one request may have"));
            }
            if text.is_empty() {
                continue;
            }
            // The service would reject the whole request for such a line, without its number.
            serde_json::from_slice::<IgnoredAny>(text)
                .map_err(|error| refuse(&format_args!("not JSON, from column {}", error.column())))?;
            std::str::from_utf8(text).map_err(|error| refuse(&error))?;
            return Ok(Some(Line { number: self.number, text: text.to_vec() }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &'static str, limit: usize) -> Batches {
        Batches { reader: Box::new(text.as_bytes()), limit, number: 0, bytes: 0, held: None }
    }

    #[test]
    fn lines_keep_their_order_and_numbers() {
        let mut batches = of("{\"a\":1}\r\n\n {\"a\":2} \n{\"a\":3}", 2);
        let first = batches.next().unwrap().unwrap();
        assert_eq!(&first.body[..], b"{\"a\":1}\n{\"a\":2}\n");
        assert_eq!((first.lines.as_slice(), first.place()), ([1, 3].as_slice(), String::from("lines 1 to 3")));
        let second = batches.next().unwrap().unwrap();
        assert_eq!((&second.body[..], second.place()), (b"{\"a\":3}\n".as_slice(), String::from("line 4")));
        assert!(batches.next().unwrap().is_none());
    }

    #[test]
    fn errors_name_the_line_that_is_not_json() {
        let failure = of("{}\n{,}\n", 10).next().unwrap_err();
        assert!(format!("{failure:?}").contains("line 2: not JSON, from column 2"), "{failure:?}");
    }

    #[test]
    fn batches_stay_below_the_size_limit_of_a_request() {
        let line = format!("\"{}\"\n", "x".repeat(3 * 1024 * 1024));
        let mut batches = of(Box::leak(line.repeat(3).into_boxed_str()), 10);
        assert_eq!(batches.next().unwrap().unwrap().lines, [1, 2]);
        assert_eq!(batches.next().unwrap().unwrap().lines, [3]);
        let line = format!("\"{}\"\n", "x".repeat(9 * 1024 * 1024));
        assert!(of(Box::leak(line.into_boxed_str()), 10).next().is_err());
    }
}
