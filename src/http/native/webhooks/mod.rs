//! What vendors post by themselves when something happens: one vendor a file, and what its payloads mean.

pub mod iadvize;
mod iadvize_payload;
