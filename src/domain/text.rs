//! Limits of short texts.

/// Maximum length of a name, an external id or another short text, in bytes.
pub const NAME_MAX: usize = 256;

/// Returns true if `text` is not empty, at most [`NAME_MAX`] bytes long and free of U+0000, which PostgreSQL cannot
/// store.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_MAX && !text.contains('\0')
}
