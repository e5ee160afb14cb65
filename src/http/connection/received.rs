//! What a connection has received of a head that is not complete, and of a body beside its content.

use std::io::{Error, ErrorKind, Result};

/// Bytes of an unfinished head, or of an unfinished handshake, above which it is long. The usual ones are shorter, and fit
/// the buffer that every connection has.
pub const SHORT_HEAD_BYTES: usize = 8 * 1024;
/// Bytes that may frame one body beside its content: sizes and extensions of chunks, and records of TLS. Each is handled
/// alone, so that a body in chunks of one byte takes as much processor time as one of thousands of times its size. An
/// eighth of the content is allowed in addition.
pub const FRAMING_BYTES: usize = 512 * 1024;

/// The counts of one connection.
#[derive(Debug, Default)]
pub struct Received {
    /// Bytes since the connection began, or since the response before was written.
    head: usize,
    has_long_head: bool,
    /// While a body is being received: the bytes that may still frame it.
    framing: Option<i64>,
    /// The bodies so far. The handler of one may drop it after the next has begun.
    bodies: u64,
    /// Over HTTP/2: the bytes that may still be received beside the content of bodies.
    frames: Option<i64>,
    /// True from the end of a request's head until its response is written, and for desks.
    is_answering: bool,
}

impl Received {
    /// Counts bytes that arrived. Returns true if they make an unfinished head long. An error if too many bytes frame a
    /// body.
    pub fn count(&mut self, bytes: usize) -> Result<bool> {
        if let Some(frames) = &mut self.frames {
            *frames -= bytes as i64;
            if *frames < 0 {
                return Err(Error::new(ErrorKind::InvalidData, "too many frames for the requests and their bodies"));
            }
        }
        if let Some(framing) = &mut self.framing {
            *framing -= bytes as i64;
            return match *framing {
                0.. => Ok(false),
                _ => Err(Error::new(ErrorKind::InvalidData, "the body has too little content for its framing")),
            };
        }
        if self.is_answering || self.has_long_head {
            return Ok(false);
        }
        self.head += bytes;
        self.has_long_head = self.head > SHORT_HEAD_BYTES;
        Ok(self.has_long_head)
    }

    /// Records the end of a head.
    pub fn head_ended(&mut self) {
        (self.head, self.has_long_head) = (0, false);
    }

    /// Records that the connection is one of HTTP/2. Its frames are counted together, since those of a body look
    /// like others here: every byte that is received takes one of [`FRAMING_BYTES`], and heads, content of bodies
    /// and content of responses, for which windows are updated, give theirs back.
    pub fn multiplex(&mut self) {
        self.frames = Some(FRAMING_BYTES as i64);
    }

    fn give_back(&mut self, bytes: usize) {
        if let Some(frames) = &mut self.frames {
            *frames = (*frames + bytes as i64).min(FRAMING_BYTES as i64);
        }
    }

    /// Records bytes of a response's content.
    pub fn content_sent(&mut self, bytes: usize) {
        self.give_back(bytes);
    }

    /// Records the end of a request's head of so many bytes. Compressed it can be much shorter, so that only the length
    /// of a usual one is given back.
    pub fn request_started(&mut self, head_bytes: usize) {
        self.give_back(head_bytes.min(SHORT_HEAD_BYTES));
        self.head_ended();
        self.is_answering = true;
    }

    /// Records that a body begins, and returns its number.
    pub fn body_started(&mut self) -> u64 {
        self.framing = self.frames.is_none().then_some(FRAMING_BYTES as i64);
        self.bodies += 1;
        self.bodies
    }

    /// Counts bytes of a body's content, which were counted when they arrived.
    pub fn body_received(&mut self, number: u64, bytes: usize) {
        self.give_back(bytes + bytes / 8);
        if let Some(framing) = self.framing.as_mut().filter(|_| number == self.bodies) {
            *framing += (bytes + bytes / 8) as i64;
        }
    }

    /// Records that no more of a body is received.
    pub fn body_ended(&mut self, number: u64) {
        if number == self.bodies {
            self.framing = None;
        }
    }

    /// Records that the response was written: what arrives next is a head.
    pub fn answered(&mut self) {
        self.head_ended();
        self.is_answering = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_head_becomes_long_once() {
        let mut received = Received::default();
        assert!(!received.count(SHORT_HEAD_BYTES).unwrap());
        assert!(received.count(1).unwrap());
        assert!(!received.count(1).unwrap());
        received.request_started(100);
        assert!(!received.count(SHORT_HEAD_BYTES * 2).unwrap(), "this is no head");
        received.answered();
        assert!(!received.count(SHORT_HEAD_BYTES).unwrap());
        assert!(received.count(1).unwrap());
    }

    #[test]
    fn a_body_needs_content() {
        let mut received = Received::default();
        received.request_started(100);
        let first = received.body_started();
        for _ in 0..10_000 {
            // Chunks of 48 bytes, each with a size and two line ends.
            assert!(!received.count(54).unwrap());
            received.body_received(first, 48);
        }
        for _ in 0..FRAMING_BYTES / 6 {
            received.count(6).unwrap();
        }
        assert!(received.count(6).is_err());
        let second = received.body_started();
        received.body_ended(first);
        received.body_received(first, FRAMING_BYTES);
        assert!(!received.count(FRAMING_BYTES).unwrap());
        assert!(received.count(6).is_err(), "the end of a body before changes nothing");
        received.body_ended(second);
        assert!(!received.count(6).unwrap());
    }

    #[test]
    fn frames_need_requests_or_content() {
        let mut received = Received::default();
        received.multiplex();
        let (first, second) = (received.body_started(), received.body_started());
        for _ in 0..100_000 {
            // Frames of two bodies at once, each with a head of nine bytes, and an update of a window for each answer.
            assert!(received.count(2 * (100 + 9) + 13).is_ok());
            received.body_received(first, 100);
            received.body_received(second, 100);
            received.content_sent(13);
        }
        for _ in 0..FRAMING_BYTES / 17 {
            received.count(17).unwrap();
        }
        assert!(received.count(17).is_err(), "pings alone");
        let mut received = Received::default();
        received.multiplex();
        for _ in 0..100_000 {
            received.count(300).unwrap();
            received.request_started(300);
        }
        // One byte that stands for a long head.
        received.request_started(FRAMING_BYTES);
        received.count(FRAMING_BYTES - 1).unwrap();
        assert!(received.count(2).is_err());
    }
}
