//! The result of `connectedUsersIndicator` (CONTRACTS.md 2.6).

use async_graphql::Object;

use crate::http::graphql::scalar::RateUnit;
use crate::projection::{Headcount, Occupancy};

/// Indicators about the users who are connected now and match the filters. All of them describe the same instant.
pub struct ConnectedUsersIndicator {
    /// Numbers of connected users, in all and by availability for chat.
    pub headcount: Headcount,
    /// Chat slots of the users in production.
    pub occupancy: Occupancy,
}

/// Indicators about the users who are connected now and match the filters. All of them describe the same instant.
#[Object]
impl ConnectedUsersIndicator {
    /// Users with a connected desk, whatever their availability or role.
    async fn connected_users_count(&self) -> u64 {
        self.headcount.connected
    }

    /// Connected users by their availability for chat. Users without chat enabled are in none of the three.
    /// Null is reserved for an error of this field.
    async fn count_by_chat_availability_status(&self) -> Option<ChannelGroupAvailabilityStatus> {
        Some(ChannelGroupAvailabilityStatus(self.headcount))
    }

    /// Chat slots of the users in production: connected, chat enabled, and accepting conversations or still holding
    /// some. Null if no user is in production: the averages are undefined then, and 0 would read as free capacity.
    async fn users_in_production_chat_occupancy(&self) -> Option<UsersInProductionOccupancy> {
        (self.occupancy.people > 0).then_some(UsersInProductionOccupancy(self.occupancy))
    }
}

/// Connected users by availability on one channel.
pub struct ChannelGroupAvailabilityStatus(Headcount);

/// Connected users by availability on one channel.
#[Object]
impl ChannelGroupAvailabilityStatus {
    /// Users who can take one more conversation now.
    async fn available(&self) -> u64 {
        self.0.available
    }

    /// Users at the maximum of simultaneous conversations, or blocked by a conversation on another channel.
    async fn busy(&self) -> u64 {
        self.0.busy
    }

    /// Users who are unavailable by choice.
    async fn toggle_off(&self) -> u64 {
        self.0.toggle_off
    }
}

/// Slots and occupancy of the users in production.
pub struct UsersInProductionOccupancy(Occupancy);

/// Slots and occupancy of the users in production.
#[Object]
impl UsersInProductionOccupancy {
    /// Average of the conversations that a user in production may hold at once: Σ maxSlots ÷ users.
    async fn maximum_simultaneous_conversation_average(&self) -> f64 {
        self.0.max as f64 / self.0.people as f64
    }

    /// Average of the conversations that a user in production holds: Σ currentSlots ÷ users.
    async fn simultaneous_conversation_average(&self) -> f64 {
        self.0.current as f64 / self.0.people as f64
    }

    /// Σ currentSlots ÷ Σ maxSlots, in percent by default. Not clamped: it can exceed 100 percent after a maximum was
    /// lowered. 0 if Σ maxSlots is 0.
    async fn occupancy_rate(
        &self,
        #[graphql(desc = "PERCENT: 100 is full. RATIO: 1 is full.", default_with = "RateUnit::Percent")] unit: RateUnit,
    ) -> f64 {
        let ratio = self.0.slot_occupancy_rate();
        match unit {
            RateUnit::Percent => 100.0 * ratio,
            RateUnit::Ratio => ratio,
        }
    }
}
