//! Tests that the cost of an apply does not depend on the size of the state: they count container operations at two
//! sizes.

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::super::State;
    use super::super::tombstones::Tombstone;
    use crate::domain::conversation::Medium;
    use crate::domain::directory::{Document, UserPatch};
    use crate::domain::event::Surface;
    use crate::domain::{
        Category, Channel, Conversation, ConversationId, Entry, Event, EventBody, Outcome, Quota, Quotas, RoleGrant,
        TenantId, Time, UserRef,
    };
    use crate::live::claim::{Claim, Take};
    use crate::live::conversations::Remembered;
    use crate::live::persistent::steps;
    use crate::live::person::Held;

    /// Recorded and event time of the first entry, in seconds.
    const START: i64 = 1_600_000_000;
    /// Maximum number of operations of one apply at any size, including the eight tombstones it drops.
    const MAX_STEPS: u64 = 150;

    /// Number of users set up by events; the others are copied from the first.
    const BY_EVENTS: i64 = 200;

    struct Tenant {
        state: State,
        now: i64,
    }

    impl Tenant {
        /// Creates a tenant with `size` users, and as many of everything else. The first users are set up by events,
        /// the others copied from the first one, since a million events would take minutes.
        fn of(size: i64) -> Self {
            let mut tenant = Tenant { state: State::new(TenantId(Uuid::from_u128(1))), now: START };
            let user = |id| UserPatch { id: Some(id), name: Some(format!("user {id}")), ..UserPatch::default() };
            let document = Document { users: (1..=size + 1).map(user).collect(), ..Document::default() };
            tenant.apply(EventBody::DirectoryUpserted { document: Arc::new(document), roles: RoleGrant::default() });
            tenant.apply(EventBody::UserDeleted { user: UserRef::id(size + 1) });
            tenant.now += 1;
            for id in 1..=size.min(BY_EVENTS) {
                tenant.apply(connected(id, "open"));
                tenant.apply(connected(id, "ended"));
                tenant.apply(taken(id, &format!("slot {id}")));
                tenant.apply(pushed(id, talk(id)));
                // These end and leave tombstones.
                tenant.apply(disconnected(id, "ended"));
                tenant.apply(taken(id, &format!("gone {id}")));
                tenant.apply(EventBody::SlotReleased { user: None, conversation: slot(&format!("gone {id}")) });
                tenant.apply(EventBody::ConversationRouted {
                    conversation: gone(id),
                    routing_rule: None,
                    routing_group: None,
                });
            }
            for id in BY_EVENTS + 1..=size {
                tenant.copy_to(id);
            }
            let by_events = tenant.state.recount();
            assert!(size > BY_EVENTS || by_events == tenant.state.usage, "usage equals a recount");
            tenant.state.usage = by_events;
            tenant.state.publish();
            tenant.state.checkpoint();
            tenant
        }

        /// Copies the live state of the first user to another.
        fn copy_to(&mut self, id: i64) {
            let state = &mut self.state;
            let recorded = Some(state.recorded);
            let ix = |id| state.directory.users().by_id(id).unwrap() as usize;
            let (first, this) = (ix(1), ix(id));
            let mut person = state.people[first].clone();
            person.held = Held::default();
            for (channel, name) in [(Channel::Chat, slot(&format!("slot {id}"))), (Channel::Call, talk(id).into())] {
                person.held.insert(channel, name.clone());
                let of_first = if channel == Channel::Chat { slot("slot 1") } else { talk(1).into() };
                let mut claim = state.claims.get(&of_first).unwrap().clone();
                claim.take = claim.take.map(|take| Take { user: id, ..take });
                claim.takers = vec![(id, 1)];
                state.claims.insert(name, claim);
            }
            state.people[this] = person;
            state.tombstones.place(Tombstone::Session(id, "ended".into()), None, recorded);
            let (released, name) = (state.claims.get(&slot("gone 1")).unwrap().clone(), slot(&format!("gone {id}")));
            state.tombstones.place(Tombstone::Claim(name.clone()), None, recorded);
            state.claims.insert(name, Claim { ended: recorded, ..released });
            for (conversation, of_first, ended) in [(talk(id), talk(1), None), (gone(id), gone(1), recorded)] {
                let history = state.conversations.get(of_first).unwrap().history().to_vec();
                let conversation = Arc::new(Conversation::with(conversation, history));
                let place = Tombstone::Conversation(conversation.id());
                state.conversations.put(Remembered { conversation, ended, is_leaving: false });
                state.tombstones.place(place, None, ended);
            }
        }

        fn apply(&mut self, body: EventBody) -> Outcome {
            let seq = self.state.position() + 1;
            let time = Time::from_micros(self.now * 1_000_000);
            let event = Event::internal("rollcall:test", Uuid::from_u128(seq.into()), time, body);
            self.state.apply(&Entry { seq, recorded: time, event }).unwrap()
        }

        /// Returns the number of operations of each kind of event.
        fn probe(&mut self, size: i64) -> Vec<(&'static str, u64)> {
            let user = || UserRef::id(7);
            let named = (0..10).map(|n| slot(&format!("new {n}"))).collect();
            let today: [(&str, EventBody); 14] = [
                ("opens", connected(7, "new")),
                ("closes", disconnected(7, "new")),
                ("closes all", EventBody::DeskClosedAll { user: user() }),
                ("chooses", status(7)),
                ("takes", taken(7, "slot 8")),
                ("releases", EventBody::SlotReleased { user: Some(user()), conversation: slot("slot 8") }),
                ("syncs", EventBody::SlotsSynced { user: user(), channel: Channel::Chat, conversations: named }),
                (
                    "syncs nothing",
                    EventBody::SlotsSynced { user: user(), channel: Channel::Chat, conversations: vec![] },
                ),
                ("pushes", pushed(9, talk(10))),
                ("pushes to an unknown user", pushed(size + 2, talk(10))),
                ("closes a conversation", EventBody::ConversationClosed { conversation: talk(11), reason: None }),
                ("deletes", EventBody::UserDeleted { user: UserRef::id(12) }),
                ("logs in", EventBody::UserLoggedIn { user: user() }),
                ("limits", EventBody::LimitsSet { limits: Quotas::default() }),
            ];
            let mut counts: Vec<_> = today.into_iter().map(|(name, body)| (name, self.count(body))).collect();
            self.now += 25 * 3_600;
            // The user deleted at the beginning has the oldest tombstone.
            counts.push(("forgets", self.count(status(13))));
            assert_eq!(self.state.directory.users().by_id(size + 1), None);
            counts
        }

        fn count(&mut self, body: EventBody) -> u64 {
            steps::take();
            self.apply(body);
            steps::take()
        }
    }

    fn slot(name: &str) -> ConversationId {
        ConversationId::new(name).unwrap()
    }

    fn talk(id: i64) -> Uuid {
        Uuid::from_u128(id as u128)
    }

    /// The id of a conversation that was never started.
    fn gone(id: i64) -> Uuid {
        Uuid::from_u128(1 << 64 | id as u128)
    }

    fn connected(id: i64, session: &str) -> EventBody {
        let (user, session) = (UserRef::id(id), session.into());
        EventBody::DeskConnected {
            user,
            session,
            lease_seconds: None,
            device: None,
            surface: Surface::Desk,
            socket: false,
        }
    }

    fn disconnected(id: i64, session: &str) -> EventBody {
        EventBody::DeskDisconnected { user: UserRef::id(id), session: session.into(), opened: None }
    }

    fn status(id: i64) -> EventBody {
        let presence = Some(Category::Away);
        EventBody::StatusChanged { user: UserRef::id(id), presence, presence_id: None, channels: vec![] }
    }

    fn taken(id: i64, conversation: &str) -> EventBody {
        EventBody::SlotTaken { user: UserRef::id(id), channel: Channel::Chat, conversation: slot(conversation) }
    }

    fn pushed(id: i64, conversation: Uuid) -> EventBody {
        EventBody::ConversationPushed { user: UserRef::id(id), conversation, channel: Medium::Call, project: None }
    }

    #[test]
    fn apply_takes_as_many_steps_at_100000_users_as_at_1000() {
        let small = Tenant::of(1_000).probe(1_000);
        let large = Tenant::of(100_000).probe(100_000);
        assert_eq!(small.len(), large.len());
        for ((name, few), (same, many)) in small.into_iter().zip(large) {
            assert_eq!(name, same);
            assert!(few > 0 && few <= MAX_STEPS, "{name}: {few} steps at 1,000");
            assert!(many <= few + 4, "{name}: {few} steps at 1,000, {many} at 100,000");
        }
    }

    /// Checks the counter itself: a pass over all people is counted.
    #[test]
    fn a_pass_over_all_people_is_counted() {
        let tenant = Tenant::of(1_000);
        steps::take();
        tenant.state.recount();
        assert!(steps::take() >= 1_000);
    }

    #[test]
    fn expired_tombstones_are_dropped_eight_per_entry() {
        let mut tenant = Tenant::of(200);
        assert_eq!(tenant.state.tombstones.len(), 601);
        tenant.now += 25 * 3_600;
        let mut entries = 0;
        while tenant.state.tombstones.len() > 0 {
            tenant.apply(status(1));
            entries += 1;
        }
        assert_eq!(entries, 601_u32.div_ceil(8));
        assert_eq!(tenant.state.floor(), Time::from_micros((START + 1) * 1_000_000));
    }

    /// Beyond the quota the oldest tombstones are dropped before their term is over; no end is rejected.
    #[test]
    fn tombstones_beyond_the_quota_are_dropped_early() {
        let mut tenant = Tenant::of(20);
        assert_eq!(tenant.state.floor(), Time::NEVER);
        let limits = Quotas { tombstones: Some(10), ..Quotas::default() };
        assert_eq!(tenant.apply(EventBody::LimitsSet { limits }), Outcome::Applied);
        for n in 0..30 {
            assert_eq!(tenant.apply(disconnected(1, &format!("late {n}"))), Outcome::Applied);
        }
        // Each entry drops tombstones before it adds its own.
        assert_eq!(tenant.state.tombstones.len(), 11);
        assert_eq!(tenant.state.floor(), Time::from_micros((START + 1) * 1_000_000));
        assert_eq!(tenant.state.limits().limit(Quota::Tombstones), 10);
    }

    /// A clone costs no operations and is not affected by later entries.
    #[test]
    fn a_clone_of_the_state_is_not_affected_by_later_entries() {
        let mut tenant = Tenant::of(50);
        steps::take();
        let copy = tenant.state.clone();
        assert_eq!(steps::take(), 0, "a clone visits nothing");
        let before = copy.digest();
        tenant.apply(taken(1, "another"));
        tenant.apply(disconnected(1, "open"));
        tenant.apply(EventBody::UserDeleted { user: UserRef::id(2) });
        tenant.now += 25 * 3_600;
        tenant.apply(status(3));
        assert_eq!(copy.digest(), before);
        assert_ne!(tenant.state.digest(), before);
    }
}
