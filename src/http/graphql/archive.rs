//! Access of one request to conversations that are no longer in memory. Lookups by id are batched into one read.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use async_graphql::Result;
use async_graphql::dataloader::{DataLoader, Loader};
use uuid::Uuid;

use super::fault::of_field;
use crate::auth::{Authorized, GraphqlRead};
use crate::domain::{Conversation, Fault};
use crate::engine::Snapshot;
use crate::http::state::AppState;
use crate::query::conversations::Archive;

/// Reads archived conversations for one request.
pub struct ArchiveLoader {
    app: AppState,
    caller: Authorized<GraphqlRead>,
    /// Made on first use: most requests never read the archive.
    by_id: OnceLock<DataLoader<ById>>,
}

impl ArchiveLoader {
    /// Creates a reader of the caller's archive; reads nothing yet.
    pub const fn new(app: AppState, caller: Authorized<GraphqlRead>) -> Self {
        ArchiveLoader { app, caller, by_id: OnceLock::new() }
    }

    /// Returns the caller's archive as of the snapshot's position.
    pub fn as_of(&self, snapshot: &Snapshot) -> Archive {
        Archive::new(self.app.tenant_reads().clone(), &self.caller, snapshot.view.clone())
    }

    /// Loads an archived conversation by id; `None` if the archive has none.
    pub async fn find(&self, snapshot: &Snapshot, id: Uuid) -> Result<Option<Arc<Conversation>>> {
        // A request has one snapshot, so the loader can keep the first one.
        let loader = self.by_id.get_or_init(|| {
            let lifecycle = self.app.lifecycle().clone();
            DataLoader::new(ById(self.as_of(snapshot)), move |batch| lifecycle.spawn_tracked(batch))
        });
        loader.load_one(id).await.map_err(|fault| of_field(&fault))
    }
}

/// Batch loader of archived conversations by id.
struct ById(Archive);

impl Loader<Uuid> for ById {
    type Value = Arc<Conversation>;
    type Error = Fault;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Arc<Conversation>>, Fault> {
        let found = self.0.find(ids).await?;
        Ok(found.into_iter().map(|conversation| (conversation.id(), conversation)).collect())
    }
}
