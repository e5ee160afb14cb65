//! Parameters of a query string or a form: pairs in order, in which a repeated name is noticed.

use std::borrow::Cow;

use crate::domain::Fault;

/// Pairs one query string or form may have.
const MAX_PAIRS: usize = 1_000;

/// Decoded pairs.
#[derive(Clone, Debug, Default)]
pub struct Params<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Params<'a> {
    /// Reads `name=value&…`.
    pub fn parse(encoded: &'a [u8]) -> Result<Self, Fault> {
        let pairs: Vec<_> = form_urlencoded::parse(encoded).take(MAX_PAIRS + 1).collect();
        if pairs.len() > MAX_PAIRS {
            return Err(Fault::TooLarge("1000 parameters"));
        }
        Ok(Params(pairs))
    }

    /// The value of a parameter that may be given once: which of two was meant is never guessed.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Fault> {
        let mut values = self.0.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_ref());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Fault::invalid(name, "is given twice")),
        }
    }

    /// Every pair.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

/// The elements of a comma-separated list, trimmed; none for an empty text.
pub fn csv(text: &str) -> impl Iterator<Item = &str> {
    let is_empty = text.trim().is_empty();
    text.split(',').map(str::trim).filter(move |_| !is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_name_is_not_guessed() {
        let params = Params::parse(b"a=1&b%5Bc%5D=x%2Cy&a=1").unwrap();
        assert!(params.one("a").is_err());
        assert_eq!(params.one("b[c]"), Ok(Some("x,y")));
        assert_eq!(params.one("z"), Ok(None));
    }

    #[test]
    fn lists_are_trimmed_and_keep_their_holes() {
        assert_eq!(csv(" 1, 2 ").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(csv("1,,2").collect::<Vec<_>>(), ["1", "", "2"]);
        assert_eq!(csv(" ").count(), 0);
    }
}
