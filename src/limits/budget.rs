//! The budgets by name, so that a proof can remove one and show that it is the one that protects the others.

use std::str::FromStr;

/// One budget. Each bounds what a single caller can take from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// The size of introspection answers, by real list lengths.
    Introspection,
    /// Values in a GraphQL request's variables, counted once for each use.
    Variables,
    /// Parsed GraphQL documents kept in memory, by their size.
    Documents,
    /// Bytes of request bodies held at a time.
    Bodies,
    /// Bytes of answers that were built and not yet sent, and the pace at which they must be read.
    Answers,
    /// Connections, and places among them kept for health probes.
    Sockets,
    /// Work of the engine: tenants take turns in slices.
    Turns,
    /// Messages of desk sockets.
    Desks,
    /// Processor time of heavy reads and long bodies.
    HeavyReads,
    /// Checkpoints and housekeeping in slices.
    Checkpoints,
    /// Processor time of password hashing.
    Passwords,
    /// Log lines that wait for their reader.
    Logs,
}

impl Budget {
    /// Every budget.
    pub const ALL: [Budget; 12] = [
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
    ];

    /// The name on the command line.
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
        }
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Budget::ALL.into_iter().find(|budget| budget.name() == name).ok_or_else(|| format!("unknown budget: {name}"))
    }
}

/// The budgets in force: all of them, except in the controls of `scripts/neighbours`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budgets {
    removed: u16,
}

impl Budgets {
    /// All budgets but these.
    pub fn without(removed: impl IntoIterator<Item = Budget>) -> Self {
        Budgets { removed: removed.into_iter().fold(0, |bits, budget| bits | 1 << budget as u16) }
    }

    /// Whether the budget is in force.
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
