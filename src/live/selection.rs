//! A filter resolved against one directory, evaluated span by span.

pub mod kept;

use std::ops::Deref;
use std::sync::Arc;

use super::Directory;
use super::count::bits::Bits;
use super::count::fold::Mask;
use super::count::index::{BLOCK_WORDS, Place, Plane, Span};
use super::count::words::{drop, join, keep};
use crate::domain::filter::{Clause, Dimension, TextField, is_like};
use crate::domain::{Channel, Filter, Status, UserRef};

/// The users of a directory that a filter selects. `S` refers to a set of them: borrowed for one count, or shared to be
/// kept.
#[derive(Debug)]
pub struct Selection<S> {
    clauses: Vec<Resolved<S>>,
}

#[derive(Debug)]
enum Resolved<S> {
    /// Users in at least one of the sets.
    Any(Vec<S>),
    /// Users with one of these dense indexes, ascending.
    Users(Vec<u32>),
    /// Users with one of these statuses on chat.
    Chat(Vec<Status>),
    /// Users with one of these statuses over all channels.
    Overall(Vec<Status>),
}

impl<'d> Selection<&'d Bits> {
    /// Resolves `filter` against `directory`. Unknown values match no user.
    pub fn new(directory: &'d Directory, filter: &Filter) -> Self {
        Self::resolve(directory, filter, |set| set)
    }
}

impl Selection<Arc<Bits>> {
    /// Resolves `filter` as [`Selection::new`] does, and shares the sets.
    pub fn shared(directory: &Directory, filter: &Filter) -> Self {
        Self::resolve(directory, filter, Arc::clone)
    }
}

impl<S> Selection<S> {
    fn resolve<'d>(directory: &'d Directory, filter: &Filter, refer: impl Fn(&'d Arc<Bits>) -> S) -> Self {
        let mut clauses = Vec::with_capacity(filter.clauses().len());
        let (members, refer) = (directory.members(), &refer);
        let sets = |dimension: Dimension, value| {
            let rows = directory.resolve(dimension, value);
            rows.filter_map(move |row| members.of(dimension, row).map(refer))
        };
        for clause in filter.clauses() {
            match clause {
                Clause::Any(dimension, values) => {
                    clauses.push(Resolved::Any(values.iter().flat_map(|value| sets(*dimension, value)).collect()));
                }
                // One `Any` per value: the user must be in a set of each, and a name may stand for several sets.
                Clause::All(dimension, values) => {
                    clauses.extend(values.iter().map(|value| Resolved::Any(sets(*dimension, value).collect())));
                }
                Clause::Roles(roles) => {
                    clauses.push(Resolved::Any(roles.iter().map(|role| refer(members.role(*role))).collect()));
                }
                Clause::Users(users) => {
                    let find = |user| directory.find(&UserRef::Entity(user));
                    let mut found: Vec<u32> = users.iter().copied().filter_map(find).collect();
                    // `mark` finds a span's users by binary search.
                    found.sort_unstable();
                    clauses.push(Resolved::Users(found));
                }
                Clause::Text(field, texts) => clauses.push(Resolved::Users(named(directory, *field, texts))),
                Clause::Chat(statuses) => clauses.push(Resolved::Chat(statuses.clone())),
                Clause::Overall(statuses) => clauses.push(Resolved::Overall(statuses.clone())),
            }
        }
        Selection { clauses }
    }
}

impl<S: Deref<Target = Bits>> Mask for Selection<S> {
    #[inline(always)]
    fn fill(&self, span: &Span<'_>, mask: &mut [u64]) -> bool {
        // Deleted users have no bit here, so that no clause needs to exclude them.
        mask.copy_from_slice(span.plane(Plane::Exists));
        let mut buffer = [0; BLOCK_WORDS];
        let words = mask.len();
        for clause in &self.clauses {
            if let Resolved::Any(sets) = clause
                && keep_any(sets, span.place(), mask)
            {
                continue;
            }
            let either = &mut buffer[..words];
            either.fill(0);
            match clause {
                Resolved::Any(sets) => {
                    for set in sets {
                        set.or_into(span.place(), either);
                    }
                }
                Resolved::Users(users) => {
                    if !mark(users, span.place(), either) {
                        // No later clause can add users, so the span is done.
                        return false;
                    }
                }
                Resolved::Chat(statuses) => {
                    for status in statuses {
                        with_status(span, &[Channel::Chat], *status, either);
                    }
                }
                Resolved::Overall(statuses) => {
                    for status in statuses {
                        with_status(span, &Channel::ALL, *status, either);
                    }
                }
            }
            keep(mask, either);
        }
        true
    }
}

/// Keeps in `mask` the members of up to three sets in a single pass over the words. Returns false, with `mask`
/// unchanged, if the sets are more or are not stored as words; the caller then combines them in a buffer.
#[inline(always)]
fn keep_any<S: Deref<Target = Bits>>(sets: &[S], at: Place, mask: &mut [u64]) -> bool {
    let words = mask.len();
    match sets {
        [one] => one.and_into(at, mask),
        [a, b] => {
            let (Some(a), Some(b)) = (a.whole(at, words), b.whole(at, words)) else { return false };
            for ((m, a), b) in mask.iter_mut().zip(a).zip(b) {
                *m &= a | b;
            }
        }
        [a, b, c] => {
            let (Some(a), Some(b), Some(c)) = (a.whole(at, words), b.whole(at, words), c.whole(at, words)) else {
                return false;
            };
            for (((m, a), b), c) in mask.iter_mut().zip(a).zip(b).zip(c) {
                *m &= a | b | c;
            }
        }
        _ => return false,
    }
    true
}

/// The users with any of the given texts in a field, ascending.
fn named(directory: &Directory, field: TextField, texts: &[String]) -> Vec<u32> {
    let users = directory.users();
    let mut found: Vec<u32> = match field {
        TextField::ExternalId => texts.iter().filter_map(|text| users.by_external(text)).collect(),
        TextField::Email => texts.iter().filter_map(|text| users.by_email(text)).collect(),
        TextField::Name => {
            // Lowered once rather than for each pair of user and pattern.
            let patterns: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
            let is_meant = |name: &str| patterns.iter().any(|pattern| is_like(name, pattern));
            let alike = users.live().filter(|(_, profile)| is_meant(&profile.name().to_lowercase()));
            alike.map(|(ix, _)| ix).collect()
        }
    };
    found.sort_unstable();
    found
}

/// Sets the bits of those users that lie in the span at `at`. Returns false if none does.
#[inline(always)]
fn mark(users: &[u32], at: Place, out: &mut [u64]) -> bool {
    let start = at.first_user();
    let end = start + (out.len() * 64) as u32;
    let mut any = false;
    let from = users.partition_point(|ix| *ix < start);
    for ix in users[from..].iter().take_while(|ix| **ix < end) {
        let local = ix - start;
        out[local as usize / 64] |= 1 << (local % 64);
        any = true;
    }
    any
}

/// Sets the bits of the users with `status` as their best over `channels`: available on any, else busy on any, else
/// toggled off.
#[inline(always)]
fn with_status(span: &Span<'_>, channels: &[Channel], status: Status, out: &mut [u64]) {
    let mut buffer = [0; BLOCK_WORDS];
    let found = &mut buffer[..out.len()];
    let has = |plane: fn(Channel) -> Plane, into: &mut [u64]| {
        for channel in channels {
            join(into, span.plane(plane(*channel)));
        }
    };
    let lacks = |plane: fn(Channel) -> Plane, from: &mut [u64]| {
        for channel in channels {
            drop(from, span.plane(plane(*channel)));
        }
    };
    match status {
        Status::Available => has(Plane::Available, found),
        Status::Busy => {
            has(Plane::Busy, found);
            lacks(Plane::Available, found);
        }
        Status::ToggleOff => {
            // Enabled and connected, neither available nor busy: what `Facts::status` calls toggled off.
            has(Plane::Enabled, found);
            lacks(Plane::Available, found);
            lacks(Plane::Busy, found);
            keep(found, span.plane(Plane::Connected));
        }
        // No API filters by these two.
        Status::Offline | Status::Disabled => {}
    }
    join(out, found);
}
