//! Closed conversations on their way from the view to the archive, and what comes too late for them.

use std::time::Duration;

use rollcall::domain::conversation::{Criteria, Span};
use rollcall::domain::{Conversation, Time};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Stage;
use crate::on_both_stores;
use crate::support::audit::audit;
use crate::support::desks::{connected, event, taken};
use crate::support::raw::Raw;
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

/// A conversation's id.
const ONE: Uuid = Uuid::from_u128(0xcbe5_1cd9_0000_4000_8000_0000_0000_0001);

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Something happens in the conversation.
fn talk(id: impl ToString, kind: &str, user: Option<i64>, time: Time, more: Value) -> Value {
    let mut data = more;
    data["conversation"] = json!(ONE);
    event(id, &format!("conversation.{kind}"), user, time, data)
}

fn pushed(id: impl ToString, user: i64, time: Time) -> Value {
    talk(id, "pushed", Some(user), time, json!({ "channel": "CHAT" }))
}

fn closed(id: impl ToString, time: Time) -> Value {
    talk(id, "closed", None, time, json!({}))
}

fn said(id: impl ToString, time: Time) -> Value {
    talk(id, "message", None, time, json!({ "author": "visitor", "text": "Hello" }))
}

impl Stage {
    /// What the newest view has of it.
    fn viewed(&self) -> Option<Conversation> {
        let view = self.service.app.reader.snapshot(tenant_id(&self.persona.tenant)).view.clone();
        view.conversations().get(ONE).map(|known| Conversation::clone(known))
    }

    /// What the archive has of it.
    async fn archived(&self) -> Option<Conversation> {
        let tenant = tenant_id(&self.persona.tenant);
        let found = self.service.app.store.archived(tenant, self.position(), &[ONE]).await.expect("the store answers");
        // A list finds the same.
        let all = Span { forward: true, after: None, before: None, limit: 10 };
        let page = self.service.app.store.archive_page(tenant, self.position(), &Criteria::default(), &all).await;
        assert_eq!(page.expect("a page").conversations, found);
        found.first().map(|known| Conversation::clone(known))
    }

    /// Makes a checkpoint due, until one is written that has everything.
    async fn checkpoint(&self) {
        let mut raw = Raw::open(&self.service.home.location).await;
        // One that is due has grown: this is an event that nothing comes of.
        let id = format!("due-{}", self.position());
        self.outcome(event(id, "desk.disconnected", Some(1), self.now(), json!({ "session": "nobody's" }))).await;
        let stored = format!("SELECT count(*) FROM checkpoint WHERE position = {}", self.position());
        eventually("a checkpoint", async || {
            self.clock.advance(Duration::from_secs(31));
            raw.number(&stored).await == 1
        })
        .await;
    }

    /// Pushed and closed within a minute.
    async fn tell(&self) {
        let now = self.now();
        let push = pushed("push", 1, now.plus_seconds(-60));
        self.service.api.apply(&self.persona.key, &[connected("desk", 1, now), push, closed("close", now)]).await;
    }

    /// A conversation that closed more than a day ago, with a checkpoint after that.
    async fn of_yesterday(backend: Backend) -> (Self, Conversation) {
        let stage = Stage::new(backend, 3).await;
        stage.tell().await;
        let then = stage.viewed().expect("it is in the view");
        stage.clock.advance(DAY + Duration::from_secs(3_600));
        stage.checkpoint().await;
        (stage, then)
    }

    /// How many conversations each of the three users holds on chat, and took so far.
    fn hands(&self) -> [(u32, u64); 3] {
        let view = self.service.app.reader.snapshot(tenant_id(&self.persona.tenant)).view.clone();
        [1, 2, 3].map(|id| {
            let ix = view.directory().find(&rollcall::domain::UserRef::id(id)).expect("a user");
            (view.columns(ix).current[rollcall::domain::Channel::Chat], view.detail(ix).handled)
        })
    }

    /// Everything that may be said of a conversation comes too late for this one.
    async fn is_final(&self, round: &str) {
        let (hands, archived, now) = (self.hands(), self.archived().await, self.now());
        let id = |kind: &str| format!("{round}-{kind}");
        let late = [
            talk(id("started"), "started", None, now, json!({ "project": 1, "channel": "CHAT" })),
            talk(id("routed"), "routed", None, now, json!({})),
            pushed(id("pushed"), 2, now),
            said(id("said"), now.plus_seconds(-90_000)),
            talk(id("transferred"), "transferred", None, now, json!({})),
            talk(id("snoozed"), "snoozed", None, now, json!({})),
            talk(id("removed"), "removed", None, now, json!({})),
            pushed(id("again"), 2, now),
        ];
        let answer = self.service.api.events(&self.persona.key, &late).await.unwrap().ok();
        assert_eq!(answer.outcomes(), ["stale"; 8], "{}", answer.text);
        assert_eq!(self.hands(), hands, "it takes no slot");
        assert_eq!(self.archived().await, archived);
        assert!(self.viewed().is_none_or(|viewed| viewed.closing().is_some()), "it is not open again");
    }

    /// Stops, and finds everything in order.
    async fn ends_well(self) {
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
    let viewed = stage.viewed().expect("closed, and still there");
    assert_eq!(viewed.closing().map(|closing| closing.time), Some(stage.now()));
    assert_eq!(stage.hands()[0], (0, 1), "the slot is free");
    stage.checkpoint().await;
    assert_eq!(stage.archived().await.as_ref(), Some(&viewed), "the next checkpoint archives it");
    assert_eq!(stage.viewed().as_ref(), Some(&viewed), "for a day it is in both");
    // It can be amended for a day: what came late is in the view at once, and with the next checkpoint in the archive.
    stage.apply(said("late", stage.now().plus_seconds(-60))).await;
    assert_eq!(stage.viewed().expect("amended").moments().len(), 3);
    stage.checkpoint().await;
    assert_eq!(stage.archived().await, stage.viewed());
    stage.ends_well().await;
}

async fn after_a_day_a_conversation_is_only_in_the_archive(backend: Backend) {
    let (stage, then) = Stage::of_yesterday(backend).await;
    assert_eq!(stage.archived().await.as_ref(), Some(&then));
    // A view that is published after the checkpoint has it no more.
    eventually("it is forgotten", async || {
        stage.checkpoint().await;
        stage.viewed().is_none()
    })
    .await;
    assert_eq!(stage.archived().await, Some(then));
    let mut raw = Raw::open(&stage.service.home.location).await;
    assert_eq!(raw.number("SELECT count(*) FROM state_row WHERE kind = 'conversation'").await, 0);
    stage.ends_well().await;
}

async fn events_for_final_conversations_are_stale(backend: Backend) {
    let (stage, _) = Stage::of_yesterday(backend).await;
    stage.is_final("before").await;
    stage.checkpoint().await;
    stage.checkpoint().await;
    stage.is_final("after").await;
    // A slot of that name is another thing than what happened in it.
    stage.apply(taken("slot", 3, &ONE.to_string(), stage.now())).await;
    assert_eq!(stage.hands()[2], (1, 1));
    assert_eq!(stage.outcome(closed("once more", stage.now())).await, "stale");
    assert_eq!(stage.hands()[2], (1, 1), "nor is one released");
    stage.ends_well().await;
}

async fn the_first_event_after_the_day_is_stale(backend: Backend) {
    let stage = Stage::new(backend, 3).await;
    stage.tell().await;
    // Nothing is recorded in between: the state learns with this very event that a day went by.
    stage.clock.advance(DAY - Duration::from_micros(1));
    stage.apply(said("in time", stage.now())).await;
    let then = stage.viewed();
    stage.clock.advance(DAY);
    let answer = stage.service.api.events(&stage.persona.key, &[pushed("late", 2, stage.now())]).await.unwrap().ok();
    assert_eq!(answer.outcomes(), ["stale"]);
    assert_eq!(stage.viewed(), then);
    assert_eq!(stage.hands()[1], (0, 0));
    let mut raw = Raw::open(&stage.service.home.location).await;
    let line = raw.journal().await.into_iter().find(|line| line.id.id.as_ref() == "late").expect("it is journalled");
    assert!(line.entry().event.fact.is_final, "it says so itself: {}", line.event);
    stage.checkpoint().await;
    assert_eq!(stage.archived().await, then);
    stage.ends_well().await;
}

async fn final_conversations_stay_final_across_restarts(backend: Backend) {
    let (stage, then) = Stage::of_yesterday(backend).await;
    let stage = stage.restart().await;
    stage.is_final("first").await;
    let stage = stage.restart().await;
    stage.is_final("second").await;
    assert_eq!(stage.archived().await, Some(then));
    stage.ends_well().await;
}

async fn replaying_the_tail_archives_conversations(backend: Backend) {
    let stage = Stage::new(backend, 3).await;
    stage.tell().await;
    let then = stage.viewed();
    stage.checkpoint().await;
    stage.apply(said("more", stage.now())).await;
    let amended = stage.viewed();
    assert_ne!(amended, then);
    // Without its last checkpoint a server leaves what one that is killed leaves.
    let mut raw = Raw::open(&stage.service.home.location).await;
    raw.refuse("checkpoint", "true").await;
    stage.clock.advance(DAY + DAY);
    stage.apply(connected("later", 2, stage.now())).await;
    let Stage { service, clock, persona } = stage;
    let home = service.stop().await;
    raw.accept().await;
    let setup = Setup { clock: clock.clone(), ..Setup::default() };
    let service = crate::support::Service::start_on(home, setup).await;
    let stage = Stage { service, clock, persona };
    assert_eq!(stage.viewed(), amended, "it left, and the archive knows only of before");
    stage.is_final("after").await;
    stage.checkpoint().await;
    assert_eq!(stage.archived().await, amended);
    stage.ends_well().await;
}

async fn failed_checkpoints_lose_no_conversation(backend: Backend) {
    let stage = Stage::new(backend, 3).await;
    stage.tell().await;
    let mut raw = Raw::open(&stage.service.home.location).await;
    raw.refuse("archive", "true").await;
    let then = stage.viewed();
    // One fails while it is remembered, and others after it left.
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
    stage.ends_well().await;
}

/// The archive has what the checkpoint saw when it began; what came after that waits for the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_during_a_checkpoint_are_not_lost() {
    let stage = Stage::new(Backend::Postgres, 3).await;
    stage.tell().await;
    let mut archive = Raw::open(&stage.service.home.location).await;
    // The archive can be read and not written, while the journal goes on.
    archive.run("BEGIN; LOCK TABLE archive IN SHARE MODE").await;
    let mut raw = Raw::open(&stage.service.home.location).await;
    stage.clock.advance(Duration::from_secs(31));
    eventually("a checkpoint is being written", async || {
        raw.number("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'archive'::regclass").await == 1
    })
    .await;
    stage.apply(said("meanwhile", stage.now())).await;
    let amended = stage.viewed();
    stage.clock.advance(DAY);
    stage.apply(connected("later", 2, stage.now())).await;
    assert_eq!(stage.outcome(said("too late", stage.now())).await, "stale");
    archive.run("ROLLBACK").await;
    stage.checkpoint().await;
    assert_eq!(stage.archived().await, amended);
    stage.is_final("after").await;
    stage.ends_well().await;
}

async fn reopened_conversations_leave_the_archive(backend: Backend) {
    let stage = Stage::new(backend, 3).await;
    stage.tell().await;
    stage.checkpoint().await;
    assert!(stage.archived().await.is_some());
    stage.apply(pushed("again", 2, stage.now())).await;
    stage.checkpoint().await;
    assert_eq!(stage.archived().await, None);
    // What is open stays, however long.
    for _ in 0..3 {
        stage.clock.advance(DAY);
        stage.checkpoint().await;
    }
    assert_eq!(stage.hands()[1], (1, 1));
    stage.apply(closed("at last", stage.now())).await;
    let contacts = stage.viewed().expect("it is in the view").contacts();
    assert_eq!(contacts.iter().map(|contact| contact.user).collect::<Vec<_>>(), [1, 2]);
    stage.ends_well().await;
}

async fn a_conversation_is_limited_in_size(backend: Backend) {
    let stage = Stage::new(backend, 3).await;
    stage.tell().await;
    let now = stage.now();
    let messages: Vec<Value> = (1..=1_000).map(|n| said(n, now)).collect();
    stage.service.api.apply(&stage.persona.key, &messages).await;
    let answer = stage.service.api.events(&stage.persona.key, &[said(1_001, now)]).await.unwrap().ok();
    assert_eq!(answer.outcomes(), ["rejected"]);
    assert!(answer.text.contains("1000 messages"), "{}", answer.text);
    // Whatever else happens in it is still taken, and after a restart there is no more room than before.
    let pushes: Vec<Value> = (0..998).map(|n| pushed(format!("again-{n}"), 2, now)).collect();
    stage.service.api.apply(&stage.persona.key, &pushes).await;
    let stage = stage.restart().await;
    assert_eq!(stage.outcome(said(1_002, now)).await, "rejected");
    assert_eq!(stage.outcome(talk("end", "removed", None, now, json!({}))).await, "rejected");
    assert_eq!(stage.hands()[1], (1, 1));
    // But nobody holds it for good.
    stage.apply(closed("again-closed", stage.now())).await;
    assert_eq!(stage.hands()[1], (0, 1));
    assert_eq!(stage.viewed().expect("it is in the view").moments().len(), 2_001);
    stage.ends_well().await;
}
