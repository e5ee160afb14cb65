//! Links to wallboards as credentials: they show one board, and open nothing else.

use std::hash::{Hash, Hasher};

use crate::domain::TenantId;
use crate::domain::board::{BoardName, Names};

/// An authenticated link. Only this module's parent creates one, from its token.
///
/// Links with equal rights are equal, whatever their tokens: they show the same.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub(super) tenant: TenantId,
    pub(super) board: BoardName,
    pub(super) names: Names,
    pub(super) people: bool,
    /// The hash of the presented token, by which the link can be authenticated again later.
    pub(super) credential: [u8; 32],
}

impl Link {
    /// The tenant of the board.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The name of the one board that it shows.
    pub fn board(&self) -> &str {
        self.board.as_str()
    }

    /// The form of people's names.
    pub fn names(&self) -> Names {
        self.names
    }

    /// True if it shows people.
    pub fn shows_people(&self) -> bool {
        self.people
    }

    const fn rights(&self) -> (TenantId, BoardName, Names, bool) {
        (self.tenant, self.board, self.names, self.people)
    }
}

impl PartialEq for Link {
    fn eq(&self, other: &Self) -> bool {
        self.rights() == other.rights()
    }
}

impl Eq for Link {}

impl Hash for Link {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rights().hash(state);
    }
}
