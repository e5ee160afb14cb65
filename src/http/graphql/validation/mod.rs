//! The rules of the GraphQL specification that async-graphql does not hold, checked once for each document.
//!
//! Its validator misses conflicting fields in fragments and selections of `__typename`, never visits the positions of
//! variables, and cannot see an input object's member given twice, since its parser keeps the last one
//! (docs/decisions/0065-graphql-rules.md).

mod leaves;
mod merging;
mod positions;
pub mod repeated;
pub mod signatures;
pub mod texts;

use async_graphql::Pos;
use async_graphql::parser::types::ExecutableDocument;

pub use positions::NullableVariable;
use signatures::Signatures;

/// What is wrong with a document.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    /// The error message.
    pub message: String,
    /// The places in the text, in its order; empty where the whole document is meant.
    pub places: Vec<Pos>,
}

impl Violation {
    /// Creates a violation at some places.
    pub fn at<const N: usize>(message: impl Into<String>, mut places: [Pos; N]) -> Self {
        places.sort_unstable();
        Violation { message: message.into(), places: places.into() }
    }
}

/// Returns the place of a byte of a text. Columns count characters, as those of the parser do.
pub fn place(text: &str, byte: usize) -> Pos {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
    Pos { line: 1 + before.matches('\n').count(), column: 1 + line.chars().count() }
}

/// Checks a document that [`super::guard::scan`] and [`super::guard::count`] accepted. Returns the nullable variables
/// for which defaults of places matter.
pub fn check(
    text: &str,
    document: &ExecutableDocument,
    signatures: &Signatures,
) -> Result<Vec<NullableVariable>, Violation> {
    repeated::check_text(text)?;
    leaves::check(document, signatures)?;
    let nullable = positions::check(document, signatures)?;
    merging::check(document, signatures)?;
    Ok(nullable)
}
