//! GraphQL over HTTP: the media type of an answer, and a query in the query string.

pub mod answer_type;
pub mod described;
pub mod query_string;
