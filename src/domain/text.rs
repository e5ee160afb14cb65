//! The limits every text keeps to.

/// Longest name, external id or other short text, in bytes.
pub const NAME_MAX: usize = 256;

/// Non-empty, within [`NAME_MAX`] and without U+0000, which PostgreSQL cannot keep.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_MAX && !text.contains('\0')
}
