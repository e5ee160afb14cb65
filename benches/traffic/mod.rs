//! The events of a working day: conversations taken and released, changes of presence, and desks that reconnect.

use std::collections::VecDeque;

use rollcall::domain::event::Surface;
use rollcall::domain::{Category, Channel, ConversationId, EventBody, UserRef};

use crate::population::conversation;
use crate::population::person::Dice;

/// An endless iterator of events about the people of one tenant, the same in every run.
pub struct Traffic {
    users: u32,
    dice: Dice,
    taken: u64,
    held: VecDeque<(UserRef, ConversationId)>,
}

impl Traffic {
    /// Makes the events of people 1 to `users`.
    pub fn new(users: u32) -> Self {
        Traffic { users, dice: Dice(u64::from(users)), taken: 0, held: VecDeque::new() }
    }

    /// The number of conversations that are held at a time in the steady state.
    fn enough(&self) -> usize {
        self.users as usize / 10 + 1
    }

    fn change_status(&mut self, user: UserRef) -> EventBody {
        let presence = Some(if self.dice.below(2) == 0 { Category::Away } else { Category::Ready });
        EventBody::StatusChanged { user, presence, presence_id: None, channels: Vec::new() }
    }

    fn take(&mut self, user: UserRef) -> EventBody {
        self.taken += 1;
        let conversation = conversation(&format!("conversation-{}", self.taken));
        self.held.push_back((user.clone(), conversation.clone()));
        EventBody::SlotTaken { user, channel: Channel::Chat, conversation }
    }
}

impl Iterator for Traffic {
    type Item = EventBody;

    /// Of ten events, one is a connection and one a change of status; the others take conversations and release the
    /// oldest.
    fn next(&mut self) -> Option<EventBody> {
        let user = UserRef::id(i64::from(self.dice.below(self.users)) + 1);
        Some(match self.dice.below(10) {
            0 => {
                let (session, surface) = ("desk".into(), Surface::Desk);
                EventBody::DeskConnected {
                    user,
                    session,
                    lease_seconds: Some(60),
                    device: None,
                    surface,
                    socket: false,
                }
            }
            1 => self.change_status(user),
            _ if self.held.len() < self.enough() => self.take(user),
            _ => {
                let (user, conversation) = self.held.pop_front()?;
                EventBody::SlotReleased { user: Some(user), conversation }
            }
        })
    }
}
