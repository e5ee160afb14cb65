//! The path below which a proxy publishes the service.

use std::fmt;
use std::str::FromStr;

/// A path such as `/presence`, without a slash at its end. The default is the root of the host, which is displayed as an
/// empty text, so that a path of the service can follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// Returns true for the root of the host.
    pub const fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the first segment; an empty text for the root.
    pub fn first_segment(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or_default()
    }

    /// Returns the last segment; an empty text for the root.
    pub fn last_segment(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Returns what follows the base path in a path below it, from its slash on; an empty text for the base path itself.
    /// `None` for a path that is not below it, and for every path if the base path is the root.
    pub fn rest_of<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.is_root() {
            return None;
        }
        path.strip_prefix(&self.0).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BasePath {
    type Err = &'static str;

    /// Accepts one spelling of each path. Others, such as one with a slash at its end, are rejected rather than corrected:
    /// the proxy has the path too, and the two should not differ.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "a base path is / or begins with a slash and does not end with one, such as /presence or \
                              /tools/presence; its segments have letters, digits and -._~ only, and are not . or ..";
        let is_segment = |segment: &str| {
            let is_plain = segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
            is_plain && !matches!(segment, "" | "." | "..")
        };
        match text.strip_prefix('/') {
            // An empty variable counts as unset.
            None if text.is_empty() => Ok(BasePath::default()),
            Some("") => Ok(BasePath::default()),
            Some(path) if path.split('/').all(is_segment) => Ok(BasePath(text.to_owned())),
            _ => Err(WANTED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> BasePath {
        text.parse().unwrap()
    }

    #[test]
    fn base_paths_have_one_spelling() {
        for good in ["/presence", "/tools/presence", "/a-b_c.d~e", "/..a"] {
            assert_eq!(base(good).to_string(), good);
        }
        assert!(base("/").is_root() && base("").is_root() && base("/").to_string().is_empty());
        for bad in ["presence", "/presence/", "//", "/a//b", "/.", "/a/..", "/a b", "/%61", "/a?b", "/ä", "https://a/b"]
        {
            assert!(bad.parse::<BasePath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_are_below_it_by_segments() {
        let presence = base("/presence");
        assert_eq!(presence.rest_of("/presence/livez"), Some("/livez"));
        assert_eq!(presence.rest_of("/presence"), Some(""));
        assert_eq!(presence.rest_of("/presence//"), Some("//"));
        for path in ["/presences/livez", "/livez", "/a/presence", "", "/Presence/livez"] {
            assert_eq!(presence.rest_of(path), None, "{path}");
        }
        assert_eq!(base("/").rest_of("/livez"), None);
        assert_eq!((base("/a/b").first_segment(), base("/").first_segment()), ("a", ""));
        assert_eq!((base("/a/b").last_segment(), base("/").last_segment()), ("b", ""));
    }
}
