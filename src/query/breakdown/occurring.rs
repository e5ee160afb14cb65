//! The combinations of values that users have, for breakdowns with too many possible rows to count them all.

use std::collections::HashSet;

use super::axes::{Axes, Combination};
use crate::domain::{Fault, Filter};
use crate::live::View;
use crate::projection::roster::{Connection, roster};

/// Most different combinations that are collected: 24 MB of them.
const MAX_COMBINATIONS: usize = 1_000_000;
/// Most combinations of all users together, equal ones of different users too: half a second to a second of work. One
/// user with 1,000 values of three keys alone would have a thousand million.
const MAX_MEMBERS: u64 = 20_000_000;

/// The combinations that occur among the users of a selection.
#[derive(Debug, Default)]
pub struct Occurring {
    /// Each once, in no particular order.
    pub combinations: Vec<Combination>,
    /// The sum of the users of all of them.
    pub members: u64,
}

/// Collects the combinations that the selected users have. [`Fault::Malformed`] past [`MAX_COMBINATIONS`] or
/// [`MAX_MEMBERS`].
pub fn occurring(view: &View, filter: &Filter, axes: &Axes<'_>) -> Result<Occurring, Fault> {
    let mut found: HashSet<Combination> = HashSet::new();
    let mut members = 0_u64;
    for ix in roster(view, filter, Connection::Any) {
        let Some(profile) = view.directory().profile(ix) else { continue };
        let places = axes.places_of(ix, profile);
        let product = places.iter().fold(1_u64, |product, places| product.saturating_mul(places.len() as u64));
        // Checked before they are built.
        members = members.saturating_add(product);
        if members > MAX_MEMBERS {
            return Err(too_many());
        }
        insert(&mut found, &places, 0, Combination::default());
        if found.len() > MAX_COMBINATIONS {
            return Err(too_many());
        }
    }
    Ok(Occurring { combinations: found.into_iter().collect(), members })
}

/// Inserts the combinations of one place of each list from the list `at` on, after the places chosen before.
fn insert(found: &mut HashSet<Combination>, places: &[Vec<u32>], at: usize, chosen: Combination) {
    let Some(of_key) = places.get(at) else {
        found.insert(chosen);
        return;
    };
    for place in of_key {
        let mut chosen = chosen;
        chosen[at] = *place;
        insert(found, places, at + 1, chosen);
    }
}

fn too_many() -> Fault {
    Fault::Malformed(String::from(
        "the users have too many combinations of values of these keys: use fewer keys, or a filter",
    ))
}
