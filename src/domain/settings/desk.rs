//! How long a silent desk is waited for, and how often it is to be heard of.

use std::ops::RangeInclusive;

/// Shortest and longest lease, in seconds.
pub const LEASE_SECONDS: RangeInclusive<u32> = 5..=3_600;
/// Shortest and longest time between two heartbeats, in seconds: two of the longest are the longest lease.
pub const HEARTBEAT_SECONDS: RangeInclusive<u32> = 1..=1_800;
/// What is wrong when the two do not go together.
pub const UNFIT: &str = "must be at most half of the lease, so that one lost heartbeat ends nothing";

/// What a desk is told when it connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeskTerms {
    /// A desk that is silent for so many seconds is gone.
    pub lease: u32,
    /// So many seconds lie between two heartbeats.
    pub heartbeat: u32,
}

impl Default for DeskTerms {
    fn default() -> Self {
        DeskTerms { lease: 45, heartbeat: 15 }
    }
}

impl DeskTerms {
    /// Whether one heartbeat may be lost.
    pub const fn fit(self) -> bool {
        self.heartbeat * 2 <= self.lease
    }

    /// These terms but for what somebody set. What was not set gives way to what was, so that both still fit.
    pub fn with(self, lease: Option<u32>, heartbeat: Option<u32>) -> DeskTerms {
        match (lease, heartbeat) {
            (Some(lease), Some(heartbeat)) => DeskTerms { lease, heartbeat },
            (Some(lease), None) => DeskTerms { lease, heartbeat: self.heartbeat.min(lease / 2) },
            (None, Some(heartbeat)) => DeskTerms { lease: self.lease.max(heartbeat * 2), heartbeat },
            (None, None) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_set_the_two_fit() {
        let usual = DeskTerms::default();
        assert!(usual.fit() && !DeskTerms { lease: 29, heartbeat: 15 }.fit());
        for lease in LEASE_SECONDS {
            assert!(usual.with(Some(lease), None).fit(), "{lease}");
            assert!(HEARTBEAT_SECONDS.contains(&usual.with(Some(lease), None).heartbeat), "{lease}");
        }
        for heartbeat in HEARTBEAT_SECONDS {
            assert!(usual.with(None, Some(heartbeat)).fit(), "{heartbeat}");
            assert!(LEASE_SECONDS.contains(&usual.with(None, Some(heartbeat)).lease), "{heartbeat}");
        }
        assert_eq!(usual.with(None, None), usual);
        assert_eq!(usual.with(Some(20), Some(5)), DeskTerms { lease: 20, heartbeat: 5 });
    }
}
