//! Members that are given twice: in the text of a document, and in the JSON of a request. The parsers keep the last one,
//! so that a proxy that reads the first would see another request than the one that is executed.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Violation, place};
use crate::http::graphql::guard::string_length;

/// Most characters of a name in an error message.
const MAX_NAME_SHOWN: usize = 64;

/// Rejects an argument, a variable or a member of an input object that is given twice in a document that the parser
/// accepts: the first.
pub fn check_text(text: &str) -> Result<(), Violation> {
    let mut tokens = Tokens { text, at: 0 };
    let mut open: Vec<Bracket<'_>> = Vec::new();
    while let Some(token) = tokens.next() {
        match token {
            Token::Open(b'(') => open.push(Bracket::Arguments(HashSet::new())),
            // Inside of parentheses braces hold an input object, outside of them a selection set.
            Token::Open(b'{') if open.iter().any(|bracket| matches!(bracket, Bracket::Arguments(_))) => {
                open.push(Bracket::Object(HashSet::new()));
            }
            Token::Open(_) => open.push(Bracket::Other),
            Token::Close => {
                open.pop();
            }
            Token::Name { name, at, is_variable } => {
                let (what, known) = match open.last_mut() {
                    Some(Bracket::Arguments(known)) => (if is_variable { "variable $" } else { "argument " }, known),
                    Some(Bracket::Object(known)) => ("member ", known),
                    _ => continue,
                };
                if tokens.is_before_colon() && !known.insert(name) {
                    let message = format!("the {what}{} is given twice", shown(name));
                    return Err(Violation::at(message, [place(text, at)]));
                }
            }
        }
    }
    Ok(())
}

enum Bracket<'t> {
    /// Parentheses, with the names of the arguments or variables.
    Arguments(HashSet<&'t str>),
    /// Braces of an input object, with the names of its members.
    Object(HashSet<&'t str>),
    /// A selection set or a list.
    Other,
}

enum Token<'t> {
    Open(u8),
    Close,
    Name { name: &'t str, at: usize, is_variable: bool },
}

/// The brackets and names of a document, without strings, numbers and comments.
struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Tokens<'t> {
    fn next(&mut self) -> Option<Token<'t>> {
        let mut is_variable = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => self.at += string_length(&self.text.as_bytes()[self.at..]),
                b'#' => self.skip(|byte| !matches!(byte, b'\n' | b'\r')),
                b'0'..=b'9' => self.number(),
                b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                    let start = self.at;
                    self.skip(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
                    let name = self.text.get(start..self.at).unwrap_or_default();
                    return Some(Token::Name { name, at: start, is_variable });
                }
                _ => {
                    self.at += 1;
                    match byte {
                        b'{' | b'(' | b'[' => return Some(Token::Open(byte)),
                        b'}' | b')' | b']' => return Some(Token::Close),
                        // Nothing but a name can follow.
                        b'$' => is_variable = true,
                        _ => {}
                    }
                }
            }
        }
        None
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, is_part: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&is_part) {
            self.at += 1;
        }
    }

    /// Passes the digits of a number, and its exponent: the letter there is no name.
    fn number(&mut self) {
        self.skip(|byte| byte.is_ascii_digit() || byte == b'.');
        let mut rest = self.text.as_bytes()[self.at..].iter();
        if rest.next().is_some_and(|byte| matches!(byte, b'e' | b'E'))
            && rest.find(|byte| !matches!(byte, b'+' | b'-')).is_some_and(u8::is_ascii_digit)
        {
            self.at += 1;
            self.skip(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-'));
        }
    }

    /// Returns true if a colon follows, after spaces and comments.
    fn is_before_colon(&mut self) -> bool {
        loop {
            // The bytes of a byte order mark, which counts as a space, are not ASCII; outside of strings none else are.
            self.skip(|byte| byte.is_ascii_whitespace() || byte == b',' || !byte.is_ascii());
            match self.peek() {
                Some(b'#') => self.skip(|byte| !matches!(byte, b'\n' | b'\r')),
                next => return next == Some(b':'),
            }
        }
    }
}

/// Checks the members of a request, of its variables and of its extensions, at any depth. Returns the error message for
/// the first that is given twice. A body that is not a request passes, since its parser rejects it.
pub fn check_body(body: &[u8]) -> Result<(), String> {
    let mut found = None;
    let mut json = serde_json::Deserializer::from_slice(body);
    let _is_readable = Members { found: &mut found, is_envelope: true }.deserialize(&mut json).is_ok();
    found.map_or(Ok(()), |name| Err(format!("the member {name} is given twice")))
}

/// Reads a JSON value without keeping it.
struct Members<'f> {
    /// The path of the member that is given twice, innermost name first while it is returned outwards.
    found: &'f mut Option<String>,
    /// True for the request itself, of whose members only these two can hold more.
    is_envelope: bool,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Members { found: self.found, is_envelope: false })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut known = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if known.contains(&name) {
                *self.found = Some(shown(&name));
                return Err(A::Error::custom("a member is given twice"));
            }
            if self.is_envelope && !matches!(name.as_str(), "variables" | "extensions") {
                members.next_value::<IgnoredAny>()?;
            } else {
                let inside = members.next_value_seed(Members { found: self.found, is_envelope: false });
                if let (Err(_), Some(path)) = (&inside, self.found.as_mut()) {
                    *path = format!("{}.{path}", shown(&name));
                }
                inside?;
            }
            known.insert(name);
        }
        Ok(())
    }
}

fn shown(name: &str) -> String {
    name.chars().take(MAX_NAME_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn documents_name_what_is_given_twice() {
        for (text, expected) in [
            ("{a(b:1 c:2)}", None),
            ("{a(b:1 b:2)}", Some("argument b")),
            ("{a(b:1,\u{feff}#:\nc:2, b #(\n :\"b:\")}", Some("argument b")),
            ("{a @b(c:1 c:1)}", Some("argument c")),
            ("query($a:B $c:D){e}", None),
            ("query($a:B=1 $ a:C){e}", Some("variable $a")),
            ("{a(b:{c:1 d:{c:2}} c:[{c:1}{c:2}])}", None),
            ("{a(b:{c:1 c:2})}", Some("member c")),
            ("{a(b:[{c:{d:[{e:1,e:2}]}}])}", Some("member e")),
            ("query($a:B={c:1 c:2}){e}", Some("member c")),
            ("{a:b a:b c{a:b a:b}}", None),
            ("{a(b:c c:b d:$e e:$d)}", None),
            ("{a(b:\"b:1 b:2\" c:\"\"\"c: \\\"\"\" c:\"\"\")}", None),
            ("{a(b:1e5 e5:-2.5E-3 E:1)}", None),
            ("{a(b:1e5 e5:1 e5:2)}", Some("argument e5")),
            ("{a(b:{c:-1.5e+7 d:true c:null})}", Some("member c")),
            ("{a{b(c:[1 2]) d}} fragment f on G{a(c:1) b(c:{d:1}) e(d:1 d:2)}", Some("argument d")),
        ] {
            assert!(parse_query(text).is_ok(), "{text}");
            let expected = expected.map_or(Ok(()), |what| Err(format!("the {what} is given twice")));
            assert_eq!(check_text(text).map_err(|found| found.message), expected, "{text}");
        }
    }

    #[test]
    fn bodies_name_what_is_given_twice() {
        for (body, expected) in [
            (r#"{"query":"{a}","variables":{"a":{"b":1},"b":[{"a":1},{"a":2}]},"extensions":null}"#, None),
            (r#"{"query":"{a}","query":"{b}"}"#, Some("query")),
            (r#"{"operationName":null,"operationName":null}"#, Some("operationName")),
            (r#"{"variables":{},"variables":{}}"#, Some("variables")),
            (r#"{"other":{"a":1,"a":2},"other":1}"#, Some("other")),
            (r#"{"variables":{"a":1,"a":2}}"#, Some("variables.a")),
            (r#"{"variables":{"a":1,"\u0061":2}}"#, Some("variables.a")),
            (r#"{"variables":{"a":[0,{"b":{"c":1,"d":[],"c":1}}]}}"#, Some("variables.a.b.c")),
            (r#"{"extensions":{"a":{"b":1.5,"b":true}}}"#, Some("extensions.a.b")),
            (r#"{"variables":{"a":1,"b""#, None),
            ("[", None),
            ("1", None),
        ] {
            let expected = expected.map_or(Ok(()), |name| Err(format!("the member {name} is given twice")));
            assert_eq!(check_body(body.as_bytes()), expected, "{body}");
        }
    }
}
