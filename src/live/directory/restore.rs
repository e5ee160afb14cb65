//! Restores the directory of a checkpoint: all users at once, with the sets that they are members of.

use std::sync::Arc;

use uuid::Uuid;

use super::users::Names;
use super::{Account, Directory, Members, Table, kind_of};
use crate::domain::PackedProfile;
use crate::domain::filter::Dimension;
use crate::domain::role::Role;
use crate::live::count::bits::Bits;
use crate::live::persistent::Chunks;

/// Users from which on they are restored on two threads: fewer take less time than to start one.
const PARALLEL_USERS: usize = 10_000;

impl Directory {
    /// Restores all users; the dense index of each is its place. The entities that their profiles refer to must be restored
    /// first, and there must be no user yet.
    pub fn restore_users(&mut self, accounts: Vec<Account>) {
        let (names, members) = if accounts.len() < PARALLEL_USERS {
            (Names::of(&accounts), self.members_of(&accounts))
        } else {
            // The thread ends here, so that nothing has to wait for it at the end of the service.
            std::thread::scope(|scope| {
                let names = scope.spawn(|| Names::of(&accounts));
                let members = self.members_of(&accounts);
                (names.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), members)
            })
        };
        self.members = members;
        self.users.restore(accounts, names);
    }

    /// Makes the sets of all users that are not deleted, in one pass over them.
    fn members_of(&self, accounts: &[Account]) -> Members {
        let mut dimensions = Dimension::ALL.map(|dimension| Lists::new(self.table(kind_of(dimension))));
        let mut roles = Role::ALL.map(|_| Vec::new());
        for (ix, Account { profile, deleted, .. }) in (0u32..).zip(accounts) {
            if deleted.is_some() {
                continue;
            }
            for (dimension, lists) in Dimension::ALL.into_iter().zip(&mut dimensions) {
                match ids_in(profile, dimension) {
                    Some(ids) => ids.for_each(|id| lists.join_by_id(id, ix)),
                    None => profile.routing_groups().for_each(|guid| lists.join_by_guid(guid, ix)),
                }
            }
            for role in profile.roles.iter() {
                roles[role as usize].push(ix);
            }
        }
        Members::new(dimensions.map(Lists::into_sets), roles.map(|users| Arc::new(Bits::of(users))))
    }
}

/// The members of each row of a table, in ascending order.
struct Lists<'a> {
    table: &'a Table,
    /// The rows by integer id, in order. With few entities and many users a search here costs less than one in the table.
    rows: Vec<(i64, u32)>,
    members: Vec<Vec<u32>>,
}

impl<'a> Lists<'a> {
    fn new(table: &'a Table) -> Self {
        let mut rows: Vec<_> = (0..).zip(table.rows().iter()).map(|(row, entity)| (entity.id, row)).collect();
        rows.sort_unstable();
        Lists { table, rows, members: vec![Vec::new(); table.count()] }
    }

    fn join_by_id(&mut self, id: i64, ix: u32) {
        if let Ok(at) = self.rows.binary_search_by_key(&id, |(id, _)| *id) {
            self.join(self.rows[at].1, ix);
        }
    }

    fn join_by_guid(&mut self, guid: Uuid, ix: u32) {
        if let Some(row) = self.table.by_guid(guid) {
            self.join(row, ix);
        }
    }

    fn join(&mut self, row: u32, ix: u32) {
        let members = &mut self.members[row as usize];
        // The primary group may be among the groups as well.
        if members.last() != Some(&ix) {
            members.push(ix);
        }
    }

    /// Makes the sets; none for a row without members.
    fn into_sets(self) -> Chunks<Option<Arc<Bits>>> {
        let members = self.members.into_iter();
        members.map(|users| (!users.is_empty()).then(|| Arc::new(Bits::of(users)))).collect()
    }
}

/// The integer ids of a dimension that a profile names, each once, with the primary group among the groups; `None` for
/// routing groups, which have GUIDs.
pub(super) fn ids_in(profile: &PackedProfile, dimension: Dimension) -> Option<impl Iterator<Item = i64>> {
    let ids = match dimension {
        Dimension::Group => profile.groups(),
        Dimension::Skill => profile.skills(),
        Dimension::Project => profile.projects(),
        Dimension::Queue => profile.queues(),
        Dimension::Campaign => profile.campaigns(),
        Dimension::RoutingGroup => return None,
    };
    let primary = profile.primary_group().filter(|_| dimension == Dimension::Group);
    let primary = primary.filter(|primary| !ids.clone().any(|id| id == *primary));
    Some(ids.chain(primary))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Entity;
    use super::*;
    use crate::domain::directory::Document;
    use crate::domain::{EntityRef, TenantId, Time, UserRef};
    use crate::live::count::index::Place;

    /// Makes a directory by a document: users of different groups, skills and roles.
    fn directory(users: usize) -> Directory {
        let groups: Vec<_> = (1..=9).map(|id| serde_json::json!({ "id": id * 7, "name": "A" })).collect();
        let user = |n: usize| {
            serde_json::json!({
                "id": n * 3 + 1, "name": "A", "external_id": format!("e{n}"), "email": format!("Ä{n}@a.example"),
                "groups": [7 * (1 + n % 8)], "primary_group": 7 * (1 + n % 5), "routing_groups": [1 + n % 3],
                "roles": if n.is_multiple_of(4) { ["manager", "operator"] } else { ["operator", "operator"] },
            })
        };
        let routing: Vec<_> = (1..=3).map(|id| serde_json::json!({ "id": id, "name": "R" })).collect();
        let users: Vec<_> = (0..users).map(user).collect();
        let document = serde_json::json!({ "groups": groups, "routing_groups": routing, "users": users });
        let document: Document = serde_json::from_value(document).unwrap();
        let mut directory = Directory::new(TenantId(Uuid::nil()));
        directory.upsert(&document, Time::from_micros(1)).unwrap();
        directory
    }

    /// Restores a directory from its entities and accounts.
    fn restored(before: &Directory) -> Directory {
        let mut after = Directory::new(TenantId(Uuid::nil()));
        for kind in crate::domain::directory::Kind::ALL {
            before.table(kind).rows().iter().for_each(|entity| after.restore_entity(kind, Entity::clone(entity)));
        }
        let accounts = (0..before.users().len() as u32).filter_map(|ix| before.users().account(ix).cloned());
        after.restore_users(accounts.collect());
        after
    }

    fn members(bits: Option<&Bits>, users: usize) -> Vec<u64> {
        let mut words = vec![0; users.div_ceil(8_192) * 128];
        for (block, words) in words.chunks_mut(128).enumerate() {
            bits.into_iter().for_each(|bits| bits.or_into(Place { block, word: 0 }, words));
        }
        words
    }

    /// Compares the look-ups and sets of a directory with those of the one that it was restored from.
    fn compare(before: &Directory, deleted: &[u32]) {
        let (after, users) = (restored(before), before.users().len());
        for ix in 0..users as u32 {
            let profile = &before.users().account(ix).unwrap().profile;
            let is_deleted = deleted.contains(&ix);
            assert_eq!(after.users().by_id(profile.id), Some(ix));
            assert_eq!(after.users().by_guid(profile.guid), Some(ix));
            let live = (!is_deleted).then_some(ix);
            assert_eq!(after.find(&UserRef::Entity(EntityRef::Id(profile.id))), live);
            assert_eq!(after.users().by_external(profile.external_id().unwrap()), live);
            assert_eq!(after.users().by_email(&profile.email().unwrap().to_uppercase()), live);
        }
        for dimension in Dimension::ALL {
            for row in 0..before.table(kind_of(dimension)).count() as u32 {
                let [old, new] =
                    [before, &after].map(|one| members(one.members().of(dimension, row).map(Arc::as_ref), users));
                assert_eq!(old, new, "{dimension:?} {row}");
            }
        }
        for role in Role::ALL {
            let [old, new] = [before, &after].map(|one| members(Some(one.members().role(role)), users));
            assert_eq!(old, new, "{role:?}");
        }
        assert_eq!(after.high_water(), before.high_water());
    }

    proptest! {
        #[test]
        fn a_restored_directory_finds_and_counts_the_same(deleted in proptest::collection::btree_set(0u32..200, 0..30)) {
            let mut before = directory(200);
            deleted.iter().for_each(|ix| before.delete(*ix, Time::from_micros(5)));
            compare(&before, &deleted.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_large_directory_is_restored_on_two_threads() {
        let mut before = directory(PARALLEL_USERS + 500);
        before.delete(17, Time::from_micros(5));
        compare(&before, &[17]);
    }
}
