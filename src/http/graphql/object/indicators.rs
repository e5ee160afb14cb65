//! What `connectedUsersIndicator` answers (CONTRACTS.md 2.6).

use async_graphql::Object;

use crate::http::graphql::scalar::RateUnit;
use crate::projection::{Headcount, Occupancy};

/// Indicators about the users who are connected now and pass the filters. All of them describe the same instant.
pub struct ConnectedUsersIndicator {
    /// Counted over the users who pass.
    pub headcount: Headcount,
    /// Slots of those in production.
    pub occupancy: Occupancy,
}

/// Indicators about the users who are connected now and pass the filters. All of them describe the same instant.
#[Object]
impl ConnectedUsersIndicator {
    /// Users connected to a desk, whatever their availability or role.
    async fn connected_users_count(&self) -> u64 {
        self.headcount.connected
    }

    /// Connected users by their availability for chat. Users whose chat is disabled are in none of the three.
    /// Null is reserved for an error of this field.
    async fn count_by_chat_availability_status(&self) -> Option<ChannelGroupAvailabilityStatus> {
        Some(ChannelGroupAvailabilityStatus(self.headcount))
    }

    /// Chat slots of the users in production: connected, chat enabled, and accepting conversations or still holding
    /// some. Null when nobody is in production: there is no average of nothing, and 0 would read as free capacity.
    async fn users_in_production_chat_occupancy(&self) -> Option<UsersInProductionOccupancy> {
        (self.occupancy.people > 0).then_some(UsersInProductionOccupancy(self.occupancy))
    }
}

/// Connected users by availability on one channel.
pub struct ChannelGroupAvailabilityStatus(Headcount);

/// Connected users by availability on one channel.
#[Object]
impl ChannelGroupAvailabilityStatus {
    /// Can take a conversation now.
    async fn available(&self) -> u64 {
        self.0.available
    }

    /// At the maximum of simultaneous conversations, or held by another channel.
    async fn busy(&self) -> u64 {
        self.0.busy
    }

    /// Unavailable by choice.
    async fn toggle_off(&self) -> u64 {
        self.0.toggle_off
    }
}

/// How full the users in production are.
pub struct UsersInProductionOccupancy(Occupancy);

/// How full the users in production are.
#[Object]
impl UsersInProductionOccupancy {
    /// Conversations that a user in production may hold at once, on average: Σ maxSlots ÷ users.
    async fn maximum_simultaneous_conversation_average(&self) -> f64 {
        self.0.max as f64 / self.0.people as f64
    }

    /// Conversations that a user in production holds, on average: Σ currentSlots ÷ users.
    async fn simultaneous_conversation_average(&self) -> f64 {
        self.0.current as f64 / self.0.people as f64
    }

    /// Σ currentSlots ÷ Σ maxSlots, in percent unless asked otherwise. Not clamped: more than full is possible after
    /// a maximum was lowered. 0 when nobody in production has a slot.
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
