//! Limits of short texts, and their form on a terminal.

use std::borrow::Cow;

/// Maximum length of a name, an external id or another short text, in bytes.
pub const NAME_MAX: usize = 256;

/// Returns true if `text` is not empty, at most [`NAME_MAX`] bytes long and free of U+0000, which PostgreSQL cannot
/// store.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_MAX && !text.contains('\0')
}

/// Returns true if `text` is a name for people to read on a terminal: as [`is_name`], and with nothing that
/// [`printable`] would escape.
pub fn is_label(text: &str) -> bool {
    is_name(text) && !text.chars().any(is_control)
}

/// Returns true if `text` is a heading: as [`is_label`], but with a limit in characters, whatever their bytes.
pub fn is_heading(text: &str, most_characters: usize) -> bool {
    !text.is_empty() && text.chars().count() <= most_characters && !text.chars().any(is_control)
}

/// Description of the texts that [`is_label`] accepts, as a predicate.
pub const LABEL_WANTED: &str = "must be 1 to 256 bytes without control characters";

/// Returns the text with every control character escaped, such as `\u{1b}`. Printed as it is, a stored text could move
/// the cursor, change what was printed before, or have the terminal send input.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_control) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_control(character) { escaped.extend(character.escape_unicode()) } else { escaped.push(character) }
    }
    Cow::Owned(escaped)
}

/// Returns true for a control character of ASCII or Unicode, and for one that reorders or breaks the line it is in.
fn is_control(character: char) -> bool {
    let reorders = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(character, '\u{2028}' | '\u{2029}');
    character.is_control() || reorders || breaks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        for (text, printed) in [
            ("Acme", "Acme"),
            ("Zoë & Ünal 🙂", "Zoë & Ünal 🙂"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\r\n\t\u{7f}\u{9b}", "a\\u{d}\\u{a}\\u{9}\\u{7f}\\u{9b}"),
            ("a\u{202e}b\u{2028}", "a\\u{202e}b\\u{2028}"),
        ] {
            assert_eq!(printable(text), printed);
            assert_eq!(is_label(text), text == printed, "{text:?}");
        }
        assert!(is_heading(&"\u{1f642}".repeat(80), 80) && !is_heading(&"x".repeat(81), 80));
        assert!(!is_heading("", 80) && !is_heading("a\0", 80));
        assert!(!is_label("") && !is_label(&"x".repeat(NAME_MAX + 1)) && is_name("a\tb"));
    }
}
