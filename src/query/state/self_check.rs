//! The check of a state: every number that is kept or counted fast is derived again, slowly.

use super::walk;
use crate::domain::Time;
use crate::live::State;
use crate::live::state::Findings;

/// The result of the check of one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Position of the state.
    pub position: u64,
    /// Recorded time of its newest entry; [`Time::NEVER`] for a new tenant.
    pub recorded: Time,
    /// What was compared and found.
    pub findings: Findings,
}

/// Checks a copy of a state: the index and the details of all users, the sets of users by value and role, the counts that
/// are kept between views, the numbers of sessions and slots, and every aggregate. Takes about a second for each million
/// users. `None` if `is_unwanted`, which is asked often, has returned true.
pub fn check(mut state: State, is_unwanted: &dyn Fn() -> bool) -> Option<Checked> {
    let (position, recorded) = (state.position(), state.recorded());
    let mut findings = Findings::default();
    let view = state.check(&mut findings, is_unwanted)?;
    walk::compare(&state, &view, &mut findings, is_unwanted)?;
    Some(Checked { position, recorded, findings })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use uuid::Uuid;

    use super::*;
    use crate::domain::directory::{Document, EntityPatch, UserPatch};
    use crate::domain::event::Surface;
    use crate::domain::filter::Dimension;
    use crate::domain::role::Role;
    use crate::domain::{Channel, EntityRef, Entry, Event, EventBody, Filter, Outcome, RoleGrant, TenantId, UserRef};
    use crate::live::View;
    use crate::projection::{Headcount, Occupancy};

    /// Users of [`tenant`]. The first half is connected.
    const USERS: i64 = 40;

    fn apply(state: &mut State, body: EventBody) {
        let (seq, now) = (state.position() + 1, Time::from_micros(1));
        let event = Event::internal("rollcall:test", Uuid::from_u128(seq.into()), now, body);
        let outcome = state.apply(&Entry { seq, recorded: now, event }).unwrap();
        assert!(matches!(outcome, Outcome::Applied | Outcome::Upserted(_)), "{outcome:?}");
    }

    /// A tenant with users in one of two groups each, all of them operators.
    fn tenant() -> State {
        let mut state = State::new(TenantId(Uuid::nil()));
        let channels = serde_json::json!({ "chat": { "enabled": true, "max_slots": 3 } });
        let user = |id: i64| UserPatch {
            id: Some(id),
            name: Some(format!("Agent {id}")),
            groups: Some(vec![EntityRef::Id(id % 2 + 1)]),
            channels: serde_json::from_value(channels.clone()).unwrap(),
            ..UserPatch::default()
        };
        let group = |id| EntityPatch { id: Some(id), name: Some(format!("Group {id}")), ..EntityPatch::default() };
        let (groups, users) = ((1..=2).map(group).collect(), (1..=USERS).map(user).collect());
        let document = Arc::new(Document { groups, users, ..Document::default() });
        apply(&mut state, EventBody::DirectoryUpserted { document, roles: RoleGrant::default() });
        for id in 1..=USERS / 2 {
            let (session, surface) = (format!("s{id}").into(), Surface::Desk);
            let user = UserRef::id(id);
            let (lease_seconds, device, socket) = (None, None, false);
            let opened = EventBody::DeskConnected { user, session, lease_seconds, device, surface, socket };
            apply(&mut state, opened);
        }
        let (user, channel) = (UserRef::id(1), Channel::Chat);
        apply(&mut state, EventBody::SlotTaken { user, channel, conversation: Uuid::from_u128(1).into() });
        state
    }

    fn ask(view: &View) {
        let zero = (Headcount::default(), Occupancy::on(Channel::Chat));
        view.kept().unwrap().count(view.index(), &Filter::default(), zero);
    }

    /// Returns the differences of a tenant whose state was damaged after its newest view.
    fn found(damage: impl FnOnce(&mut State)) -> Vec<String> {
        let mut state = tenant();
        ask(&state.publish());
        assert_eq!(texts(&state), [""; 0], "before the damage");
        damage(&mut state);
        texts(&state)
    }

    fn texts(state: &State) -> Vec<String> {
        let checked = check(state.clone(), &|| false).unwrap();
        assert_eq!(checked.findings.users, USERS as u64);
        assert_eq!(checked.findings.differences(), checked.findings.texts().len() as u64);
        checked.findings.into_texts()
    }

    #[test]
    fn a_state_without_damage_has_no_differences() {
        let mut state = tenant();
        let numbers = |state: &State| {
            let checked = check(state.clone(), &|| false).unwrap();
            assert_eq!((checked.position, checked.findings.texts()), (state.position(), &[][..]));
            checked.findings.counts
        };
        let unpublished = numbers(&state);
        ask(&state.publish());
        assert_eq!(numbers(&state), unpublished + 1, "with the kept count");
        apply(&mut state, EventBody::DeskClosedAll { user: UserRef::id(1) });
        assert_eq!(numbers(&state), unpublished, "the kept count is that of another index");
        let empty = check(State::new(TenantId(Uuid::nil())), &|| false).unwrap();
        assert_eq!((empty.position, empty.findings.users, empty.findings.differences()), (0, 0, 0));
    }

    #[test]
    fn control_damaged_columns_are_found() {
        let [text] = &found(|state| state.damage_columns(30))[..] else { panic!("one difference") };
        assert!(text.starts_with("user 31: Columns {") && text.contains("in the index, not Columns {"), "{text}");
    }

    #[test]
    fn control_damaged_details_are_found() {
        let [text] = &found(|state| state.damage_details(30))[..] else { panic!("one difference") };
        assert!(text.starts_with("user 31: Detail {"), "{text}");
    }

    #[test]
    fn control_damaged_sets_are_found() {
        let missing = found(|state| state.damage_members(30, Dimension::Group, 2));
        assert_eq!(missing, ["user 31 is not among groups/2"]);
        let added = found(|state| state.damage_members(30, Dimension::Group, 1));
        assert_eq!(added, ["user 31 is among groups/1"]);
        let role = found(|state| state.damage_roles(30, Role::Bot));
        assert_eq!(role, ["user 31 is among those of the role bot"]);
        let connected = found(|state| state.damage_members(0, Dimension::Group, 2));
        let counted = "headcount of groups/2: [9, 9, 0, 0], and [10, 10, 0, 0] when counted again";
        assert_eq!(connected[..2], ["user 1 is not among groups/2", counted], "and its counts");
    }

    #[test]
    fn control_damaged_counts_are_found() {
        let counted = found(State::damage_counts);
        for name in [
            "headcount",
            "occupancy on chat",
            "readiness on any",
            "presence summary",
            "Semilive capacity",
            "available on chat",
        ] {
            assert!(
                counted.iter().any(|text| text.starts_with(&format!("{name} of all users: "))),
                "{name}: {counted:?}"
            );
        }
        assert!(counted.iter().all(|text| !text.starts_with("user")), "the users are as they were: {counted:?}");
    }

    #[test]
    fn control_damaged_kept_counts_are_found() {
        let kept = found(|state| state.publish().kept().unwrap().damage());
        let text = "a count with 0 clauses that is kept between views: [21, 20, 0, 0, 20, 1, 60], and \
                    [20, 20, 0, 0, 20, 1, 60] when counted again";
        assert_eq!(kept, [text]);
    }

    #[test]
    fn control_damaged_usage_is_found() {
        let usage = found(State::damage_usage);
        let texts =
            ["open sessions: [21], and [20] when counted again", "conversations held: [2], and [1] when counted again"];
        assert_eq!(usage, texts);
    }

    #[test]
    fn only_the_first_differences_are_described() {
        let mut state = tenant();
        state.publish();
        (0..USERS as u32).for_each(|ix| state.damage_details(ix));
        let findings = check(state, &|| false).unwrap().findings;
        assert_eq!((findings.differences(), findings.texts().len()), (USERS as u64, 20));
    }

    #[test]
    fn an_unwanted_check_ends() {
        let state = tenant();
        let asked = AtomicU32::new(0);
        let count = || asked.fetch_add(1, Ordering::Relaxed);
        assert!(check(state.clone(), &|| count() == u32::MAX).is_some());
        let all = asked.swap(0, Ordering::Relaxed);
        assert!(all >= 4, "{all}");
        for last in 0..all {
            asked.store(0, Ordering::Relaxed);
            assert_eq!(check(state.clone(), &|| count() == last), None);
            assert_eq!(asked.load(Ordering::Relaxed), last + 1, "it is not asked again");
        }
    }
}
