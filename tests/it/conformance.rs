//! The contract of the journal and the store with the engine, tested on each backend without a server.

mod archive;
mod checkpoints;
mod deletion;
mod forgetting;
mod journal;
mod ownership;
mod quarantine;
mod registry;
mod shared;
mod starts;

use rollcall::clock::Clock;
use rollcall::domain::event::Fact;
use rollcall::domain::json::Field;
use rollcall::domain::settings::SettingsPatch;
use rollcall::domain::{ConversationId, Event, EventBody, EventId, Settings, TenantId, Time};
use rollcall::journal::{Batch, Draft, Journal, Placement};
use rollcall::live::state::APPLY_VERSION;
use rollcall::store::{Store, TenantRecord};

use crate::support::audit::take_journal;
use crate::support::tasks::eventually;
use crate::support::{Backend, Home};

/// A new store, its journal and two tenants.
struct Bench {
    home: Home,
    store: Store,
    journal: Journal,
    clock: Clock,
    ours: TenantId,
    theirs: TenantId,
}

impl Bench {
    async fn new(backend: Backend) -> Self {
        let home = Home::new(backend).await;
        let (store, is_new) = Store::open(&home.location).await.expect("the store opens");
        assert!(is_new, "the store is new");
        let journal = take_journal(&store, APPLY_VERSION).await;
        let clock = Clock::system();
        let ours = new_tenant(&store, &clock, "ours").await;
        let theirs = new_tenant(&store, &clock, "theirs").await;
        Bench { home, store, journal, clock, ours, theirs }
    }

    /// Closes the store and opens it again, as a restart does.
    async fn reopen(self) -> Self {
        self.reopen_as(APPLY_VERSION).await
    }

    async fn reopen_as(self, apply_version: u32) -> Self {
        let Bench { home, store, journal, clock, ours, theirs } = self;
        drop((store, journal));
        let (store, is_new) = Store::open(&home.location).await.expect("the store opens");
        assert!(!is_new, "the store exists already");
        let journal = take_journal(&store, apply_version).await;
        Bench { home, store, journal, clock, ours, theirs }
    }

    /// Appends drafts; returns the position of each, `None` for a duplicate.
    async fn append(&mut self, recorded: Time, drafts: &[Draft]) -> Vec<Option<u64>> {
        let appended = self.journal.append(self.batch(recorded, drafts)).await.expect("the append succeeds");
        let position = |placement| match placement {
            Placement::Placed(seq) => Some(seq),
            Placement::Duplicate(_) => None,
            other => panic!("{other:?}"),
        };
        appended.placements.into_iter().map(position).collect()
    }

    /// Replaces a tenant's settings; returns false for an unknown tenant.
    async fn set_settings(&self, tenant: TenantId, settings: &Settings) -> bool {
        let Settings { conversation_text, conversation_days, iadvize_secret, desk_lease_seconds, .. } =
            settings.clone();
        let patch = SettingsPatch {
            conversation_text: Field::Set(conversation_text),
            conversation_days: conversation_days.map_or(Field::Clear, Field::Set),
            iadvize_secret: iadvize_secret.map_or(Field::Clear, Field::Set),
            desk_lease_seconds: desk_lease_seconds.map_or(Field::Clear, Field::Set),
            desk_heartbeat_seconds: settings.desk_heartbeat_seconds.map_or(Field::Clear, Field::Set),
        };
        let changed = self.store.change_settings(tenant, &patch, 3_600).await.expect("the store answers");
        assert!(changed.as_ref().is_none_or(|changed| changed.settings == *settings), "{changed:?}");
        changed.is_some()
    }

    /// Returns a batch with a new id.
    fn batch<'a>(&self, recorded: Time, drafts: &'a [Draft]) -> Batch<'a> {
        Batch { id: self.clock.new_id(), recorded, store_clock: None, drafts }
    }

    /// Reconnects as the engine does: repeatedly, until the lost connection has released its lock.
    async fn recover(&mut self) {
        eventually("the journal recovers", async || self.journal.recover().await.is_ok()).await;
    }

    /// Returns the event ids of a tenant's journal, in order.
    async fn ids(&mut self, tenant: TenantId) -> Vec<String> {
        let entries = self.journal.read(tenant, 0, u32::MAX).await.expect("the journal is read");
        let in_order = entries.iter().enumerate().all(|(n, logged)| logged.entry.seq == n as u64 + 1);
        assert!(in_order, "contiguous from 1: {entries:?}");
        entries.into_iter().map(|logged| logged.entry.event.id.id.into()).collect()
    }
}

async fn new_tenant(store: &Store, clock: &Clock, name: &str) -> TenantId {
    let (id, settings) = (TenantId(clock.new_id()), Settings::default());
    let tenant = TenantRecord { id, name: name.to_owned(), created: clock.now(), settings };
    assert!(store.create_tenant(&tenant).await.expect("the store answers"), "the name is free");
    tenant.id
}

/// Returns the time this many seconds after a fixed origin.
fn at(seconds: i64) -> Time {
    Time::from_micros(1_614_589_200_000_000).plus_seconds(seconds)
}

/// Returns a draft whose content does not matter.
fn draft(tenant: TenantId, id: &str) -> Draft {
    let conversation = ConversationId::new("c").expect("an id");
    draft_of(tenant, "/tests", id, at(0), EventBody::SlotReleased { user: None, conversation })
}

/// Returns a draft of an event.
fn draft_of(tenant: TenantId, source: &str, id: &str, time: Time, body: EventBody) -> Draft {
    let event = Event { id: EventId { source: source.into(), id: id.into() }, fact: Fact::new(time, body) };
    Draft::new(tenant, event)
}

/// Returns `count` drafts with the ids `from` and on.
fn drafts(tenant: TenantId, from: usize, count: usize) -> Vec<Draft> {
    (from..from + count).map(|n| draft(tenant, &n.to_string())).collect()
}
