//! The contacts of the demo's floor: they begin with an available user, may be transferred, and end.

use std::f64::consts::TAU;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use uuid::Uuid;

use super::duration_range::DurationRange;
use super::people::FIRST_PROJECT;
use crate::clock::Clock;
use crate::domain::conversation::Medium;
use crate::domain::{Channel, EntityRef, EventBody, UserRef};
use crate::query::people::operators_live::OperatorLive;

/// The demand for one kind of contact.
struct Demand {
    medium: Medium,
    /// Contacts per second, on average.
    rate: f64,
    length: DurationRange,
}

const DEMANDS: [Demand; 2] = [
    Demand { medium: Medium::Chat, rate: 3.5, length: DurationRange::seconds(20, 90) },
    Demand { medium: Medium::Call, rate: 0.8, length: DurationRange::seconds(10, 60) },
];
/// Period of the demand's rise and fall, in seconds.
const WAVE_SECONDS: f64 = 600.0;
/// Transfers per second, on average.
const TRANSFERS: f64 = 0.2;

/// A contact under way.
struct Contact {
    conversation: Uuid,
    user: i64,
    medium: Medium,
    until: Duration,
}

/// All contacts under way.
#[derive(Default)]
pub struct Contacts(Vec<Contact>);

impl Contacts {
    /// Returns whether the user has a contact.
    pub fn keeps_busy(&self, user: i64) -> bool {
        self.0.iter().any(|contact| contact.user == user)
    }

    /// Ends the contacts that are due.
    pub fn end(&mut self, now: Duration) -> Vec<EventBody> {
        let ended = self.0.extract_if(.., |contact| contact.until <= now);
        ended
            .map(|contact| EventBody::ConversationClosed { conversation: contact.conversation, reason: None })
            .collect()
    }

    /// Begins and transfers the contacts of a span of time from now, as far as users are available. A user gets at most
    /// one contact in a span, since availability after it is not known yet.
    pub fn begin(
        &mut self,
        span: Duration,
        online: &[OperatorLive],
        clock: &Clock,
        rng: &mut StdRng,
    ) -> Vec<EventBody> {
        let now = clock.monotonic();
        let mut bodies = Vec::new();
        let mut free: Vec<&OperatorLive> = online.iter().collect();
        let swell = 0.75 + 0.5 * (now.as_secs_f64() / WAVE_SECONDS * TAU).sin();
        for Demand { medium, rate, length } in &DEMANDS {
            for _ in 0..times(rate * swell * span.as_secs_f64(), rng) {
                let Some(user) = pick(&mut free, medium.slot(), rng) else { break };
                let conversation = clock.new_id();
                let until = now + length.pick(rng);
                let project = EntityRef::Id((FIRST_PROJECT + rng.random_range(0..3)) as i64);
                bodies.push(EventBody::ConversationStarted { conversation, project, channel: *medium });
                bodies.push(routed(conversation, rng));
                bodies.push(pushed(user, *medium, conversation));
                self.0.push(Contact { conversation, user, medium: *medium, until });
            }
        }
        for _ in 0..times(TRANSFERS * span.as_secs_f64(), rng) {
            if self.0.is_empty() {
                break;
            }
            let contact = rng.random_range(0..self.0.len());
            let contact = &mut self.0[contact];
            if let Some(user) = pick(&mut free, contact.medium.slot(), rng) {
                contact.user = user;
                let conversation = contact.conversation;
                bodies.push(EventBody::ConversationTransferred { conversation, to_group: None, to_rule: None });
                bodies.push(routed(conversation, rng));
                bodies.push(pushed(user, contact.medium, conversation));
            }
        }
        bodies
    }
}

/// Rounds an average number up or down at random, so that the average stays right.
fn times(average: f64, rng: &mut StdRng) -> usize {
    (average + rng.random::<f64>()) as usize
}

/// Picks a random user available on the channel, and removes it from the list.
fn pick(free: &mut Vec<&OperatorLive>, channel: Channel, rng: &mut StdRng) -> Option<i64> {
    let able = |operator: &OperatorLive| match channel {
        Channel::Chat => operator.chat.available,
        Channel::Call => operator.call.available,
        Channel::Video | Channel::ThirdParty => false,
    };
    let able: Vec<usize> = (0..free.len()).filter(|n| able(free[*n])).collect();
    let chosen = (!able.is_empty()).then(|| able[rng.random_range(0..able.len())])?;
    Some(free.swap_remove(chosen).id)
}

fn routed(conversation: Uuid, rng: &mut StdRng) -> EventBody {
    let routing_group = Some(EntityRef::Id(rng.random_range(1..=4)));
    EventBody::ConversationRouted { conversation, routing_rule: None, routing_group }
}

fn pushed(user: i64, medium: Medium, conversation: Uuid) -> EventBody {
    EventBody::ConversationPushed { user: UserRef::id(user), conversation, channel: medium, project: None }
}
