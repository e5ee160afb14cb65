//! Instants in microseconds of UTC, between the years 1970 and 2999.

use std::borrow::Cow;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant, in whole microseconds since 1970-01-01T00:00:00Z.
///
/// Written as RFC 3339 in UTC; finer fractions are truncated when read (docs/reference/events.md, "Envelope").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// The reason for which a text is not a [`Time`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text does not have the form of RFC 3339.
    #[error("time is not RFC 3339")]
    Malformed,
    /// The instant lies outside the years 1970 to 2999.
    #[error("time is outside the years 1970 to 2999")]
    OutOfRange,
}

impl Time {
    /// An instant before every real event: the time of a register that was never set.
    pub const NEVER: Time = Time(i64::MIN);
    /// 3000-01-01T00:00:00Z, the first instant that is no longer accepted.
    const END: i64 = 32_503_680_000_000_000;

    /// Creates an instant from microseconds since the epoch, the form in which stores hold it. Does not check the
    /// range.
    pub const fn from_micros(micros: i64) -> Self {
        Time(micros)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Adds seconds, which may be negative; saturates instead of overflowing.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Time(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// Milliseconds from `earlier` to this instant; 0 if `earlier` is later than this instant.
    pub const fn millis_since(self, earlier: Time) -> u64 {
        let micros = self.0.saturating_sub(earlier.0);
        if micros < 0 { 0 } else { micros as u64 / 1_000 }
    }

    /// Formats the time from `earlier` to this instant as a duration of ISO 8601 in hours, minutes and seconds, such as
    /// `PT3M20S`.
    pub fn duration_since(self, earlier: Time) -> String {
        SignedDuration::from_micros(self.0.saturating_sub(earlier.0)).to_string()
    }

    /// Formats the instant as `YYYY-MM-DD HH:MM:SS` in UTC, the form of the vendor's REST API.
    pub fn to_date_and_time(self) -> String {
        let instant = Timestamp::from_microsecond(self.0).unwrap_or_default();
        instant.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// Parses RFC 3339 strictly: a full date, a full time, and an offset or `Z`. The offset may lack its colon. The second
    /// 60 is that before it, where a leap second can be: at the end of June or December in UTC.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        if !has_rfc3339_shape(text.as_bytes()) {
            return Err(TimeError::Malformed);
        }
        let instant: Timestamp = without_fine_digits(text).parse().map_err(|_| TimeError::Malformed)?;
        if text.as_bytes()[17..19] == *b"60" && !can_end_with_leap_second(instant) {
            return Err(TimeError::Malformed);
        }
        // Euclidean, so that fractions before the epoch are rounded down as well and stay out of range.
        let micros = instant.as_nanosecond().div_euclid(1_000) as i64;
        if (0..Self::END).contains(&micros) { Ok(Time(micros)) } else { Err(TimeError::OutOfRange) }
    }
}

/// Returns true in the last second of June or December in UTC, after which leap seconds are inserted.
fn can_end_with_leap_second(instant: Timestamp) -> bool {
    let text = instant.strftime("%m-%dT%H:%M:%S").to_string();
    matches!(text.as_str(), "06-30T23:59:59" | "12-31T23:59:59")
}

/// Removes the digits of a fraction after the ninth, which jiff does not parse.
fn without_fine_digits(text: &str) -> Cow<'_, str> {
    let digits = text.get(20..).unwrap_or_default().bytes().take_while(u8::is_ascii_digit).count();
    match text.as_bytes().get(19) {
        Some(b'.') if digits > 9 => Cow::Owned(format!("{}{}", &text[..29], &text[20 + digits..])),
        _ => Cow::Borrowed(text),
    }
}

/// Formats an instant as some vendors do: RFC 3339 with exactly three digits of the second, finer ones truncated.
#[derive(Clone, Copy, Debug)]
pub struct InMillis(pub Time);

impl fmt::Display for InMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            // Instants outside the range of jiff, such as `Time::NEVER`.
            Err(_) => f.write_str("never"),
        }
    }
}

impl From<Timestamp> for Time {
    fn from(instant: Timestamp) -> Self {
        Time(instant.as_microsecond())
    }
}

/// Returns true for `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm|±hhmm)`. Checked apart, since jiff parses more forms. An
/// offset without a colon is no RFC 3339, but what PHP's `DateTime::ISO8601` and the `%z` of many languages write.
fn has_rfc3339_shape(text: &[u8]) -> bool {
    let digits = |from: usize, to: usize| text[from..to].iter().all(u8::is_ascii_digit);
    if text.len() < 20 || text.len() > 64 {
        return false;
    }
    let front = digits(0, 4)
        && text[4] == b'-'
        && digits(5, 7)
        && text[7] == b'-'
        && digits(8, 10)
        && matches!(text[10], b'T' | b't')
        && digits(11, 13)
        && text[13] == b':'
        && digits(14, 16)
        && text[16] == b':'
        && digits(17, 19);
    if !front {
        return false;
    }
    let mut rest = &text[19..];
    if let [b'.', fraction @ ..] = rest {
        let length = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    match rest {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] | [b'+' | b'-', h1, h2, m1, m2] => {
            // jiff also parses 24 and 25 hours.
            [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()) && [*h1, *h2] <= *b"23" && *m1 <= b'5'
        }
        _ => false,
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0) {
            Ok(instant) => instant.fmt(f),
            Err(_) => f.write_str("never"),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Time, E> {
                Time::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_leave_out_what_is_zero() {
        let start = Time::from_micros(1_000);
        for (micros, text) in [
            (0, "PT0S"),
            (200_000_000, "PT3M20S"),
            (3_600_000_000, "PT1H"),
            (93_784_500_000, "PT26H3M4.5S"),
            (60_000_001, "PT1M0.000001S"),
        ] {
            assert_eq!(Time::from_micros(start.micros() + micros).duration_since(start), text);
        }
    }

    #[test]
    fn parses_rfc3339_and_truncates_to_microseconds() {
        let time = Time::parse("1999-02-01T09:02:55.123456789+02:00").unwrap();
        assert_eq!(time.to_string(), "1999-02-01T07:02:55.123456Z");
        let time = Time::parse("1999-02-01T09:02:55.1234567891234+23:59").unwrap();
        assert_eq!(time.to_string(), "1999-01-31T09:03:55.123456Z");
        let leap = Time::parse("1999-01-01T00:59:60+01:00").unwrap();
        assert_eq!(leap.to_string(), "1998-12-31T23:59:59Z");
    }

    #[test]
    fn rejects_forms_outside_rfc3339() {
        for text in [
            "yesterday",
            "1999-02-01",
            "1999-02-01 07:02:55Z",
            "19990201T070255Z",
            "1999-02-01T07:02:55",
            "1999-02-01T07:02:55+02",
            "1999-02-01T07:02:55+200",
            "1999-02-01T07:02:55+02000",
            "1999-02-01T07:02:55+2400",
            "1999-02-01T07:02:55-0060",
            "1999-02-01T07:02:55+0x00",
            "1999-13-01T07:02:55Z",
            "1999-02-01T07:02:55.Z",
            "1999-02-01T07:02:55Z[UTC]",
            "1999-02-01T07:02:55+24:00",
            "1999-02-01T07:02:55-00:60",
            "1999-02-01T23:59:60Z",
            "1998-12-31T23:59:60+01:00",
            "1998-12-31T23:59:61Z",
        ] {
            assert_eq!(Time::parse(text), Err(TimeError::Malformed), "{text}");
        }
    }

    #[test]
    fn offsets_may_lack_their_colon() {
        for (text, same) in [
            ("1999-02-01T07:02:55+0200", "1999-02-01T07:02:55+02:00"),
            ("1999-02-01T07:02:55.25-0930", "1999-02-01T07:02:55.25-09:30"),
            ("1998-12-31T18:59:60-0500", "1998-12-31T18:59:60-05:00"),
        ] {
            assert_eq!(Time::parse(text), Time::parse(same));
            assert!(Time::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn milliseconds_always_have_three_digits() {
        for (text, expected) in [
            ("1999-02-01T07:02:55Z", "1999-02-01T07:02:55.000Z"),
            ("1999-02-01T07:02:55.73Z", "1999-02-01T07:02:55.730Z"),
            ("1999-12-31T23:59:59.999999Z", "1999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(InMillis(Time::parse(text).unwrap()).to_string(), expected);
        }
    }

    #[test]
    fn rejects_years_outside_1970_to_2999() {
        assert_eq!(Time::parse("1969-12-31T23:59:59Z"), Err(TimeError::OutOfRange));
        assert!(Time::parse("1970-01-01T00:00:00Z").is_ok());
        assert!(Time::parse("2999-12-31T23:59:59.999999Z").is_ok());
        assert_eq!(Time::parse("3000-01-01T00:00:00Z"), Err(TimeError::OutOfRange));
    }
}
