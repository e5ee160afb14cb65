//! The first bytes of a connection without TLS, which show the version of HTTP (RFC 9113, section 3.3: prior knowledge).

use std::io::Result;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::http::connection::prefixed::Prefixed;

/// The bytes with which clients of HTTP/2 begin. No request of HTTP/1.1 begins with them.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Http1,
    Http2,
}

/// Reads until the version is certain: mostly one read. The stream that is returned has all bytes.
pub async fn read<S: AsyncRead + Unpin>(mut stream: S) -> Result<(Version, Prefixed<S>)> {
    let mut read = BytesMut::with_capacity(PREFACE.len());
    let version = loop {
        let missing = PREFACE.len() - read.len();
        let is_end = stream.read_buf(&mut (&mut read).limit(missing)).await? == 0;
        if is_end || !PREFACE.starts_with(&read) {
            break Version::Http1;
        }
        if read.len() == PREFACE.len() {
            break Version::Http2;
        }
    };
    Ok((version, Prefixed::new(read.freeze(), stream)))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn the_version_is_known_by_the_first_bytes_and_none_is_lost() {
        for (sent, expected) in [
            (&b"GET / HTTP/1.1\r\n"[..], Version::Http1),
            (b"P", Version::Http1),
            (b"PRI * HTTP/2.0\r\n\r\nSM", Version::Http1),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04", Version::Http2),
            (b"", Version::Http1),
        ] {
            for piece in [1, 7, 100] {
                let (mut ours, theirs) = duplex(64);
                for piece in sent.chunks(piece) {
                    ours.write_all(piece).await.unwrap();
                }
                drop(ours);
                let (version, mut stream) = read(theirs).await.unwrap();
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await.unwrap();
                assert_eq!((version, rest.as_slice()), (expected, sent));
            }
        }
    }
}
