//! The work that one of several servers on a store does for all of them.

use std::collections::HashMap;

use uuid::Uuid;

/// A kind of work that one server at a time does for all tenants. It is safe if two do it: a duty only saves work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Duty {
    /// Ends the leases of silent desks.
    Leases,
    /// Writes checkpoints, and with them the archive.
    Checkpoints,
    /// Deletes rows past their retention and those of deleted tenants.
    Housekeeping,
}

impl Duty {
    /// All duties.
    pub const ALL: [Duty; 3] = [Duty::Leases, Duty::Checkpoints, Duty::Housekeeping];

    /// The name in the store and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Duty::Leases => "leases",
            Duty::Checkpoints => "checkpoints",
            Duty::Housekeeping => "housekeeping",
        }
    }
}

/// What a server found out about the others, for the next round.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// Servers whose counters stand still: their duties are free.
    pub gone: Vec<Uuid>,
    /// Servers whose rows are removed, since they have been gone for long.
    pub removed: Vec<Uuid>,
}

/// The result of a round.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// The duties that this server holds from now on.
    pub held: Vec<Duty>,
    /// The counters of the other servers that have a row.
    pub others: HashMap<Uuid, i64>,
}

impl Round {
    /// The round of a server that has the store for itself.
    pub fn alone() -> Self {
        Round { held: Duty::ALL.to_vec(), others: HashMap::new() }
    }
}
