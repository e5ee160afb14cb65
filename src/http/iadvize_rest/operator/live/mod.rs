//! `/operator/live` and `/operator/{id}/live`: live availability, which other systems read and change.

pub mod get;
pub mod list;
pub mod row;
pub mod set;
