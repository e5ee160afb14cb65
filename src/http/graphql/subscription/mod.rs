//! The subscriptions of the schema: one a file. A subscription is a query that is executed again: its stream has one item,
//! and [`question`] executes the document on each view.

pub mod board;
pub mod live;
pub mod question;
mod selected;

use async_graphql::MergedSubscription;

use board::BoardSubscription;
use live::LiveSubscription;

/// Subscriptions. Each answer describes one instant.
#[derive(MergedSubscription, Default)]
pub struct Subscription(LiveSubscription, BoardSubscription);
