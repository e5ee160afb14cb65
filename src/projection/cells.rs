//! Reasons and slots of many groups of users, counted in one pass over a selection.

use super::reasons::Reasons;
use crate::domain::presence::DefinitionCategory;
use crate::live::count::bits::Bits;
use crate::live::count::fold::Aggregate;
use crate::live::count::index::{BLOCK_WORDS, Plane, Span};
use crate::live::count::words::{drop, keep};

/// A condition on the users of a cell.
#[derive(Clone, Copy, Debug)]
pub enum Condition<'d> {
    /// Members of the set; `None` has none.
    In(Option<&'d Bits>),
    /// Members of none of the sets that [`Cells`] has at this index.
    InNoneOf(usize),
    /// Users who show a presence of this category: logged out without a desk, else the one chosen.
    Shows(DefinitionCategory),
}

/// The users with all of some conditions, and their count.
#[derive(Clone, Debug)]
pub struct Cell<'d> {
    /// Without conditions all users of the selection.
    pub conditions: Vec<Condition<'d>>,
    /// The count, whose channels may differ from cell to cell.
    pub counted: Reasons,
}

/// Cells that are counted together: the filter is evaluated once for all of them.
#[derive(Debug, Default)]
pub struct Cells<'d> {
    /// Lists of sets that [`Condition::InNoneOf`] refers to.
    pub unions: Vec<Vec<&'d Bits>>,
    /// The cells, in any order.
    pub cells: Vec<Cell<'d>>,
}

impl Condition<'_> {
    /// Clears the users of a block that do not meet the condition. `members` are those of each union.
    #[inline(always)]
    fn keep(&self, span: &Span<'_>, members: &[[u64; BLOCK_WORDS]], mask: &mut [u64]) {
        match self {
            Condition::In(Some(set)) => set.and_into(span.place(), mask),
            Condition::In(None) => mask.fill(0),
            Condition::InNoneOf(union) => drop(mask, &members[*union]),
            Condition::Shows(category) => {
                if *category == DefinitionCategory::LoggedOut {
                    return drop(mask, span.plane(Plane::Connected));
                }
                keep(mask, span.plane(Plane::Connected));
                match category {
                    DefinitionCategory::Away => keep(mask, span.plane(Plane::Away)),
                    DefinitionCategory::ExtendedAway => keep(mask, span.plane(Plane::ExtendedAway)),
                    DefinitionCategory::Ready | DefinitionCategory::LoggedOut => {
                        drop(mask, span.plane(Plane::Away));
                        drop(mask, span.plane(Plane::ExtendedAway));
                    }
                }
            }
        }
    }
}

impl Aggregate for Cells<'_> {
    #[inline(always)]
    fn add(&mut self, span: &Span<'_>, mask: &[u64]) {
        let members = self.unions.iter().map(|sets| {
            let mut members = [0; BLOCK_WORDS];
            sets.iter().for_each(|set| set.or_into(span.place(), &mut members[..mask.len()]));
            members
        });
        let members: Vec<[u64; BLOCK_WORDS]> = members.collect();
        let mut buffer = [0; BLOCK_WORDS];
        let users = &mut buffer[..mask.len()];
        for cell in &mut self.cells {
            users.copy_from_slice(mask);
            cell.conditions.iter().for_each(|condition| condition.keep(span, &members, users));
            cell.counted.add(span, users);
        }
    }
}
