//! Parameters of a query string or a form, in order. What is ambiguous about a parameter that is read is rejected: a
//! repeated name, an array form, and a value that is not UTF-8. Parameters that are not read are ignored.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::domain::Fault;

/// Most pairs in one query string or form.
const MAX_PAIRS: usize = 1_000;

/// Names and values, decoded and in order.
#[derive(Clone, Debug, Default)]
pub struct Params<'a>(Vec<Pair<'a>>);

#[derive(Clone, Debug)]
struct Pair<'a> {
    /// Bytes that are not UTF-8 are replaced: no parameter that is read has such a name.
    name: Cow<'a, str>,
    /// `None` if the value is not UTF-8. It is rejected when it is read, since a replacement would alter it.
    value: Option<Cow<'a, str>>,
}

impl<'a> Params<'a> {
    /// Parses `name=value&…`. [`Fault::TooLarge`] past 1,000 pairs.
    pub fn parse(encoded: &'a [u8]) -> Result<Self, Fault> {
        let pairs = encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        // One more than allowed is enough to detect an excess.
        let pairs: Vec<_> = pairs.take(MAX_PAIRS + 1).map(Pair::parse).collect();
        if pairs.len() > MAX_PAIRS {
            return Err(Fault::TooLarge("1000 parameters"));
        }
        Ok(Params(pairs))
    }

    /// Returns the value of a parameter.
    ///
    /// [`Fault::Invalid`] if it is given twice or in an array form, `name[]` or `name[0]`, since to ignore one of them
    /// would answer another question; and if it is not UTF-8. docs/decisions/0066-array-forms.md has the reasons.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Fault> {
        if self.0.iter().any(|pair| pair.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('['))) {
            return Err(Fault::invalid(name, "is given as an array"));
        }
        let mut pairs = self.0.iter().filter(|pair| pair.name == name);
        match (pairs.next(), pairs.next()) {
            (None, _) => Ok(None),
            (Some(pair), None) => pair.value().map(Some),
            _ => Err(Fault::invalid(name, "is given twice")),
        }
    }

    /// Iterates over all pairs in order: their names, and their values as [`Params::one`] returns them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Result<&str, Fault>)> {
        self.0.iter().map(|pair| (pair.name.as_ref(), pair.value()))
    }
}

impl<'a> Pair<'a> {
    fn parse(encoded: &'a [u8]) -> Self {
        let equals = encoded.iter().position(|byte| *byte == b'=');
        let (name, value) = equals.map_or((encoded, &[][..]), |at| (&encoded[..at], &encoded[at + 1..]));
        let name = match decode(name) {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        };
        let value = match decode(value) {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        };
        Pair { name, value }
    }

    fn value(&self) -> Result<&str, Fault> {
        self.value.as_deref().ok_or_else(|| Fault::invalid(&*self.name, "is not UTF-8"))
    }
}

/// Decodes `application/x-www-form-urlencoded`: `+` is a space, `%` precedes two hexadecimal digits or stands for itself.
fn decode(encoded: &[u8]) -> Cow<'_, [u8]> {
    if encoded.contains(&b'+') {
        let spaced: Vec<u8> = encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        Cow::Owned(percent_decode(&spaced).collect())
    } else {
        percent_decode(encoded).into()
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
        let params = Params::parse(b"a=1&b%5Bc%5D=x%2Cy&a=1&&d=+%2B%zz&e&f=").unwrap();
        assert!(params.one("a").is_err());
        assert_eq!(params.one("b[c]"), Ok(Some("x,y")));
        assert_eq!(params.one("d"), Ok(Some(" +%zz")));
        assert_eq!((params.one("e"), params.one("f")), (Ok(Some("")), Ok(Some(""))));
        assert_eq!(params.one("z"), Ok(None));
    }

    #[test]
    fn array_forms_are_rejected_where_the_parameter_is_read() {
        for query in ["a[]=1", "a[0]=1", "a%5B%5D=1", "a=1&a[]=1", "a[]=1&a[]=2", "a[", "a[x]=1", "a[%ff]=1"] {
            let params = Params::parse(query.as_bytes()).unwrap();
            assert_eq!(params.one("a"), Err(Fault::invalid("a", "is given as an array")), "{query}");
            assert_eq!(params.one("b"), Ok(None), "{query}");
        }
        assert!(Params::parse(b"a[b][]=1").unwrap().one("a[b]").is_err());
        assert_eq!(Params::parse(b"ab[]=1").unwrap().one("a"), Ok(None));
    }

    #[test]
    fn values_that_are_not_utf8_are_rejected_where_they_are_read() {
        let params = Params::parse(b"a=Ren%E9&b=%C3%A9&c=\xff&%ff=1&d=%FF+1").unwrap();
        for name in ["a", "c", "d"] {
            assert_eq!(params.one(name), Err(Fault::invalid(name, "is not UTF-8")));
        }
        assert_eq!(params.one("b"), Ok(Some("é")));
    }

    #[test]
    fn elements_are_trimmed_and_empty_ones_kept() {
        assert_eq!(csv(" 1, 2 ").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(csv("1,,2").collect::<Vec<_>>(), ["1", "", "2"]);
        assert_eq!(csv(" ").count(), 0);
    }
}
