//! Any bytes as events: an admitted event reads back from the journal unchanged, and applying it does not panic.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use rollcall::domain::directory::{Document, UserPatch};
use rollcall::domain::event::{Fact, admit};
use rollcall::domain::{Entry, Event, EventBody, RoleGrant, TenantId, Time};
use rollcall::live::State;
use serde_json::value::RawValue;
use uuid::Uuid;

/// 2024-01-01.
const NOW: Time = Time::from_micros(1_704_067_200_000_000);

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut state = State::new(TenantId(Uuid::nil()));
    let users = [101, 102].map(|id| UserPatch { id: Some(id), ..UserPatch::default() });
    let document = Arc::new(Document { users: users.into(), ..Document::default() });
    let made = Event::internal(
        "rollcall:fuzz",
        Uuid::nil(),
        NOW,
        EventBody::DirectoryUpserted { document, roles: RoleGrant::default() },
    );
    state.apply(&Entry { seq: 1, recorded: NOW, event: made }).expect("the first entry");
    // One event a line, as in NDJSON.
    for line in text.lines() {
        let Ok(raw) = serde_json::from_str::<&RawValue>(line) else { continue };
        let Ok(event) = admit(raw, NOW) else { continue };
        let json = serde_json::to_string(&event.fact).expect("plain types");
        assert_eq!(serde_json::from_str::<Fact>(&json).expect("what was written"), event.fact);
        if !event.is_heartbeat() {
            let entry = Entry { seq: state.position() + 1, recorded: NOW, event };
            state.apply(&entry).expect("no gap");
        }
    }
    let loaded = State::load(TenantId(Uuid::nil()), state.position(), state.rows()).expect("its own rows");
    assert_eq!(loaded.digest(), state.digest());
    state.publish();
});
