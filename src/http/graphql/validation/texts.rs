//! The text of a document before it is parsed: escapes that the parser does not have, and errors that name what is wrong.
//!
//! The specification has two spellings of a character beyond U+FFFF in a string, a pair of surrogates and braces
//! (September 2025, 2.9.4). The parser has neither, and rejects both with a drawing of the line.

use std::borrow::Cow;
use std::str::Chars;

use async_graphql::parser::Error;

use super::{Violation, place};
use crate::http::graphql::guard::string_length;

/// Most characters of a name in an error message.
const MAX_NAME_SHOWN: usize = 64;

/// Returns the document with every character of its strings in a form that the parser reads. Where a form is shorter than
/// the one before, spaces after the string keep what follows in its column.
///
/// A violation is a character that no document has outside of strings and comments, an escape that there is not, or half
/// of a surrogate pair.
pub fn decode(document: &str) -> Result<Cow<'_, str>, Violation> {
    let (text, mut at) = (document.as_bytes(), 0);
    let mut decoded = String::new();
    // The bytes before this one are in `decoded`.
    let mut done = 0;
    // The name before the last colon: that of the argument, the member or the variable that a string is a value of.
    let mut name = "";
    while let Some(byte) = text.get(at) {
        let length = match byte {
            b'"' => {
                let length = string_length(&text[at..]);
                let string = document.get(at..at + length).unwrap_or_default();
                if !string.starts_with("\"\"\"") && string.contains('\\') {
                    let found = plain(string).map_err(|why| violation(why, name, document, at))?;
                    if let Some(plain) = found {
                        decoded.push_str(document.get(done..at).unwrap_or_default());
                        let shorter = string.chars().count().saturating_sub(plain.chars().count());
                        decoded.push_str(&plain);
                        decoded.extend(std::iter::repeat_n(' ', shorter));
                        done = at + length;
                    }
                }
                length
            }
            b'#' => count(&text[at..], |byte| !matches!(byte, b'\n' | b'\r')),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let length = count(&text[at..], |byte| byte == b'_' || byte.is_ascii_alphanumeric());
                let spaces = count(&text[at + length..], |byte| byte.is_ascii_whitespace() || byte == b',');
                if text.get(at + length + spaces) == Some(&b':') {
                    name = document.get(at..at + length).unwrap_or_default();
                }
                length
            }
            b'\t' | b'\n' | b'\r' => 1,
            0..0x20 | 0x7f => {
                let why = format!("the document has the character U+{byte:04X} outside of strings and comments");
                return Err(Violation::at(why, [place(document, at)]));
            }
            _ => 1,
        };
        at += length;
    }
    if done == 0 {
        return Ok(Cow::Borrowed(document));
    }
    decoded.push_str(document.get(done..).unwrap_or_default());
    Ok(Cow::Owned(decoded))
}

fn count(text: &[u8], is_part: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|byte| is_part(**byte)).count()
}

fn violation(why: &str, name: &str, document: &str, at: usize) -> Violation {
    let name: String = name.chars().take(MAX_NAME_SHOWN).collect();
    Violation::at(format!("the value of {name} is not a string: it has {why}"), [place(document, at)])
}

/// Returns a string with its quotes, without the escapes that the parser does not have; `None` if it has none of them.
fn plain(string: &str) -> Result<Option<String>, &'static str> {
    let (mut plain, mut is_other, mut chars) = (String::new(), false, string.chars());
    while let Some(next) = chars.next() {
        if next != '\\' {
            plain.push(next);
            continue;
        }
        match chars.next() {
            Some('u') => {
                let (code, is_known) = escaped(&mut chars)?;
                is_other |= !is_known;
                match u16::try_from(u32::from(code)) {
                    // As an escape, since it can be a quotation mark.
                    Ok(code) => plain.push_str(&format!("\\u{code:04x}")),
                    Err(_) => plain.push(code),
                }
            }
            Some(known @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't')) => plain.extend(['\\', known]),
            _ => return Err("an escape that is not defined"),
        }
    }
    Ok(is_other.then_some(plain))
}

/// Reads what follows `\u`. Returns the character, and true if the parser reads this spelling.
fn escaped(chars: &mut Chars<'_>) -> Result<(char, bool), &'static str> {
    const UNKNOWN: &str = "an escape that is not four hexadecimal digits, or a number of a character in braces";
    const HALF: &str = "half of a surrogate pair";
    if chars.as_str().starts_with('{') {
        let (digits, rest) = chars.as_str()[1..].split_once('}').ok_or(UNKNOWN)?;
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let code = is_number.then(|| u32::from_str_radix(digits, 16).ok()).flatten().ok_or(UNKNOWN)?;
        *chars = rest.chars();
        return Ok((char::from_u32(code).ok_or(UNKNOWN)?, false));
    }
    let first = digits(chars).ok_or(UNKNOWN)?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, true));
    }
    let second = chars.as_str().strip_prefix("\\u").map(str::chars).and_then(|mut rest| {
        let second = digits(&mut rest)?;
        *chars = rest;
        Some(second)
    });
    let units = [first as u16, second.ok_or(HALF)? as u16];
    let pair = char::decode_utf16(units).next().and_then(Result::ok).ok_or(HALF)?;
    Ok((pair, false))
}

/// Reads four hexadecimal digits.
fn digits(chars: &mut Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |code, _| Some(code * 16 + chars.next()?.to_digit(16)?))
}

/// Returns what the parser found, without its drawing of the line.
pub fn unparsed(error: &Error) -> Violation {
    let mut places: Vec<_> = error.positions().collect();
    places.sort_unstable();
    let message = error.to_string();
    let message = match (error, places.first()) {
        (Error::Syntax { message, .. }, Some(at)) => {
            let why = message.rsplit_once("= ").map_or("it is not complete", |(_, why)| why.trim());
            format!("the document cannot be parsed at line {} column {}: {}", at.line, at.column, why.replace('_', " "))
        }
        _ => message,
    };
    Violation { message, places }
}

#[cfg(test)]
mod tests {
    use async_graphql::Pos;
    use async_graphql::parser::parse_query;

    use super::*;

    fn refused(document: &str) -> (String, Vec<Pos>) {
        let found = decode(document).and_then(|text| match parse_query(text) {
            Ok(_) => Ok(()),
            Err(error) => Err(unparsed(&error)),
        });
        let Violation { message, places } = found.unwrap_err();
        (message, places)
    }

    #[test]
    fn characters_in_every_spelling_are_read() {
        for (string, expected) in [
            (r#""a""#, "a"),
            (r#""\u0061\n\"""#, "a\n\""),
            (r#""\ud83d\ude00!""#, "\u{1f600}!"),
            (r#""\uD83D\uDE00\uD83D\uDE01""#, "\u{1f600}\u{1f601}"),
            (r#""\u{1F600}\u{22}\u{5c}\u{0}""#, "\u{1f600}\"\\\u{0}"),
            (r#""\\ud83d""#, "\\ud83d"),
            (r#""""\ud83d""""#, "\\ud83d"),
            ("\"\u{0}\"", "\u{0}"),
        ] {
            let document = format!("{{a(b:{string} c:1) d}} # \u{0}");
            let decoded = decode(&document).unwrap();
            let parsed = parse_query(&decoded).unwrap();
            let (_, operation) = parsed.operations.iter().next().unwrap();
            let [first, second] = &operation.node.selection_set.node.items[..] else { panic!("two fields") };
            let async_graphql::parser::types::Selection::Field(field) = &first.node else { panic!("a field") };
            let [(_, value), (other, _)] = &field.node.arguments[..] else { panic!("two arguments") };
            assert_eq!(value.node, async_graphql_value::Value::String(expected.to_owned()), "{string}");
            let column = |text: &str| document[..document.find(text).unwrap()].chars().count() + 1;
            assert_eq!((other.pos.column, second.pos.column), (column("c:1"), column("d}")), "{string}");
        }
        assert!(matches!(decode(r#"{a(b:"\u0061")}"#), Ok(Cow::Borrowed(_))), "as it is, where the parser reads it");
    }

    #[test]
    fn errors_name_what_cannot_be_read_and_its_place() {
        for (document, name, why) in [
            (r#"{a(b:"\ud83d")}"#, "b", "half of a surrogate pair"),
            (r#"{a(b:"\ude00\ud83d")}"#, "b", "half of a surrogate pair"),
            (r#"{a(b:"\ud83dx")}"#, "b", "half of a surrogate pair"),
            (r#"{x:a(b:"" c:["\ud83d\n"])}"#, "c", "half of a surrogate pair"),
            (r#"query($v : S="\udead"){a}"#, "v", "half of a surrogate pair"),
            (r#"{a(b:{c:"\x"})}"#, "c", "an escape that is not defined"),
            (r#"{a(b:"\u12")}"#, "b", "four hexadecimal digits"),
            (r#"{a(b:"\u{}")}"#, "b", "a number of a character"),
            (r#"{a(b:"\u{110000}")}"#, "b", "a number of a character"),
            (r#"{a(b:"\u{d800}")}"#, "b", "a number of a character"),
        ] {
            let (message, places) = refused(document);
            assert!(message.starts_with(&format!("the value of {name} is not a string")), "{message}");
            assert!(message.contains(why), "{document}: {message}");
            assert_eq!(places.len(), 1, "{document}");
        }
        let at = |line, column| vec![Pos { line, column }];
        let control = "the document has the character U+0000 outside of strings and comments".to_owned();
        assert_eq!(refused("{\n a\u{0}}"), (control, at(2, 3)));
        let expected = "the document cannot be parsed at line 1 column 2: expected selection".to_owned();
        assert_eq!(refused("{}"), (expected, at(1, 2)));
    }
}
