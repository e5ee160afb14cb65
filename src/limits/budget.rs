//! The budgets by name. `scripts/neighbours` removes one at a time to show that it is the one that protects the tenants
//! from each other.

use std::str::FromStr;

/// One budget. Each bounds the harm that a single caller can do to all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// The size of introspection answers, computed with the real lengths of their lists.
    Introspection,
    /// Values in a GraphQL request's variables, counted for each use of a variable.
    Variables,
    /// Parsed GraphQL documents kept in memory, by their size.
    Documents,
    /// Bytes of request bodies held at a time.
    Bodies,
    /// Bytes of answers that were built and not yet sent, and the rate at which clients must read them. For GraphQL also
    /// the bytes of answers while they are built.
    Answers,
    /// Connections at a time, with some reserved for health probes.
    Sockets,
    /// Work of the engine, which serves tenants in turn.
    Turns,
    /// Messages of desk sockets.
    Desks,
    /// Processor time of heavy reads and long bodies.
    HeavyReads,
    /// Time that appends wait for checkpoints and housekeeping, which are done in slices.
    Checkpoints,
    /// Processor time of password hashing.
    Passwords,
    /// Log lines that wait to be read.
    Logs,
    /// Processor time of TLS handshakes.
    Handshakes,
    /// Reads of the store, in which tenants take turns.
    StoreReads,
}

impl Budget {
    /// Every budget, in the order of declaration.
    pub const ALL: [Budget; 14] = [
        Budget::Introspection,
        Budget::Variables,
        Budget::Documents,
        Budget::Bodies,
        Budget::Answers,
        Budget::Sockets,
        Budget::Turns,
        Budget::Desks,
        Budget::HeavyReads,
        Budget::Checkpoints,
        Budget::Passwords,
        Budget::Logs,
        Budget::Handshakes,
        Budget::StoreReads,
    ];

    /// Returns the budget's name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Budget::Introspection => "introspection",
            Budget::Variables => "variables",
            Budget::Documents => "documents",
            Budget::Bodies => "bodies",
            Budget::Answers => "answers",
            Budget::Sockets => "sockets",
            Budget::Turns => "turns",
            Budget::Desks => "desks",
            Budget::HeavyReads => "heavy-reads",
            Budget::Checkpoints => "checkpoints",
            Budget::Passwords => "passwords",
            Budget::Logs => "logs",
            Budget::Handshakes => "handshakes",
            Budget::StoreReads => "store-reads",
        }
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Budget::ALL.into_iter().find(|budget| budget.name() == name).ok_or_else(|| format!("unknown budget: {name}"))
    }
}

/// The set of enforced budgets: all of them, except in the controls of `scripts/neighbours`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budgets {
    removed: u16,
}

impl Budgets {
    /// Returns all budgets but these.
    pub fn without(removed: impl IntoIterator<Item = Budget>) -> Self {
        Budgets { removed: removed.into_iter().fold(0, |bits, budget| bits | 1 << budget as u16) }
    }

    /// Returns true if the budget is enforced.
    pub const fn has(self, budget: Budget) -> bool {
        self.removed & (1 << budget as u16) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_budgets_are_removed() {
        let budgets = Budgets::without(["turns".parse().unwrap(), Budget::Logs]);
        let removed: Vec<_> = Budget::ALL.into_iter().filter(|budget| !budgets.has(*budget)).collect();
        assert_eq!(removed, [Budget::Turns, Budget::Logs]);
        assert!(Budget::ALL.iter().all(|budget| Budgets::default().has(*budget)));
        assert!("turn".parse::<Budget>().is_err());
    }
}
