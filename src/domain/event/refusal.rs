//! Events that admission rejects.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::detail::detail;
use super::reason::Reason;
use crate::domain::json::Object;
use crate::domain::time::Time;

/// An event rejected at admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The event's id, if one could be parsed.
    pub id: Option<String>,
    /// The event's source, if one could be parsed.
    pub source: Option<String>,
    /// The reason.
    pub reason: Reason,
    /// The member, what was found there, and what fits; not for every reason, and not for long events.
    pub detail: Option<String>,
}

impl From<Reason> for Refusal {
    /// A refusal of something that has neither id nor source.
    fn from(reason: Reason) -> Self {
        Refusal { id: None, source: None, reason, detail: None }
    }
}

/// Returns the refusal of JSON that need not be an event otherwise, with its id and its source. `now` is service time.
pub(super) fn refuse(raw: &RawValue, reason: Reason, now: Time) -> Refusal {
    #[derive(Default, Deserialize)]
    struct Named<'a> {
        #[serde(borrow, default)]
        id: Option<&'a RawValue>,
        #[serde(borrow, default)]
        source: Option<&'a RawValue>,
    }
    let Object(named): Object<Named<'_>> = serde_json::from_str(raw.get()).unwrap_or_default();
    let text = |value: &RawValue| serde_json::from_str(value.get()).ok();
    let detail = detail(raw, reason, now);
    Refusal { id: named.id.and_then(text), source: named.source.and_then(text), reason, detail }
}
