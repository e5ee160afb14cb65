//! GraphQL over HTTP: the media type of an answer, and a query in the query string. GraphQL over SSE and over WebSocket.

pub mod answer_type;
pub mod described;
pub mod events;
pub mod query_string;
pub mod websocket;
