//! The newest view of every tenant, each behind one atomic pointer.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::domain::TenantId;
use crate::live::Directory;
use crate::live::View;
use crate::live::conversations::Conversations;
use crate::live::details::Details;
use crate::live::index::Index;

/// One tenant's newest view, and its position for those who wait for one.
#[derive(Debug)]
pub struct Board {
    view: ArcSwap<View>,
    position: watch::Sender<u64>,
}

impl Board {
    /// The newest view.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Changes of the position.
    pub fn positions(&self) -> watch::Receiver<u64> {
        self.position.subscribe()
    }

    /// Puts up a newer view.
    pub fn publish(&self, view: Arc<View>) {
        let position = view.position();
        self.view.store(view);
        self.position.send_replace(position);
    }
}

/// Every tenant's board.
#[derive(Debug, Default)]
pub struct Published {
    boards: papaya::HashMap<TenantId, Arc<Board>>,
}

impl Published {
    /// A tenant's board; an empty one for a tenant to whom nothing has happened.
    pub fn board(&self, tenant: TenantId) -> Arc<Board> {
        let boards = self.boards.pin();
        let empty = || {
            let people = (Index::default(), Details::default());
            let view = View::new(0, Arc::new(Directory::new(tenant)), people, Conversations::default());
            Arc::new(Board { view: ArcSwap::from_pointee(view), position: watch::Sender::new(0) })
        };
        boards.get_or_insert_with(tenant, empty).clone()
    }

    /// Every tenant with its newest view.
    pub fn all(&self) -> Vec<(TenantId, Arc<View>)> {
        self.boards.pin().iter().map(|(tenant, board)| (*tenant, board.view())).collect()
    }
}
