//! Webhooks of vendors: one vendor a file, beside the translation of its payloads.

pub mod iadvize;
mod iadvize_payload;
