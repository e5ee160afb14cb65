//! Where one request reads conversations that are no longer in memory: those that it names one by one are read together.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use async_graphql::Result;
use async_graphql::dataloader::{DataLoader, Loader};
use uuid::Uuid;

use super::fault::of_field;
use crate::auth::Caller;
use crate::domain::{Conversation, Fault};
use crate::engine::Snapshot;
use crate::http::services::Services;
use crate::query::conversations::Archive;

/// The archive, as one request sees it.
pub struct Reading {
    services: Services,
    caller: Caller,
    /// Made when it is first asked, which most requests never do.
    by_id: OnceLock<DataLoader<ById>>,
}

impl Reading {
    /// What this caller may read.
    pub const fn new(services: Services, caller: Caller) -> Self {
        Reading { services, caller, by_id: OnceLock::new() }
    }

    /// The archive as the snapshot has it.
    pub fn archive(&self, snapshot: &Snapshot) -> Archive {
        Archive::new(self.services.store().clone(), self.caller, snapshot.view.clone())
    }

    /// A conversation of the archive.
    pub async fn find(&self, snapshot: &Snapshot, id: Uuid) -> Result<Option<Arc<Conversation>>> {
        let loader = self.by_id.get_or_init(|| {
            let lifecycle = self.services.lifecycle().clone();
            DataLoader::new(ById(self.archive(snapshot)), move |reading| lifecycle.track(reading))
        });
        loader.load_one(id).await.map_err(|fault| of_field(&fault))
    }
}

/// Reads conversations by id.
struct ById(Archive);

impl Loader<Uuid> for ById {
    type Value = Arc<Conversation>;
    type Error = Fault;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Arc<Conversation>>, Fault> {
        let found = self.0.find(ids).await?;
        Ok(found.into_iter().map(|conversation| (conversation.id(), conversation)).collect())
    }
}
