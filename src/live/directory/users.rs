//! The users of one tenant, each at a dense index by which bitsets and details refer to it.

use std::sync::Arc;

use rpds::ListSync;
use uuid::Uuid;

use crate::domain::event::PasswordHash;
use crate::domain::{PackedProfile, Time};
use crate::live::persistent::{Chunks, Lookup, LookupBuilder};

/// The stored password of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    /// Argon2id hash of the password.
    pub hash: PasswordHash,
    /// Position of the entry that set it. It distinguishes the password from earlier ones, so that tokens issued for
    /// those become invalid.
    pub set: u64,
    /// Id of the key that set it; `None` if that was not recorded.
    pub by: Option<Uuid>,
}

/// A user's entry in the directory. The entry of a deleted user stays until its tombstone expires, so that its ids are
/// not assigned to another user.
#[derive(Clone, Debug)]
pub struct Account {
    /// The user's profile.
    pub profile: Arc<PackedProfile>,
    /// The password, if the user has one. Kept apart from the profile, which API responses contain.
    pub password: Option<Arc<Password>>,
    /// Recorded time of the deletion. Since then the user is not found, only remembered.
    pub deleted: Option<Time>,
}

/// All users of a tenant, with the indexes that find them.
#[derive(Clone, Debug, Default)]
pub struct Users {
    accounts: Chunks<Option<Account>>,
    by_id: Lookup,
    by_guid: Lookup,
    /// Users that are not deleted, by external id.
    by_external: Lookup,
    /// Users that are not deleted, by e-mail address in lower case.
    by_email: Lookup,
    /// Dense indexes to reuse, the one freed last first.
    free: ListSync<u32>,
    /// The highest integer id ever assigned.
    high: i64,
}

/// The indexes that find the users of a checkpoint.
pub(super) struct Names {
    by_id: Lookup,
    by_guid: Lookup,
    by_external: Lookup,
    by_email: Lookup,
}

impl Names {
    /// Makes the indexes of these accounts, in one pass over them. Of deleted users the ids are registered; external id and
    /// e-mail address are not, since they may belong to another user by now.
    pub fn of(accounts: &[Account]) -> Self {
        let [mut by_id, mut by_guid] = [(); 2].map(|()| LookupBuilder::with_capacity(accounts.len()));
        let [mut by_external, mut by_email] = [(); 2].map(|()| LookupBuilder::default());
        for (ix, Account { profile, deleted, .. }) in (0..).zip(accounts) {
            by_id.add(&profile.id, ix);
            by_guid.add(&profile.guid, ix);
            if deleted.is_some() {
                continue;
            }
            if let Some(id) = profile.external_id() {
                by_external.add(id, ix);
            }
            if let Some(email) = profile.email() {
                by_email.add(email.to_lowercase().as_str(), ix);
            }
        }
        let [by_id, by_guid, by_external, by_email] =
            [by_id, by_guid, by_external, by_email].map(LookupBuilder::finish);
        Names { by_id, by_guid, by_external, by_email }
    }
}

impl Users {
    /// One past the highest dense index ever used.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// The number of users, including deleted ones that are still remembered.
    pub fn count(&self) -> usize {
        self.accounts.len() - self.free.len()
    }

    /// Returns true if there has never been a user.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// The account at a dense index, deleted or not.
    pub fn account(&self, ix: u32) -> Option<&Account> {
        self.accounts.get(ix as usize)?.as_ref()
    }

    /// Iterates over all users that are not deleted, with their dense indexes.
    pub fn live(&self) -> impl Iterator<Item = (u32, &Arc<PackedProfile>)> {
        self.accounts.iter().enumerate().filter_map(|(ix, slot)| {
            let account = slot.as_ref().filter(|account| account.deleted.is_none())?;
            Some((ix as u32, &account.profile))
        })
    }

    /// Finds a user by integer id, deleted ones included.
    pub fn by_id(&self, id: i64) -> Option<u32> {
        self.by_id.find(&id, |ix| self.has(ix, |profile| profile.id == id))
    }

    /// Finds a user by GUID, deleted ones included.
    pub fn by_guid(&self, guid: Uuid) -> Option<u32> {
        self.by_guid.find(&guid, |ix| self.has(ix, |profile| profile.guid == guid))
    }

    /// Finds a user that is not deleted by the customer's own id.
    pub fn by_external(&self, id: &str) -> Option<u32> {
        self.by_external.find(id, |ix| self.has(ix, |profile| profile.external_id() == Some(id)))
    }

    /// Finds a user that is not deleted by e-mail address, ignoring case.
    pub fn by_email(&self, email: &str) -> Option<u32> {
        let email = email.to_lowercase();
        let is_it = |profile: &PackedProfile| profile.email().is_some_and(|other| other.to_lowercase() == email);
        self.by_email.find(email.as_str(), |ix| self.has(ix, is_it))
    }

    /// The highest integer id ever assigned; 0 before the first.
    pub const fn high(&self) -> i64 {
        self.high
    }

    /// Records that `id` was assigned, so that it is not assigned again.
    pub fn raise(&mut self, id: i64) {
        self.high = self.high.max(id);
    }

    /// Sets all users, the dense index of each being its place. `names` are those of the same accounts.
    pub(super) fn restore(&mut self, accounts: Vec<Account>, names: Names) {
        let highest = accounts.iter().map(|account| account.profile.id).max().unwrap_or_default();
        self.raise(highest);
        let Names { by_id, by_guid, by_external, by_email } = names;
        (self.by_id, self.by_guid, self.by_external, self.by_email) = (by_id, by_guid, by_external, by_email);
        self.accounts = accounts.into_iter().map(Some).collect();
    }

    /// Adds a user and returns the dense index.
    pub fn insert(&mut self, profile: Arc<PackedProfile>) -> u32 {
        // Freed indexes are reused, so that bitsets do not grow with every user that ever existed.
        let ix = match self.free.first().copied() {
            Some(ix) => {
                self.free.drop_first_mut();
                ix
            }
            // The quota of users is far below the range of u32.
            None => self.accounts.len() as u32,
        };
        self.name(&profile, ix);
        self.place(ix, Account { profile, password: None, deleted: None });
        ix
    }

    fn place(&mut self, ix: u32, account: Account) {
        self.raise(account.profile.id);
        self.by_id.insert(&account.profile.id, ix);
        self.by_guid.insert(&account.profile.guid, ix);
        *self.accounts.reach(ix as usize) = Some(account);
    }

    /// Replaces a user's profile and registers its names, which [`Users::free_names`] must have freed. Integer id and
    /// GUID must be unchanged.
    pub fn replace(&mut self, ix: u32, profile: Arc<PackedProfile>) {
        self.name(&profile, ix);
        if let Some(account) = self.account_mut(ix) {
            account.profile = profile;
        }
    }

    /// Sets a user's password; `None` removes it.
    pub fn set_password(&mut self, ix: u32, password: Option<Password>) {
        if let Some(account) = self.account_mut(ix) {
            account.password = password.map(Arc::new);
        }
    }

    /// Marks a user as deleted, frees external id and e-mail address, and removes the password.
    pub fn delete(&mut self, ix: u32, at: Time) {
        // Before the mark: the names of a deleted user are left alone, since they may be another user's by then.
        self.free_names(ix);
        if let Some(account) = self.account_mut(ix) {
            account.deleted = Some(at);
            account.password = None;
        }
    }

    /// Removes a deleted user and frees the dense index.
    pub fn forget(&mut self, ix: u32) {
        let Some(account) = self.accounts.get_mut(ix as usize).and_then(Option::take) else { return };
        self.by_id.remove(&account.profile.id, ix);
        self.by_guid.remove(&account.profile.guid, ix);
        self.free.push_front_mut(ix);
    }

    /// Registers again the names that [`Users::free_names`] freed.
    pub fn rename(&mut self, ix: u32) {
        if let Some(profile) = self.account(ix).map(|account| account.profile.clone()) {
            self.name(&profile, ix);
        }
    }

    /// Frees the names (external id and e-mail address) of a user that is not deleted, so that a document can give them
    /// to other users. [`Users::replace`] or [`Users::rename`] registers them again.
    pub fn free_names(&mut self, ix: u32) {
        let Some(Account { profile, deleted: None, .. }) = self.account(ix) else { return };
        let profile = profile.clone();
        if let Some(id) = profile.external_id() {
            self.by_external.remove(id, ix);
        }
        if let Some(email) = profile.email() {
            self.by_email.remove(email.to_lowercase().as_str(), ix);
        }
    }

    fn name(&mut self, profile: &PackedProfile, ix: u32) {
        if let Some(id) = profile.external_id() {
            self.by_external.insert(id, ix);
        }
        if let Some(email) = profile.email() {
            self.by_email.insert(email.to_lowercase().as_str(), ix);
        }
    }

    fn has(&self, ix: u32, is_it: impl Fn(&PackedProfile) -> bool) -> bool {
        self.account(ix).is_some_and(|account| is_it(&account.profile))
    }

    fn account_mut(&mut self, ix: u32) -> Option<&mut Account> {
        self.accounts.get_mut(ix as usize)?.as_mut()
    }

    /// Bytes that the accounts and their lookups occupy on the heap, without the profiles.
    pub fn heap_bytes(&self) -> usize {
        let lookups = [&self.by_id, &self.by_guid, &self.by_external, &self.by_email];
        self.accounts.heap_bytes() + lookups.map(Lookup::heap_bytes).iter().sum::<usize>()
    }

    /// Counts the elements and pointers that these users do not share with `before`, an earlier clone of them.
    pub fn copied_since(&self, before: &Self) -> usize {
        let lookups = [
            (&self.by_id, &before.by_id),
            (&self.by_guid, &before.by_guid),
            (&self.by_external, &before.by_external),
            (&self.by_email, &before.by_email),
        ];
        let copied = lookups.map(|(one, old)| one.copied_since(old)).iter().sum::<usize>();
        copied + self.accounts.copied_since(&before.accounts)
    }
}
