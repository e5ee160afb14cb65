//! The `Accept` header (RFC 9110, section 12.5.1).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// The media ranges of a request's `Accept` that can be read.
pub struct MediaRanges(Vec<Range>);

/// One media range.
struct Range {
    /// In lower case, without parameters.
    essence: String,
    /// The preference in thousandths; 0 excludes the range.
    quality: u16,
}

impl MediaRanges {
    /// Reads the header.
    pub fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        MediaRanges(values.flat_map(|value| value.split(',')).filter_map(Range::parse).collect())
    }

    /// Returns true without a header, or with one of which nothing can be read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the quality of a type in thousandths: that of the most specific range that matches it, and of several the
    /// highest. `breadth` returns how specific a range is that matches, greater for more specific ones.
    pub fn quality<B: Ord>(&self, breadth: impl Fn(&str) -> Option<B>) -> Option<u16> {
        let matching = self.0.iter().filter_map(|range| Some((breadth(&range.essence)?, range.quality)));
        matching.max().map(|(_, quality)| quality)
    }

    /// Returns the quality of one media type, such as `text/html`, by its name or by a wildcard; 0 if it is not accepted.
    pub fn quality_of(&self, essence: &str) -> u16 {
        let kind = essence.split('/').next().unwrap_or_default();
        let quality = self.quality(|range| match range.strip_suffix("/*") {
            Some("*") => Some(0),
            Some(all_of) => (all_of == kind).then_some(1),
            None => (range == essence).then_some(2),
        });
        quality.unwrap_or(0)
    }
}

impl Range {
    /// Parses a range; `None` if it cannot be read.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let essence = parts.next()?.to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        if kind.is_empty() || subtype.is_empty() {
            return None;
        }
        let weight = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f32>().ok())
        });
        let weight = weight.unwrap_or(Some(1.0)).filter(|weight| (0.0..=1.0).contains(weight))?;
        Some(Range { essence, quality: (weight * 1_000.0).round() as u16 })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_most_specific_range_decides() {
        for (accept, expected) in [
            ("text/html", 1_000),
            ("TEXT/HTML;q=0.5", 500),
            ("text/*;q=0.3, text/html;q=0.2, */*", 200),
            ("text/*;q=0.3, */*", 300),
            ("*/*;q=0.1", 100),
            ("text/html;q=0, */*", 0),
            ("application/json", 0),
            ("", 0),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(MediaRanges::of(&headers).quality_of("text/html"), expected, "{accept}");
        }
    }
}
