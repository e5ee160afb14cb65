//! The users of one tenant, each at a dense index that the bitsets share.

use std::sync::Arc;

use rpds::ListSync;
use uuid::Uuid;

use crate::domain::event::PasswordHash;
use crate::domain::{Profile, Time};
use crate::live::persistent::{Chunks, Lookup};

/// A user's password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    /// The hash of it that is stored.
    pub hash: PasswordHash,
    /// Position of the entry that set it, which distinguishes it from every other that the user has had.
    pub set: u64,
}

/// A user's place in the directory. A deleted one stays for a while, so that its ids are not given again.
#[derive(Clone, Debug)]
pub struct Account {
    /// The profile, as the directory describes the user.
    pub profile: Arc<Profile>,
    /// The password of a user who can log in. Not a part of the profile, which answers show.
    pub password: Option<Arc<Password>>,
    /// When the user was deleted: not found since then, but remembered.
    pub deleted: Option<Time>,
}

/// All users of a tenant.
#[derive(Clone, Debug, Default)]
pub struct Users {
    accounts: Chunks<Option<Account>>,
    by_id: Lookup,
    by_guid: Lookup,
    /// Live users whose external id is free for no other.
    by_external: Lookup,
    /// The same by the e-mail address in lower case.
    by_email: Lookup,
    /// Indexes to give again, the one freed last first.
    free: ListSync<u32>,
    high: i64,
}

impl Users {
    /// One past the highest index in use.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// The number of users, with deleted ones that are still remembered.
    pub fn count(&self) -> usize {
        self.accounts.len() - self.free.len()
    }

    /// Returns whether there has never been a user.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// The account at an index.
    pub fn account(&self, ix: u32) -> Option<&Account> {
        self.accounts.get(ix as usize)?.as_ref()
    }

    /// Every account that is not deleted, with its index.
    pub fn live(&self) -> impl Iterator<Item = (u32, &Arc<Profile>)> {
        self.accounts.iter().enumerate().filter_map(|(ix, slot)| {
            let account = slot.as_ref().filter(|account| account.deleted.is_none())?;
            Some((ix as u32, &account.profile))
        })
    }

    /// By integer id, deleted ones included.
    pub fn by_id(&self, id: i64) -> Option<u32> {
        self.by_id.find(&id, |ix| self.has(ix, |profile| profile.id == id))
    }

    /// By GUID, deleted ones included.
    pub fn by_guid(&self, guid: Uuid) -> Option<u32> {
        self.by_guid.find(&guid, |ix| self.has(ix, |profile| profile.guid == guid))
    }

    /// By the customer's own id; live users only.
    pub fn by_external(&self, id: &str) -> Option<u32> {
        self.by_external.find(id, |ix| self.has(ix, |profile| profile.external_id.as_deref() == Some(id)))
    }

    /// By e-mail address, in lower case; live users only.
    pub fn by_email(&self, email: &str) -> Option<u32> {
        let email = email.to_lowercase();
        let is_it = |profile: &Profile| profile.email.as_ref().is_some_and(|other| other.to_lowercase() == email);
        self.by_email.find(email.as_str(), |ix| self.has(ix, is_it))
    }

    /// The highest integer id ever given.
    pub const fn high(&self) -> i64 {
        self.high
    }

    /// Remembers that `id` was given.
    pub fn raise(&mut self, id: i64) {
        self.high = self.high.max(id);
    }

    /// Adds a user and returns the index.
    pub fn insert(&mut self, profile: Arc<Profile>) -> u32 {
        let ix = match self.free.first().copied() {
            Some(ix) => {
                self.free.drop_first_mut();
                ix
            }
            None => self.accounts.len() as u32,
        };
        self.name(&profile, ix);
        self.place(ix, Account { profile, password: None, deleted: None });
        ix
    }

    /// Adds a deleted user: the ids are taken, the names are not. They may be another's by now.
    pub fn insert_deleted(&mut self, profile: Arc<Profile>, deleted: Time) -> u32 {
        let ix = self.accounts.len() as u32;
        self.place(ix, Account { profile, password: None, deleted: Some(deleted) });
        ix
    }

    fn place(&mut self, ix: u32, account: Account) {
        self.raise(account.profile.id);
        self.by_id.insert(&account.profile.id, ix);
        self.by_guid.insert(&account.profile.guid, ix);
        *self.accounts.reach(ix as usize) = Some(account);
    }

    /// Replaces the profile of a user whose names were freed; id and GUID never change.
    pub fn replace(&mut self, ix: u32, profile: Arc<Profile>) {
        self.name(&profile, ix);
        if let Some(account) = self.account_mut(ix) {
            account.profile = profile;
        }
    }

    /// Gives a user another password, or none.
    pub fn set_password(&mut self, ix: u32, password: Option<Password>) {
        if let Some(account) = self.account_mut(ix) {
            account.password = password.map(Arc::new);
        }
    }

    /// Marks a user as deleted and frees the names that only live users hold.
    pub fn delete(&mut self, ix: u32, at: Time) {
        self.unname(ix);
        if let Some(account) = self.account_mut(ix) {
            account.deleted = Some(at);
            account.password = None;
        }
    }

    /// Forgets a deleted user.
    pub fn forget(&mut self, ix: u32) {
        let Some(account) = self.accounts.get_mut(ix as usize).and_then(Option::take) else { return };
        self.by_id.remove(&account.profile.id, ix);
        self.by_guid.remove(&account.profile.guid, ix);
        self.free.push_front_mut(ix);
    }

    /// Puts back the names that [`Users::unname`] freed.
    pub fn rename(&mut self, ix: u32) {
        if let Some(profile) = self.account(ix).map(|account| account.profile.clone()) {
            self.name(&profile, ix);
        }
    }

    /// Frees the names of a live user, as before a document that may give them to others. What is not put back by
    /// [`Users::replace`] or [`Users::rename`] stays free.
    pub fn unname(&mut self, ix: u32) {
        let Some(Account { profile, deleted: None, .. }) = self.account(ix) else { return };
        let profile = profile.clone();
        if let Some(id) = &profile.external_id {
            self.by_external.remove(id.as_str(), ix);
        }
        if let Some(email) = &profile.email {
            self.by_email.remove(email.to_lowercase().as_str(), ix);
        }
    }

    fn name(&mut self, profile: &Profile, ix: u32) {
        if let Some(id) = &profile.external_id {
            self.by_external.insert(id.as_str(), ix);
        }
        if let Some(email) = &profile.email {
            self.by_email.insert(email.to_lowercase().as_str(), ix);
        }
    }

    fn has(&self, ix: u32, is_it: impl Fn(&Profile) -> bool) -> bool {
        self.account(ix).is_some_and(|account| is_it(&account.profile))
    }

    fn account_mut(&mut self, ix: u32) -> Option<&mut Account> {
        self.accounts.get_mut(ix as usize)?.as_mut()
    }

    /// Bytes of the accounts and of the maps that find them, without the profiles.
    pub fn heap_bytes(&self) -> usize {
        let lookups = [&self.by_id, &self.by_guid, &self.by_external, &self.by_email];
        self.accounts.heap_bytes() + lookups.map(Lookup::heap_bytes).iter().sum::<usize>()
    }

    /// The number of elements and pointers that this copy does not share with the users `before` it.
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
