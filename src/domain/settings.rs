//! How a tenant wants things done: what is kept of conversations, what webhooks are signed with, and how long a silent
//! desk is waited for.

pub mod desk;
pub mod limits;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use self::desk::{DeskTerms, HEARTBEAT_SECONDS, LEASE_SECONDS, UNFIT};
use super::directory::{Field, Problem};

/// Days for which closed conversations can be kept.
pub const CONVERSATION_DAYS: RangeInclusive<u32> = 1..=36_500;

/// A tenant's settings. The default is what a tenant begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The texts of messages are kept.
    pub conversation_text: bool,
    /// For how many days closed conversations are kept; without end when absent.
    pub conversation_days: Option<u32>,
    /// What iAdvize signs its webhooks with; without it none is taken.
    pub iadvize_secret: Option<WebhookSecret>,
    /// How long a silent desk is waited for, in seconds; as the service has it when absent.
    pub desk_lease_seconds: Option<u32>,
    /// How often a desk is to be heard of, in seconds; likewise.
    pub desk_heartbeat_seconds: Option<u32>,
}

impl Settings {
    /// What desks of the tenant are told, where the service has `usual` for those who set nothing.
    pub fn desk(&self, usual: DeskTerms) -> DeskTerms {
        usual.with(self.desk_lease_seconds, self.desk_heartbeat_seconds)
    }

    /// What does not go together, each value being good by itself.
    pub fn check(&self) -> Vec<Problem> {
        let pair = self.desk_lease_seconds.zip(self.desk_heartbeat_seconds);
        let is_good = pair.is_none_or(|(lease, heartbeat)| DeskTerms { lease, heartbeat }.fit());
        let problem = || Problem { pointer: "/desk_heartbeat_seconds".into(), detail: UNFIT.into() };
        (!is_good).then(problem).into_iter().collect()
    }
}

/// What a webhook is signed with. It is kept as it is, since a signature cannot be checked with a hash of it.
///
/// It is not printed by accident: whoever has it can sign what they like.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct WebhookSecret(Arc<str>);

impl WebhookSecret {
    /// Shortest and longest, in bytes.
    pub const BYTES: RangeInclusive<usize> = 16..=256;
    /// What a text must be to be one.
    pub const WANTED: &str = "must be a text of 16 to 256 bytes without U+0000";

    /// The secret, or `None` when it is too short, too long or holds U+0000, which PostgreSQL cannot keep.
    pub fn new(text: &str) -> Option<Self> {
        (Self::BYTES.contains(&text.len()) && !text.contains('\0')).then(|| WebhookSecret(text.into()))
    }

    /// The secret itself, to be signed with and to be kept.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// Whatever stands where a secret should. A reader of texts would name in its error what it found instead.
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

/// Changes to settings: an absent member stays as it is, `null` goes back to the default. Members that are not known
/// are refused, since a misspelt one would be taken for no change.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsPatch {
    /// The texts of messages are kept.
    pub conversation_text: Field<bool>,
    /// For how many days closed conversations are kept.
    pub conversation_days: Field<u32>,
    /// What iAdvize signs its webhooks with.
    pub iadvize_secret: Field<WebhookSecret>,
    /// How long a silent desk is waited for.
    pub desk_lease_seconds: Field<u32>,
    /// How often a desk is to be heard of.
    pub desk_heartbeat_seconds: Field<u32>,
}

impl SettingsPatch {
    /// What is wrong with it.
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

    /// Carries the changes over.
    pub fn patch(&self, settings: &mut Settings) {
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
    fn what_is_absent_stays_and_null_is_the_default() {
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
    fn what_cannot_be_is_said() {
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
    fn two_heartbeats_fit_into_a_lease() {
        for (patch, is_good) in [
            (r#"{"desk_lease_seconds":10,"desk_heartbeat_seconds":5}"#, true),
            (r#"{"desk_lease_seconds":10,"desk_heartbeat_seconds":6}"#, false),
            (r#"{"desk_lease_seconds":10}"#, true),
            (r#"{"desk_heartbeat_seconds":1800}"#, true),
        ] {
            let mut settings = Settings::default();
            read(patch).unwrap().patch(&mut settings);
            assert_eq!(settings.check().is_empty(), is_good, "{patch}");
        }
    }

    #[test]
    fn a_secret_is_not_printed_whatever_is_wrong_with_it() {
        let secret = WebhookSecret::new(SECRET).unwrap();
        let settings = Settings { iadvize_secret: Some(secret), ..Settings::default() };
        assert!(!format!("{settings:?}").contains(SECRET));
        let long = "x".repeat(257);
        for wrong in
            [r#""canary""#, "990017", r#"["canary 990017"]"#, &format!("\"canary{long}\""), "\"\\u0000canary 990017\""]
        {
            let told = read(&format!(r#"{{"iadvize_secret":{wrong}}}"#)).unwrap_err();
            assert!(told.contains(WebhookSecret::WANTED), "{told}");
            assert!(!told.contains("canary") && !told.contains("990017"), "{told}");
        }
    }
}
