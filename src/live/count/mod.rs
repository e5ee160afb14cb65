//! Counting: a column of bits per user, and the loop that passes them to aggregates.

pub mod bits;
pub mod fold;
pub mod index;
pub mod words;
