//! Links to wallboards, until they expire.

use uuid::Uuid;

use super::tokens::{hashes_of, id_of};
use super::{Store, StoreError, on_backend};
use crate::domain::board::Names;
use crate::domain::{TenantId, Time};

/// A stored link. The secret itself is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRecord {
    /// SHA-256 of the link's token.
    pub hash: [u8; 32],
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// The name of the board that it shows.
    pub board: Box<str>,
    /// The form of people's names on it.
    pub names: Names,
    /// True if it shows people.
    pub people: bool,
    /// The key that it ends with; `None` if it outlives the one that made it.
    pub key: Option<Uuid>,
    /// Time of creation.
    pub created: Time,
    /// Time from which it is invalid.
    pub expires: Time,
    /// Time of the newest connection with it; `None` before the first.
    pub seen: Option<Time>,
}

impl LinkRecord {
    /// The id of a link: the first bytes of the token's hash, which reveal nothing of the token.
    pub fn id(&self) -> Uuid {
        id_of(&self.hash)
    }
}

/// A link of a board.
#[derive(Clone, Copy, Debug)]
pub struct LinkOf<'a> {
    /// The tenant.
    pub tenant: TenantId,
    /// The board's name.
    pub board: &'a str,
    /// The link's id.
    pub id: Uuid,
}

impl LinkOf<'_> {
    /// The first and the last hash that a token of the link can have.
    pub(super) fn hashes(self) -> [[u8; 32]; 2] {
        hashes_of(self.id)
    }
}

/// A link's columns, as either backend reads them.
pub(super) struct LinkColumns {
    pub hash: Vec<u8>,
    pub tenant: Uuid,
    pub board: String,
    pub names: String,
    pub people: bool,
    pub key: Option<Uuid>,
    pub created: i64,
    pub expires: i64,
    pub seen: Option<i64>,
}

impl LinkColumns {
    pub(super) fn read(self) -> Result<LinkRecord, StoreError> {
        let unreadable = |what: &str| StoreError::Unreadable(format!("a link of {}: {what}", self.tenant));
        let names = Names::ALL.into_iter().find(|names| names.name() == self.names);
        Ok(LinkRecord {
            hash: self.hash.as_slice().try_into().map_err(|_| unreadable("hash"))?,
            names: names.ok_or_else(|| unreadable("names"))?,
            tenant: TenantId(self.tenant),
            board: self.board.into(),
            people: self.people,
            key: self.key,
            created: Time::from_micros(self.created),
            expires: Time::from_micros(self.expires),
            seen: self.seen.map(Time::from_micros),
        })
    }
}

impl Store {
    /// Adds a link. Returns false if the tenant has `most` links that have not expired when it is created. Several calls
    /// at a time may each find the last place free.
    pub async fn create_link(&self, link: &LinkRecord, most: u32) -> Result<bool, StoreError> {
        on_backend!(self, store => store.create_link(link, most).await)
    }

    /// Returns the links of a board that have not expired by `now`, the newest first.
    pub async fn links(&self, tenant: TenantId, board: &str, now: Time) -> Result<Vec<LinkRecord>, StoreError> {
        on_backend!(self, store => store.links(tenant, board, now).await)
    }

    /// Returns those of the links with these hashes that exist.
    pub async fn find_links(&self, hashes: &[[u8; 32]]) -> Result<Vec<LinkRecord>, StoreError> {
        on_backend!(self, store => store.find_links(hashes).await)
    }

    /// Notes a connection with a link at `now`.
    pub async fn see_link(&self, hash: &[u8; 32], now: Time) -> Result<(), StoreError> {
        on_backend!(self, store => store.see_link(hash, now).await)
    }

    /// Deletes a link that has not expired by `now`, which changes the registry's version. Returns false if there is none.
    pub async fn delete_link(&self, link: LinkOf<'_>, now: Time) -> Result<bool, StoreError> {
        on_backend!(self, store => store.delete_link(link, now).await)
    }
}
