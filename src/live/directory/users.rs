//! The users of one tenant, each at a dense index that the bitsets share.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::domain::event::PasswordHash;
use crate::domain::{Profile, Time};

/// A user's password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    /// What is kept of it.
    pub hash: PasswordHash,
    /// Position of the entry that set it, which tells it from every other that the user has had.
    pub set: u64,
}

/// A user's place in the directory. A deleted one stays for a while, so that its ids are not given again.
#[derive(Clone, Debug)]
pub struct Account {
    /// What is known of the user.
    pub profile: Arc<Profile>,
    /// What the user logs in with, where one was set. No part of the profile, which answers show.
    pub password: Option<Password>,
    /// When the user was deleted: gone since then, but remembered.
    pub deleted: Option<Time>,
}

/// All users of a tenant.
#[derive(Clone, Debug, Default)]
pub struct Users {
    accounts: Vec<Option<Account>>,
    by_id: HashMap<i64, u32>,
    by_guid: HashMap<Uuid, u32>,
    by_external: HashMap<Box<str>, u32>,
    by_email: HashMap<Box<str>, u32>,
    free: Vec<u32>,
    high: i64,
}

impl Users {
    /// One past the highest index in use.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there has never been a user.
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
        self.by_id.get(&id).copied()
    }

    /// By GUID, deleted ones included.
    pub fn by_guid(&self, guid: Uuid) -> Option<u32> {
        self.by_guid.get(&guid).copied()
    }

    /// By the customer's own id; live users only.
    pub fn by_external(&self, id: &str) -> Option<u32> {
        self.by_external.get(id).copied()
    }

    /// By e-mail address, in lower case; live users only.
    pub fn by_email(&self, email: &str) -> Option<u32> {
        self.by_email.get(email.to_lowercase().as_str()).copied()
    }

    /// The highest integer id ever given.
    pub const fn high(&self) -> i64 {
        self.high
    }

    /// Remembers that `id` was given.
    pub fn raise(&mut self, id: i64) {
        self.high = self.high.max(id);
    }

    /// Adds a user; answers the index.
    pub fn insert(&mut self, profile: Arc<Profile>) -> u32 {
        self.raise(profile.id);
        let ix = self.free.pop().unwrap_or_else(|| {
            self.accounts.push(None);
            (self.accounts.len() - 1) as u32
        });
        self.by_id.insert(profile.id, ix);
        self.by_guid.insert(profile.guid, ix);
        self.name(&profile, ix);
        self.accounts[ix as usize] = Some(Account { profile, password: None, deleted: None });
        ix
    }

    /// Adds a user who is gone but remembered: the ids are taken, the names are not. They may be another's by now.
    pub fn insert_deleted(&mut self, profile: Arc<Profile>, deleted: Time) -> u32 {
        self.raise(profile.id);
        let ix = self.accounts.len() as u32;
        self.by_id.insert(profile.id, ix);
        self.by_guid.insert(profile.guid, ix);
        self.accounts.push(Some(Account { profile, password: None, deleted: Some(deleted) }));
        ix
    }

    /// Puts a changed profile in the place of the one before; id and GUID never change.
    pub fn replace(&mut self, ix: u32, profile: Arc<Profile>) {
        self.unname(ix);
        self.name(&profile, ix);
        if let Some(account) = &mut self.accounts[ix as usize] {
            account.profile = profile;
        }
    }

    /// Gives a user another password, or none.
    pub fn set_password(&mut self, ix: u32, password: Option<Password>) {
        if let Some(account) = &mut self.accounts[ix as usize] {
            account.password = password;
        }
    }

    /// Marks a user as gone and frees the names that only live users hold.
    pub fn delete(&mut self, ix: u32, at: Time) {
        self.unname(ix);
        if let Some(account) = &mut self.accounts[ix as usize] {
            account.deleted = Some(at);
            account.password = None;
        }
    }

    /// Forgets a deleted user.
    pub fn forget(&mut self, ix: u32) {
        if let Some(account) = self.accounts[ix as usize].take() {
            self.by_id.remove(&account.profile.id);
            self.by_guid.remove(&account.profile.guid);
            self.free.push(ix);
        }
    }

    fn name(&mut self, profile: &Profile, ix: u32) {
        if let Some(id) = &profile.external_id {
            self.by_external.insert(id.as_str().into(), ix);
        }
        if let Some(email) = &profile.email {
            self.by_email.insert(email.to_lowercase().into(), ix);
        }
    }

    /// Frees the names of a user, as before a document that may give them to others.
    pub fn unname(&mut self, ix: u32) {
        let Some(Account { profile, deleted: None, .. }) = &self.accounts[ix as usize] else { return };
        // A name that another user took within the same document stays theirs.
        if let Some(id) = profile.external_id.as_deref().filter(|id| self.by_external.get(*id) == Some(&ix)) {
            self.by_external.remove(id);
        }
        let email = profile.email.as_ref().map(|email| email.to_lowercase());
        if let Some(email) = email.filter(|email| self.by_email.get(email.as_str()) == Some(&ix)) {
            self.by_email.remove(email.as_str());
        }
    }
}
