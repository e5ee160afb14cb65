//! Closed conversations: archiving, leaving the view, and events that are too late for them.

use std::time::Duration;

use reqwest::Method;
use rollcall::domain::conversation::Span;
use rollcall::domain::{Conversation, Time};
use rollcall::store::ArchiveFilter;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Stage;
use crate::on_both_stores;
use crate::support::api::send;
use crate::support::audit::audit;
use crate::support::desks::{connected, event, taken};
use crate::support::raw::RawStore;
use crate::support::tasks::eventually;
use crate::support::{Backend, Setup, tenant_id};

on_both_stores!(closed_conversations_are_readable_at_once);
on_both_stores!(after_a_day_a_conversation_is_only_in_the_archive);
on_both_stores!(events_for_final_conversations_are_stale);
on_both_stores!(the_first_event_after_the_day_is_stale);
on_both_stores!(final_conversations_stay_final_across_restarts);
on_both_stores!(replaying_the_tail_archives_conversations);
on_both_stores!(failed_checkpoints_lose_no_conversation);
on_both_stores!(reopened_conversations_leave_the_archive);
on_both_stores!(a_conversation_is_limited_in_size);
on_both_stores!(a_contact_shows_the_user_of_then);

/// The id of the conversation of these tests.
const ONE: Uuid = Uuid::from_u128(0xcbe5_1cd9_0000_4000_8000_0000_0000_0001);

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Returns an event of the conversation.
fn conversation(id: impl ToString, kind: &str, user: Option<i64>, time: Time, more: Value) -> Value {
    let mut data = more;
    data["conversation"] = json!(ONE);
    event(id, &format!("conversation.{kind}"), user, time, data)
}

fn pushed(id: impl ToString, user: i64, time: Time) -> Value {
    conversation(id, "pushed", Some(user), time, json!({ "channel": "CHAT" }))
}

fn closed(id: impl ToString, time: Time) -> Value {
    conversation(id, "closed", None, time, json!({}))
}

fn message(id: impl ToString, time: Time) -> Value {
    conversation(id, "message", None, time, json!({ "author": "visitor", "text": "Hello" }))
}

impl Stage {
    /// Returns the conversation in the newest view.
    fn viewed(&self) -> Option<Conversation> {
        let view = self.service.app.reader.snapshot(tenant_id(&self.persona.tenant)).unwrap().view.clone();
        view.conversations().get(ONE).map(|known| Conversation::clone(known))
    }

    /// Returns the conversation in the archive.
    async fn archived(&self) -> Option<Conversation> {
        let tenant = tenant_id(&self.persona.tenant);
        let found = self.service.app.store.archived(tenant, self.position(), &[ONE]).await.expect("the store answers");
        // The list finds the same conversation as the look-up by id.
        let all = Span { forward: true, after: None, before: None, limit: 10 };
        let page = self.service.app.store.archive_page(tenant, self.position(), &ArchiveFilter::default(), &all).await;
        assert_eq!(page.expect("a page").conversations, found);
        found.first().map(|known| Conversation::clone(known))
    }

    /// Returns the data of a query's answer.
    async fn asked(&self, query: &str) -> Value {
        self.service.api.graphql(&self.persona.key, query).await.expect("an answer").ok().json()["data"].clone()
    }

    /// Makes a checkpoint due, and waits until one at the newest position is written.
    async fn checkpoint(&self) {
        let mut raw = RawStore::open(&self.service.home.location).await;
        // A checkpoint is due only after new entries; this one has no effect.
        let id = format!("due-{}", self.position());
        self.outcome(event(id, "desk.disconnected", Some(1), self.now(), json!({ "session": "unknown" }))).await;
        let stored = format!("SELECT count(*) FROM checkpoint WHERE position = {}", self.position());
        eventually("a checkpoint", async || {
            self.clock.advance(Duration::from_secs(31));
            raw.number(&stored).await == 1
        })
        .await;
    }

    /// Pushes the conversation to a user and closes it a minute later.
    async fn push_and_close(&self) {
        let now = self.now();
        let push = pushed("push", 1, now.plus_seconds(-60));
        self.service.api.apply(&self.persona.key, &[connected("desk", 1, now), push, closed("close", now)]).await;
    }

    /// Returns a stage whose conversation closed more than a day before the last checkpoint, and that conversation.
    async fn of_yesterday(backend: Backend) -> (Self, Conversation) {
        let stage = Stage::new(backend, 3).await;
        stage.push_and_close().await;
        let then = stage.viewed().expect("it is in the view");
        stage.clock.advance(DAY + Duration::from_secs(3_600));
        stage.checkpoint().await;
        (stage, then)
    }

    /// Returns the conversations that each of the three users holds on chat, and has taken so far.
    fn hands(&self) -> [(u32, u64); 3] {
        let view = self.service.app.reader.snapshot(tenant_id(&self.persona.tenant)).unwrap().view.clone();
        [1, 2, 3].map(|id| {
            let ix = view.directory().find(&rollcall::domain::UserRef::id(id)).expect("a user");
            (view.columns(ix).current[rollcall::domain::Channel::Chat], view.detail(ix).handled)
        })
    }

    /// Checks that every kind of event for the conversation is stale and changes nothing.
    async fn is_final(&self, round: &str) {
        let (hands, archived, now) = (self.hands(), self.archived().await, self.now());
        let id = |kind: &str| format!("{round}-{kind}");
        let late = [
            conversation(id("started"), "started", None, now, json!({ "project": 1, "channel": "CHAT" })),
            conversation(id("routed"), "routed", None, now, json!({})),
            pushed(id("pushed"), 2, now),
            message(id("said"), now.plus_seconds(-90_000)),
            conversation(id("transferred"), "transferred", None, now, json!({})),
            conversation(id("snoozed"), "snoozed", None, now, json!({})),
            conversation(id("removed"), "removed", None, now, json!({})),
            pushed(id("again"), 2, now),
        ];
        let answer = self.service.api.events(&self.persona.key, &late).await.unwrap().ok();
        assert_eq!(answer.outcomes(), ["stale"; 8], "{}", answer.text);
        assert_eq!(self.hands(), hands, "the push takes no slot");
        assert_eq!(self.archived().await, archived);
        assert!(self.viewed().is_none_or(|viewed| viewed.closing().is_some()), "the conversation is not reopened");
    }

    /// Stops the service and audits its store.
    async fn stop_and_audit(self) {
        let home = self.service.stop().await;
        assert_eq!(audit(&home.location, &[]).await, [""; 0]);
    }
}

async fn closed_conversations_are_readable_at_once(backend: Backend) {
    let stage = Stage::new(backend, 3).await;
    stage.apply(pushed("push", 1, stage.now())).await;
    assert_eq!(stage.hands()[0], (1, 1));
    assert_eq!(stage.viewed().expect("open").closing(), None);
    stage.apply(closed("close", stage.now())).await;
    let viewed = stage.viewed().expect("the closed conversation is in the view");
    assert_eq!(viewed.closing().map(|closing| closing.time), Some(stage.now()));
    assert_eq!(stage.hands()[0], (0, 1), "closing frees the slot");
    stage.checkpoint().await;
    assert_eq!(stage.archived().await.as_ref(), Some(&viewed), "the next checkpoint archives it");
    assert_eq!(stage.viewed().as_ref(), Some(&viewed), "for a day it is in the view as well");
    // For a day late events amend it: in the view at once, and in the archive with the next checkpoint.
    stage.apply(message("late", stage.now().plus_seconds(-60))).await;
    assert_eq!(stage.viewed().expect("amended").history().len(), 3);
    stage.checkpoint().await;
    assert_eq!(stage.archived().await, stage.viewed());
    stage.stop_and_audit().await;
}

async fn after_a_day_a_conversation_is_only_in_the_archive(backend: Backend) {
    let (stage, then) = Stage::of_yesterday(backend).await;
    assert_eq!(stage.archived().await.as_ref(), Some(&then));
    // Views published after the checkpoint do not contain it.
    eventually("the conversation leaves the view", async || {
        stage.checkpoint().await;
        stage.viewed().is_none()
    })
    .await;
    assert_eq!(stage.archived().await, Some(then));
    let mut raw = RawStore::open(&stage.service.home.location).await;
    assert_eq!(raw.number("SELECT count(*) FROM state_row WHERE kind = 'conversation'").await, 0);
    stage.stop_and_audit().await;
}

async fn events_for_final_conversations_are_stale(backend: Backend) {
    let (stage, _) = Stage::of_yesterday(backend).await;
    stage.is_final("before").await;
    stage.checkpoint().await;
    stage.checkpoint().await;
    stage.is_final("after").await;
    // A slot with the same id is taken independently of the conversation's history, and ended by its end.
    stage.apply(taken("slot", 3, &ONE.to_string(), stage.now())).await;
    assert_eq!(stage.hands()[2], (1, 1));
    assert_eq!(stage.outcome(closed("once more", stage.now())).await, "applied");
    assert_eq!(stage.hands()[2], (0, 1), "a close releases the slot of a final conversation");
    assert_eq!(stage.outcome(closed("and again", stage.now())).await, "stale");
    stage.stop_and_audit().await;
}

async fn the_first_event_after_the_day_is_stale(backend: Backend) {
    let stage = Stage::new(backend, 3).await;
    stage.push_and_close().await;
    // No entry is recorded in between, so this event is the first after the day has passed.
    stage.clock.advance(DAY - Duration::from_micros(1));
    stage.apply(message("in time", stage.now())).await;
    let then = stage.viewed();
    stage.clock.advance(DAY);
    let answer = stage.service.api.events(&stage.persona.key, &[pushed("late", 2, stage.now())]).await.unwrap().ok();
    assert_eq!(answer.outcomes(), ["stale"]);
    assert_eq!(stage.viewed(), then);
    assert_eq!(stage.hands()[1], (0, 0));
    let mut raw = RawStore::open(&stage.service.home.location).await;
    let line =
        raw.journal().await.into_iter().find(|line| line.id.id.as_ref() == "late").expect("the event is journalled");
    assert!(line.entry().event.fact.is_final, "the entry is marked final: {}", line.event);
    stage.checkpoint().await;
    assert_eq!(stage.archived().await, then);
    stage.stop_and_audit().await;
}

async fn final_conversations_stay_final_across_restarts(backend: Backend) {
    let (stage, then) = Stage::of_yesterday(backend).await;
    let stage = stage.restart().await;
    stage.is_final("first").await;
    let stage = stage.restart().await;
    stage.is_final("second").await;
    assert_eq!(stage.archived().await, Some(then));
    stage.stop_and_audit().await;
}

async fn replaying_the_tail_archives_conversations(backend: Backend) {
    let stage = Stage::new(backend, 3).await;
    stage.push_and_close().await;
    let then = stage.viewed();
    stage.checkpoint().await;
    stage.apply(message("more", stage.now())).await;
    let amended = stage.viewed();
    assert_ne!(amended, then);
    // A server whose last checkpoint fails leaves the store as one that was killed does.
    let mut raw = RawStore::open(&stage.service.home.location).await;
    raw.refuse("checkpoint", "true").await;
    stage.clock.advance(DAY + DAY);
    stage.apply(connected("later", 2, stage.now())).await;
    let Stage { service, clock, persona } = stage;
    let home = service.stop().await;
    raw.accept().await;
    let setup = Setup { clock: clock.clone(), ..Setup::default() };
    let service = crate::support::Service::start_on(home, setup).await;
    let stage = Stage { service, clock, persona };
    assert_eq!(stage.viewed(), amended, "the view keeps it, since the archive has an older version");
    stage.is_final("after").await;
    stage.checkpoint().await;
    assert_eq!(stage.archived().await, amended);
    stage.stop_and_audit().await;
}

async fn failed_checkpoints_lose_no_conversation(backend: Backend) {
    let stage = Stage::new(backend, 3).await;
    stage.push_and_close().await;
    let mut raw = RawStore::open(&stage.service.home.location).await;
    raw.refuse("archive", "true").await;
    let then = stage.viewed();
    // The first checkpoint fails while the conversation is still in the state, later ones after it has become final.
    for n in 0..3 {
        stage.clock.advance(DAY / 2 + Duration::from_secs(60));
        assert_eq!(stage.outcome(connected(n, 2, stage.now())).await, "applied");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(stage.viewed(), then);
    }
    assert_eq!(stage.outcome(pushed("late", 2, stage.now())).await, "stale");
    assert_eq!(stage.archived().await, None);
    raw.accept().await;
    stage.checkpoint().await;
    assert_eq!(stage.archived().await, then);
    stage.is_final("after").await;
    stage.stop_and_audit().await;
}

/// A checkpoint contains the state as of its beginning; later changes are in the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_during_a_checkpoint_are_not_lost() {
    let stage = Stage::new(Backend::Postgres, 3).await;
    stage.push_and_close().await;
    let mut archive = RawStore::open(&stage.service.home.location).await;
    // The archive cannot be written, while the journal can.
    archive.run("BEGIN; LOCK TABLE archive IN SHARE MODE").await;
    let mut raw = RawStore::open(&stage.service.home.location).await;
    stage.clock.advance(Duration::from_secs(31));
    eventually("a checkpoint is being written", async || {
        raw.number("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'archive'::regclass").await == 1
    })
    .await;
    stage.apply(message("meanwhile", stage.now())).await;
    let amended = stage.viewed();
    stage.clock.advance(DAY);
    stage.apply(connected("later", 2, stage.now())).await;
    assert_eq!(stage.outcome(message("too late", stage.now())).await, "stale");
    archive.run("ROLLBACK").await;
    stage.checkpoint().await;
    assert_eq!(stage.archived().await, amended);
    stage.is_final("after").await;
    stage.stop_and_audit().await;
}

async fn reopened_conversations_leave_the_archive(backend: Backend) {
    let stage = Stage::new(backend, 3).await;
    stage.push_and_close().await;
    stage.checkpoint().await;
    assert!(stage.archived().await.is_some());
    stage.apply(pushed("again", 2, stage.now())).await;
    stage.checkpoint().await;
    assert_eq!(stage.archived().await, None);
    // Open conversations stay in the view for any time.
    for _ in 0..3 {
        stage.clock.advance(DAY);
        stage.checkpoint().await;
    }
    assert_eq!(stage.hands()[1], (1, 1));
    stage.apply(closed("at last", stage.now())).await;
    let contacts = stage.viewed().expect("it is in the view").contacts();
    assert_eq!(contacts.iter().map(|contact| contact.user.id).collect::<Vec<_>>(), [1, 2]);
    stage.stop_and_audit().await;
}

async fn a_conversation_is_limited_in_size(backend: Backend) {
    let stage = Stage::new(backend, 3).await;
    stage.push_and_close().await;
    let now = stage.now();
    let messages: Vec<Value> = (1..=1_000).map(|n| message(n, now)).collect();
    stage.service.api.apply(&stage.persona.key, &messages).await;
    let answer = stage.service.api.events(&stage.persona.key, &[message(1_001, now)]).await.unwrap().ok();
    assert_eq!(answer.outcomes(), ["rejected"]);
    assert!(answer.text.contains("1000 messages"), "{}", answer.text);
    // Events other than messages are still accepted, and a restart does not reset the count.
    let pushes: Vec<Value> = (0..998).map(|n| pushed(format!("again-{n}"), 2, now)).collect();
    stage.service.api.apply(&stage.persona.key, &pushes).await;
    let stage = stage.restart().await;
    assert_eq!(stage.outcome(message(1_002, now)).await, "rejected");
    assert_eq!(stage.hands()[1], (1, 1));
    assert_eq!(stage.outcome(conversation("end", "removed", None, now, json!({}))).await, "applied");
    assert_eq!(stage.hands()[1], (0, 1), "the slot is released without an entry in the history");
    assert_eq!(stage.outcome(conversation("end again", "removed", None, now, json!({}))).await, "rejected");
    // Closing is accepted at any size, so that the conversation is not open for ever.
    stage.apply(closed("again-closed", stage.now())).await;
    assert_eq!(stage.hands()[1], (0, 1));
    assert_eq!(stage.viewed().expect("it is in the view").history().len(), 2_001);
    stage.stop_and_audit().await;
}

/// An integer id can be given to another user a day after its owner was deleted.
async fn a_contact_shows_the_user_of_then(backend: Backend) {
    let stage = Stage::new(backend, 3).await;
    let now = stage.now();
    let written = conversation("text", "message", Some(2), now, json!({ "author": "agent" }));
    stage.apply(pushed("push", 2, now)).await;
    stage.apply(written).await;
    stage.apply(closed("close", now.plus_seconds(1))).await;
    let request = stage.service.api.request(Method::DELETE, "/operator/2").header("X-API-Key", &stage.persona.key);
    send(request).await.expect("an answer").ok();
    stage.clock.advance(DAY + Duration::from_secs(3_600));
    stage.checkpoint().await;
    let second = "5ea70000-0000-4000-8000-00000000f002";
    let users = json!([{ "id": 2, "guid": second, "name": "second", "groups": [1], "roles": ["operator"] }]);
    stage.service.api.put_directory(&stage.persona.key, &json!({ "users": users })).await;
    let other = "cbe51cd9-0000-4000-8000-000000000002";
    let data = json!({ "conversation": other, "channel": "CHAT" });
    stage.apply(event("other", "conversation.pushed", Some(2), stage.now(), data)).await;
    stage.apply(event("end", "conversation.closed", None, stage.now(), json!({ "conversation": other }))).await;

    let user = |name: &str| json!({ "id": 2, "lastName": name, "isDeleted": name.is_empty() });
    let shows = async |stage: &Stage, id: &str| {
        let of = "{id lastName isDeleted}";
        let messages = format!(
            "messages{{edges{{node{{...on SystemMessage{{toUser{of} attachment{{...on
             ConversationPushedSystemAttachment{{toUser{of}}}}}}} ...on TextMessage{{fromUser{of}}}}}}}}}"
        );
        let query = format!("{{conversation(id:\"{id}\"){{users{of} agents{of} contacts{{user{of}}} {messages}}}}}");
        stage.asked(&query).await["conversation"].clone()
    };
    let listed = async |stage: &Stage, filter: &str| {
        let interval = "interval:{from:\"2021-03-01T00:00:00Z\",to:\"2021-03-04T00:00:00Z\"}";
        let query = format!("{{closedConversations({interval},{filter}){{edges{{node{{id}}}}}}}}");
        let edges = stage.asked(&query).await["closedConversations"]["edges"].clone();
        edges.as_array().expect("edges").iter().map(|edge| edge["node"]["id"].clone()).collect::<Vec<_>>()
    };
    let check = async |stage: &Stage| {
        let first = shows(stage, &ONE.to_string()).await;
        let of_first = user("");
        assert_eq!((&first["users"], &first["agents"]), (&json!([of_first]), &json!([of_first])));
        assert_eq!(first["contacts"], json!([{ "user": of_first }]));
        let nodes = &first["messages"]["edges"];
        assert_eq!(nodes[0]["node"], json!({ "toUser": of_first, "attachment": { "toUser": of_first } }));
        assert_eq!(nodes[1]["node"], json!({ "fromUser": of_first }));
        assert_eq!(shows(stage, other).await["users"], json!([user("second")]));
        // The integer id stands for both, the GUID and the group for the current user.
        assert_eq!(listed(stage, "userIds:[2]").await, [json!(ONE), json!(other)]);
        assert_eq!(listed(stage, &format!("userIds:[\"{second}\"]")).await, [json!(other)]);
        assert_eq!(listed(stage, "groupIds:[1]").await, [json!(other)]);
    };
    check(&stage).await;
    stage.checkpoint().await;
    let stage = stage.restart().await;
    check(&stage).await;
    stage.stop_and_audit().await;
}
