//! A tenant's settings: retention of conversations, the webhook secret, and the lease and heartbeat of desks. Its parts
//! also define values of the service's own settings.

pub mod base_path;
pub mod capacity;
pub mod desk;
pub mod limits;
pub mod origin;
pub mod proxies;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use self::desk::{DeskTerms, HEARTBEAT_SECONDS, INTERVAL_TOO_LONG, LEASE_SECONDS};
use super::directory::Problem;
use super::json::Field;

/// Allowed retention of closed conversations, in days.
pub const CONVERSATION_DAYS: RangeInclusive<u32> = 1..=36_500;

/// A tenant's settings. A new tenant has the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// True if the texts of messages are stored.
    pub conversation_text: bool,
    /// Days for which closed conversations are kept; unlimited when absent.
    pub conversation_days: Option<u32>,
    /// Secret with which iAdvize signs its webhooks. Without it every webhook is rejected.
    pub iadvize_secret: Option<WebhookSecret>,
    /// Seconds without a heartbeat after which a desk is disconnected; the service's default when absent.
    pub desk_lease_seconds: Option<u32>,
    /// Seconds between two heartbeats of a desk; the service's default when absent.
    pub desk_heartbeat_seconds: Option<u32>,
}

impl Settings {
    /// The terms sent to the tenant's desks. `usual` are the service's, for whatever the tenant did not set.
    pub fn desk(&self, usual: DeskTerms) -> DeskTerms {
        usual.with(self.desk_lease_seconds, self.desk_heartbeat_seconds)
    }

    /// Returns the problems of values that are valid alone and contradict each other. A heartbeat is compared with the
    /// tenant's lease, else with the service's, which is part of `usual`. A lease alone is no problem: then the
    /// heartbeat is the service's, or half of the lease where that is shorter.
    pub fn check(&self, usual: DeskTerms) -> Vec<Problem> {
        let lease = self.desk_lease_seconds.unwrap_or(usual.lease);
        let is_good = self.desk_heartbeat_seconds.is_none_or(|heartbeat| DeskTerms { lease, heartbeat }.fit());
        let problem = || Problem { pointer: "/desk_heartbeat_seconds".into(), detail: INTERVAL_TOO_LONG.into() };
        (!is_good).then(problem).into_iter().collect()
    }
}

/// The secret that webhooks are signed with. It is stored in clear, since an HMAC cannot be checked with a hash of its
/// key.
///
/// `Debug` hides the value: anyone holding it can forge webhooks.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct WebhookSecret(Arc<str>);

impl WebhookSecret {
    /// Allowed length, in bytes.
    pub const BYTES: RangeInclusive<usize> = 16..=256;
    /// Error message for a text that is not a valid secret.
    pub const WANTED: &str = "must be a text of 16 to 256 bytes without U+0000";

    /// Validates a secret. `None` if it is too short, too long or contains U+0000, which PostgreSQL cannot store.
    pub fn new(text: &str) -> Option<Self> {
        (Self::BYTES.contains(&text.len()) && !text.contains('\0')).then(|| WebhookSecret(text.into()))
    }

    /// Returns the secret in clear, for signing and for storage.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// Any JSON value in the place of a secret. Deserializing a `String` directly would quote the value it found instead in
/// its error message, and so could print a secret.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Other(IgnoredAny),
}

impl TryFrom<Written> for WebhookSecret {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        match written {
            Written::Text(text) => WebhookSecret::new(&text).ok_or(Self::WANTED),
            Written::Other(_) => Err(Self::WANTED),
        }
    }
}

/// Changes to settings: an absent member leaves the setting as it is, `null` resets it to the default. Unknown members
/// are rejected, since a misspelt one would otherwise silently change nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsPatch {
    /// See [`Settings::conversation_text`].
    pub conversation_text: Field<bool>,
    /// See [`Settings::conversation_days`].
    pub conversation_days: Field<u32>,
    /// See [`Settings::iadvize_secret`].
    pub iadvize_secret: Field<WebhookSecret>,
    /// See [`Settings::desk_lease_seconds`].
    pub desk_lease_seconds: Field<u32>,
    /// See [`Settings::desk_heartbeat_seconds`].
    pub desk_heartbeat_seconds: Field<u32>,
}

impl SettingsPatch {
    /// Returns a problem for each number out of its range.
    pub fn check(&self) -> Vec<Problem> {
        let numbers = [
            (&self.conversation_days, CONVERSATION_DAYS, "conversation_days"),
            (&self.desk_lease_seconds, LEASE_SECONDS, "desk_lease_seconds"),
            (&self.desk_heartbeat_seconds, HEARTBEAT_SECONDS, "desk_heartbeat_seconds"),
        ];
        let bad = numbers.into_iter().filter(|(field, range, _)| field.value().is_some_and(|n| !range.contains(n)));
        let problem = |(_, range, name): (_, RangeInclusive<u32>, _)| Problem {
            pointer: format!("/{name}"),
            detail: format!("must be from {} to {}", range.start(), range.end()),
        };
        bad.map(problem).collect()
    }

    /// Applies the changes to `settings`.
    pub fn patch(&self, settings: &mut Settings) {
        // The setting is not optional, unlike what `Field::patch` changes: cleared, it is false again.
        let mut text = Some(settings.conversation_text);
        self.conversation_text.patch(&mut text);
        settings.conversation_text = text.unwrap_or_default();
        self.conversation_days.patch(&mut settings.conversation_days);
        self.iadvize_secret.patch(&mut settings.iadvize_secret);
        self.desk_lease_seconds.patch(&mut settings.desk_lease_seconds);
        self.desk_heartbeat_seconds.patch(&mut settings.desk_heartbeat_seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a secret of some length";

    fn read(json: &str) -> Result<SettingsPatch, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn absent_members_change_nothing_and_null_resets() {
        let mut settings = Settings::default();
        let all = format!(r#"{{"conversation_text":true,"conversation_days":30,"iadvize_secret":"{SECRET}"}}"#);
        read(&all).unwrap().patch(&mut settings);
        let expected = Settings {
            conversation_text: true,
            conversation_days: Some(30),
            iadvize_secret: WebhookSecret::new(SECRET),
            ..Settings::default()
        };
        assert_eq!(settings, expected);
        read("{}").unwrap().patch(&mut settings);
        assert_eq!(settings, expected);
        read(r#"{"conversation_text":null,"conversation_days":null,"iadvize_secret":null}"#)
            .unwrap()
            .patch(&mut settings);
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn values_out_of_range_and_unknown_members_are_rejected() {
        for days in ["0", "36501"] {
            let patch = read(&format!(r#"{{"conversation_days":{days}}}"#)).unwrap();
            assert_eq!(patch.check().len(), 1, "{days}");
        }
        for days in ["1", "36500", "null"] {
            let patch = read(&format!(r#"{{"conversation_days":{days}}}"#)).unwrap();
            assert_eq!(patch.check().len(), 0, "{days}");
        }
        assert!(read(r#"{"conversation_dais":1}"#).unwrap_err().contains("unknown field"));
        for (patch, problems) in [
            (r#"{"desk_lease_seconds":4,"desk_heartbeat_seconds":0}"#, 2),
            (r#"{"desk_lease_seconds":3601,"desk_heartbeat_seconds":1801}"#, 2),
            (r#"{"desk_lease_seconds":5,"desk_heartbeat_seconds":1800}"#, 0),
        ] {
            assert_eq!(read(patch).unwrap().check().len(), problems, "{patch}");
        }
    }

    #[test]
    fn a_heartbeat_is_at_most_half_of_the_lease() {
        for (patch, is_good) in [
            (r#"{"desk_lease_seconds":10,"desk_heartbeat_seconds":5}"#, true),
            (r#"{"desk_lease_seconds":10,"desk_heartbeat_seconds":6}"#, false),
            (r#"{"desk_lease_seconds":10}"#, true),
            (r#"{"desk_heartbeat_seconds":22}"#, true),
            (r#"{"desk_heartbeat_seconds":23}"#, false),
            (r#"{"desk_lease_seconds":46,"desk_heartbeat_seconds":23}"#, true),
        ] {
            let mut settings = Settings::default();
            read(patch).unwrap().patch(&mut settings);
            assert_eq!(settings.check(DeskTerms::default()).is_empty(), is_good, "{patch}");
        }
    }

    #[test]
    fn secrets_do_not_appear_in_debug_output_or_errors() {
        let secret = WebhookSecret::new(SECRET).unwrap();
        let settings = Settings { iadvize_secret: Some(secret), ..Settings::default() };
        assert!(!format!("{settings:?}").contains(SECRET));
        let long = "x".repeat(257);
        for wrong in
            [r#""canary""#, "990017", r#"["canary 990017"]"#, &format!("\"canary{long}\""), "\"\\u0000canary 990017\""]
        {
            let error = read(&format!(r#"{{"iadvize_secret":{wrong}}}"#)).unwrap_err();
            assert!(error.contains(WebhookSecret::WANTED), "{error}");
            assert!(!error.contains("canary") && !error.contains("990017"), "{error}");
        }
    }
}
