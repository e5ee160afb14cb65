//! The files of a page under addresses with a hash of all of them, so that browsers keep them for good and never mix two
//! versions. Comments are not sent, and everything is compressed once.

use std::collections::BTreeMap;
use std::io::Write;

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::{accepts_gzip, has, kind};
use crate::domain::Fault;
use crate::http::extract::reply::IsStatic;
use crate::http::fault::NativeFault;

/// The page itself, which has the addresses of its files.
const INDEX: &str = "index.html";
/// Stands for the hash in the page.
const PLACEHOLDER: &str = "HASH";
/// Endings of published files, which are sent as they are.
const PUBLISHED: [&str; 4] = [".min.js", ".min.css", "lit-html.js", ".txt"];

/// A file in both forms that are sent.
pub struct Asset {
    /// Without comments.
    pub plain: Bytes,
    /// The same, compressed.
    pub gzip: Bytes,
}

impl Asset {
    fn new(text: Vec<u8>) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to memory does not fail. An empty compressed form would be noticed by the test of all forms.
        let gzip = encoder.write_all(&text).and_then(|()| encoder.finish()).unwrap_or_default();
        Asset { plain: Bytes::from(text), gzip: Bytes::from(gzip) }
    }

    /// Responds with the file, compressed where the client accepts that.
    fn response(&self, name: &str, is_packed: bool) -> Response<Body> {
        let mut response = Response::new(Body::from(if is_packed { self.gzip.clone() } else { self.plain.clone() }));
        response.headers_mut().insert(CONTENT_TYPE, kind(name));
        if is_packed {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        // The bytes are shared by all responses.
        response.extensions_mut().insert(IsStatic);
        response
    }
}

/// The files of one page.
pub struct Bundle {
    /// A hash of all files, in hexadecimal digits.
    pub hash: String,
    /// The page.
    pub index: Asset,
    files: BTreeMap<String, Asset>,
}

impl Bundle {
    /// Prepares the files of a folder below `web`.
    pub fn of<Files: RustEmbed>() -> Self {
        let mut names: Vec<String> = Files::iter().map(|name| name.into_owned()).collect();
        names.sort();
        let mut files = BTreeMap::new();
        let mut hash = Sha256::new();
        for name in names {
            let Some(file) = Files::get(&name) else { continue };
            hash.update(file.metadata.sha256_hash());
            let text = match std::str::from_utf8(&file.data) {
                Ok(text) if !PUBLISHED.iter().any(|ending| name.ends_with(ending)) => {
                    without_comments(text).into_bytes()
                }
                _ => file.data.into_owned(),
            };
            files.insert(name, text);
        }
        let hash: String = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let index = String::from_utf8_lossy(&files.remove(INDEX).unwrap_or_default()).replace(PLACEHOLDER, &hash);
        let files = files.into_iter().map(|(name, text)| (name, Asset::new(text))).collect();
        Bundle { hash, index: Asset::new(index.into_bytes()), files }
    }

    /// Responds with the page, under a Content-Security-Policy; 304 if the client has it already. `vary` names the headers
    /// by which the answers of its address differ.
    pub fn page(&self, headers: &HeaderMap, policy: &str, vary: &'static str) -> Response<Body> {
        let is_packed = accepts_gzip(headers);
        let tag = format!("\"{}{}\"", self.hash, if is_packed { "-gzip" } else { "" });
        // Hexadecimal digits in quotes, and policies, are visible ASCII, which every header may have.
        let header = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        let tag = header(&tag);
        let mut response = if has(headers, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            self.index.response(INDEX, is_packed)
        };
        response.headers_mut().extend([
            (ETAG, tag),
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (VARY, HeaderValue::from_static(vary)),
            (CONTENT_SECURITY_POLICY, header(policy)),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ]);
        response
    }

    /// Responds with a file of this version of the page; 404 for that of another one.
    pub fn respond(&self, hash: &str, name: &str, headers: &HeaderMap) -> Response<Body> {
        let Some(asset) = self.file(hash, name) else { return NativeFault(Fault::NotFound("file")).into_response() };
        let mut response = asset.response(name, accepts_gzip(headers));
        response.headers_mut().extend([
            // Another content has another address.
            (CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
            (VARY, HeaderValue::from_static("accept-encoding")),
            (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")),
        ]);
        response
    }

    /// Returns a file of this version; `None` for another name or another version's hash.
    pub fn file(&self, hash: &str, name: &str) -> Option<&Asset> {
        if hash == self.hash { self.files.get(name) } else { None }
    }
}

/// Removes the lines that are comments as a whole: of `//`, and from one that begins with `/*` to one that ends with `*/`.
fn without_comments(text: &str) -> String {
    let mut in_block = false;
    let mut kept = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        in_block |= trimmed.starts_with("/*");
        if !in_block && !trimmed.starts_with("//") {
            kept.push_str(line);
        }
        in_block &= !trimmed.ends_with("*/");
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_are_comments() {
        let text = "// a\nlet b = \"//c\"; // d\n  /** e */\n/*\n f\n */\nlet g = `\n  http://h\n`;\n";
        assert_eq!(without_comments(text), "let b = \"//c\"; // d\nlet g = `\n  http://h\n`;\n");
        assert_eq!(without_comments("a { b: c } /* d\n"), "a { b: c } /* d\n");
    }
}
