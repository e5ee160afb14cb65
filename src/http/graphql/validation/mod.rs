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

use async_graphql::parser::types::ExecutableDocument;

pub use positions::NullableVariable;
use signatures::Signatures;

/// Checks a document that [`super::guard::scan`] and [`super::guard::count`] accepted. Returns the nullable variables
/// for which defaults of places matter, or the error message for a violation.
pub fn check(
    text: &str,
    document: &ExecutableDocument,
    signatures: &Signatures,
) -> Result<Vec<NullableVariable>, String> {
    repeated::check_text(text)?;
    leaves::check(document, signatures)?;
    let nullable = positions::check(document, signatures)?;
    merging::check(document, signatures)?;
    Ok(nullable)
}
