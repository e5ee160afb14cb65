//! Parameters of a query string or a form, in order: the one reader of every dialect.
//!
//! A parameter is read either as one value ([`Params::one`]) or as a list ([`Params::list`]), which accepts each spelling
//! that clients' libraries write. Whatever else is spelled with the name of a parameter that is read is rejected: to
//! ignore it would answer another question (docs/decisions/0074-lists-in-every-spelling.md). So is an unknown name that
//! looks like a filter ([`unknown`]); all others are ignored.

pub mod unknown;

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::domain::Fault;

/// Most pairs in one query string or form.
pub const MAX_PAIRS: usize = 1_000;

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

    /// Returns pairs that are decoded already; a value is `None` if it is not UTF-8.
    pub fn of(pairs: Vec<(String, Option<String>)>) -> Params<'static> {
        let pair =
            |(name, value): (String, Option<String>)| Pair { name: Cow::Owned(name), value: value.map(Cow::Owned) };
        Params(pairs.into_iter().map(pair).collect())
    }

    /// Returns the pairs with values and names of their own, independent of the text that was parsed.
    pub fn into_owned(self) -> Params<'static> {
        let owned = |Pair { name, value }: Pair<'_>| Pair {
            name: Cow::Owned(name.into_owned()),
            value: value.map(|value| Cow::Owned(value.into_owned())),
        };
        Params(self.0.into_iter().map(owned).collect())
    }

    /// Returns the value of a parameter that takes one.
    ///
    /// [`Fault::Invalid`] if it is given twice or in an array form, `name[]` or `name[0]`, since none of several values is
    /// preferred; and if it is not UTF-8.
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

    /// Returns the values of a parameter that takes several, in the order of the request: those of `name`, which may be
    /// repeated, of `name[]` and of `name[0]`, alone or mixed. They are not split at commas: [`elements`] does.
    ///
    /// [`Fault::Invalid`], with the name as it was given, for any other `name[…]` and for a value that is not UTF-8.
    pub fn list(&self, name: &str) -> Result<Vec<&str>, Fault> {
        let spelled = self.0.iter().filter_map(|pair| Some((pair, pair.name.strip_prefix(name)?)));
        let spelled = spelled.filter(|(_, rest)| rest.is_empty() || rest.starts_with('['));
        spelled.map(|(pair, rest)| if is_of_list(rest) { pair.value() } else { Err(not_a_list(&pair.name)) }).collect()
    }

    /// Iterates over the names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|pair| pair.name.as_ref())
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

/// Returns whether what follows a name marks an element of its list: nothing, `[]`, or a number in brackets.
fn is_of_list(rest: &str) -> bool {
    let inner = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    rest.is_empty() || inner.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The fault for a parameter that is spelled with the name of a list, and is no list.
pub fn not_a_list(name: &str) -> Fault {
    Fault::invalid(name, "is not a list")
}

/// Splits each value at its commas into trimmed elements; values that are all blank have none. An empty element among
/// others is kept, so that its reader rejects it or knows that it is there.
pub fn elements<'v>(values: &[&'v str]) -> Vec<&'v str> {
    if values.iter().all(|value| value.trim().is_empty()) {
        return Vec::new();
    }
    values.iter().flat_map(|value| value.split(',')).map(str::trim).collect()
}

/// Splits a comma-separated list into trimmed elements; blank text has none.
pub fn csv(text: &str) -> Vec<&str> {
    elements(&[text])
}

/// Reads the value of a parameter that is true or false. [`Fault::Invalid`] with the parameter's name for any other text.
pub fn truth(name: &str, text: &str) -> Result<bool, Fault> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(Fault::misfit_text(name, "must be true or false", other)),
    }
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
    fn array_forms_are_rejected_where_one_value_is_read() {
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
    fn lists_are_read_in_every_spelling() {
        for query in
            ["a=1,2", "a=1&a=2", "a[]=1&a[]=2", "a[0]=1&a[1]=2", "a%5B%5D=1&a%5B7%5D=2", "a=1&a[]=2", "a[]=1,2"]
        {
            let params = Params::parse(query.as_bytes()).unwrap();
            assert_eq!(elements(&params.list("a").unwrap()), ["1", "2"], "{query}");
            assert_eq!(params.list("b"), Ok(Vec::new()), "{query}");
        }
        for query in ["", "a=", "a[]=", "a=&a[0]=%20", "ab=1", "ab[]=1"] {
            assert_eq!(elements(&Params::parse(query.as_bytes()).unwrap().list("a").unwrap()), [""; 0], "{query}");
        }
    }

    #[test]
    fn what_is_no_list_is_rejected_by_its_name() {
        for name in ["a[x]", "a[0][b]", "a[][]", "a[", "a[0", "a[0]b", "a[-1]", "a[1.5]", "a[ ]"] {
            let query = format!("a=1&{}=2", name.replace('+', "%2B"));
            assert_eq!(Params::parse(query.as_bytes()).unwrap().list("a"), Err(not_a_list(name)), "{query}");
        }
        assert!(Params::parse(b"a[]=%FF").unwrap().list("a").is_err());
    }

    #[test]
    fn elements_are_trimmed_and_empty_ones_kept() {
        assert_eq!(csv(" 1, 2 "), ["1", "2"]);
        assert_eq!(csv("1,,2"), ["1", "", "2"]);
        assert_eq!(csv(" "), [""; 0]);
        assert_eq!(elements(&["1", ""]), ["1", ""]);
    }
}
