//! The lease and the heartbeat interval of desk connections.

use std::ops::RangeInclusive;

/// Allowed lease, in seconds.
pub const LEASE_SECONDS: RangeInclusive<u32> = 5..=3_600;
/// Allowed heartbeat interval, in seconds. Its maximum is half the maximum lease.
pub const HEARTBEAT_SECONDS: RangeInclusive<u32> = 1..=1_800;
/// Error message for an interval longer than half of the lease.
pub const INTERVAL_TOO_LONG: &str =
    "must be at most half of the lease, so that one lost heartbeat does not end the session";

/// The lease and heartbeat interval sent to a desk when it connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeskTerms {
    /// Seconds without a heartbeat after which the desk's session ends.
    pub lease: u32,
    /// Seconds between two heartbeats.
    pub heartbeat: u32,
}

impl Default for DeskTerms {
    fn default() -> Self {
        DeskTerms { lease: 45, heartbeat: 15 }
    }
}

impl DeskTerms {
    /// Returns true if the session survives the loss of one heartbeat.
    pub const fn fit(self) -> bool {
        self.heartbeat * 2 <= self.lease
    }

    /// Returns these terms with the given values in their place. If only one is given, the other is lowered or raised
    /// as needed, so that the two still [`fit`](Self::fit). A heartbeat alone that does not fit is refused when it is
    /// set, but may have been stored before, or while the service's lease was longer.
    pub fn with(self, lease: Option<u32>, heartbeat: Option<u32>) -> DeskTerms {
        match (lease, heartbeat) {
            (Some(lease), Some(heartbeat)) => DeskTerms { lease, heartbeat },
            // Half of the shortest lease is 2 s, so the heartbeat stays within its range.
            (Some(lease), None) => DeskTerms { lease, heartbeat: self.heartbeat.min(lease / 2) },
            // Twice the longest heartbeat is the longest lease, so the lease stays within its range.
            (None, Some(heartbeat)) => DeskTerms { lease: self.lease.max(heartbeat * 2), heartbeat },
            (None, None) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_adjusts_the_other_to_fit() {
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
