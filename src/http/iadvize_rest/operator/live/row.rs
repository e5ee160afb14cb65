//! One operator's live availability in the vendor's form (docs/reference/iadvize-rest.md, "Live availability").

use serde::Serialize;
use utoipa::ToSchema;

use crate::query::people::operators_live::{LiveChannel, OperatorLive};

#[derive(Serialize, ToSchema)]
#[schema(as = OperatorLiveChannel)]
struct ChannelRow {
    enabled: bool,
    slot_number: u32,
    slot_max_number: u32,
    busy: bool,
    available: bool,
}

impl From<LiveChannel> for ChannelRow {
    fn from(channel: LiveChannel) -> Self {
        ChannelRow {
            enabled: channel.enabled,
            slot_number: channel.current,
            slot_max_number: channel.max,
            // Regardless of whether the operator is connected or the channel enabled, as in the vendor's examples.
            busy: channel.current >= channel.max,
            available: channel.available,
        }
    }
}

/// One operator's live availability.
#[derive(Serialize, ToSchema)]
#[schema(as = OperatorLive)]
pub struct Row {
    id: i64,
    connected: bool,
    chat: ChannelRow,
    call: ChannelRow,
    video: ChannelRow,
}

impl Row {
    /// An operator with one chat, as an example.
    pub fn example() -> Self {
        let channel = |enabled, slot_number, slot_max_number| ChannelRow {
            enabled,
            slot_number,
            slot_max_number,
            busy: false,
            available: enabled,
        };
        let (chat, call, video) = (channel(true, 1, 4), channel(true, 0, 1), channel(false, 0, 1));
        Row { id: 101, connected: true, chat, call, video }
    }
}

impl From<OperatorLive> for Row {
    fn from(operator: OperatorLive) -> Self {
        Row {
            id: operator.id,
            connected: operator.connected,
            chat: operator.chat.into(),
            call: operator.call.into(),
            video: operator.video.into(),
        }
    }
}
