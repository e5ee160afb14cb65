//! The number of agents in each presence category (docs/reference/vonage.md).

use crate::live::count::fold::{Aggregate, Sums};
use crate::live::count::index::{BLOCK_WORDS, Plane, Span};
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

impl Sums for PresenceSummary {
    fn sums(&mut self, each: impl FnMut(&mut u64)) {
        [&mut self.ready, &mut self.away, &mut self.extended_away, &mut self.logged_out].into_iter().for_each(each);
    }
}

impl Aggregate for PresenceSummary {
    #[inline(always)]
    fn add(&mut self, span: &Span<'_>, mask: &[u64]) {
        let mut buffer = [0; BLOCK_WORDS];
        let agents = &mut buffer[..mask.len()];
        agents.copy_from_slice(mask);
        keep(agents, span.plane(Plane::Agent));
        let all = count(agents);
        keep(agents, span.plane(Plane::Connected));
        let connected = count(agents);
        let away = count_both(agents, span.plane(Plane::Away));
        let extended_away = count_both(agents, span.plane(Plane::ExtendedAway));
        // Cannot underflow: a user has one presence, so that away and extended away exclude each other.
        self.ready += connected - away - extended_away;
        self.away += away;
        self.extended_away += extended_away;
        self.logged_out += all - connected;
    }
}
