//! Parameters of a query string or a form, in order. Repeated names are detected.

use std::borrow::Cow;

use crate::domain::Fault;

/// Most pairs in one query string or form.
const MAX_PAIRS: usize = 1_000;

/// Names and values, decoded and in order.
#[derive(Clone, Debug, Default)]
pub struct Params<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Params<'a> {
    /// Parses `name=value&…`. [`Fault::TooLarge`] past 1,000 pairs.
    pub fn parse(encoded: &'a [u8]) -> Result<Self, Fault> {
        // One more than allowed is enough to detect an excess.
        let pairs: Vec<_> = form_urlencoded::parse(encoded).take(MAX_PAIRS + 1).collect();
        if pairs.len() > MAX_PAIRS {
            return Err(Fault::TooLarge("1000 parameters"));
        }
        Ok(Params(pairs))
    }

    /// Returns the value of a parameter. [`Fault::Invalid`] if it is given twice, since it is ambiguous.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Fault> {
        let mut values = self.0.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_ref());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Fault::invalid(name, "is given twice")),
        }
    }

    /// Iterates over all pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

/// Splits a comma-separated list into trimmed elements; blank text has none.
pub fn csv(text: &str) -> impl Iterator<Item = &str> {
    let is_empty = text.trim().is_empty();
    text.split(',').map(str::trim).filter(move |_| !is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_are_rejected() {
        let params = Params::parse(b"a=1&b%5Bc%5D=x%2Cy&a=1").unwrap();
        assert!(params.one("a").is_err());
        assert_eq!(params.one("b[c]"), Ok(Some("x,y")));
        assert_eq!(params.one("z"), Ok(None));
    }

    #[test]
    fn elements_are_trimmed_and_empty_ones_kept() {
        assert_eq!(csv(" 1, 2 ").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(csv("1,,2").collect::<Vec<_>>(), ["1", "", "2"]);
        assert_eq!(csv(" ").count(), 0);
    }
}
