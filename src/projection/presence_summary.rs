//! The number of agents in each presence category (docs/reference/vonage.md).

use crate::live::count::fold::Aggregate;
use crate::live::count::index::{BLOCK_WORDS, Block, Plane};
use crate::live::count::words::{count, count_both, keep};

/// Counts the agents of the selection, connected or not, each in exactly one category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceSummary {
    /// Agents connected with presence ready.
    pub ready: u64,
    /// Agents connected with presence away.
    pub away: u64,
    /// Agents connected with presence extended away.
    pub extended_away: u64,
    /// Agents that are not connected, whatever presence they chose.
    pub logged_out: u64,
}

impl Aggregate for PresenceSummary {
    #[inline(always)]
    fn add(&mut self, _n: usize, block: &Block, mask: &[u64]) {
        let mut buffer = [0; BLOCK_WORDS];
        let agents = &mut buffer[..mask.len()];
        agents.copy_from_slice(mask);
        keep(agents, block.plane(Plane::Agent));
        let all = count(agents);
        keep(agents, block.plane(Plane::Connected));
        let connected = count(agents);
        let away = count_both(agents, block.plane(Plane::Away));
        let extended_away = count_both(agents, block.plane(Plane::ExtendedAway));
        // Cannot underflow: a user has one presence, so that away and extended away exclude each other.
        self.ready += connected - away - extended_away;
        self.away += away;
        self.extended_away += extended_away;
        self.logged_out += all - connected;
    }
}
