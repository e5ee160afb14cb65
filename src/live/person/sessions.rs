//! The sessions of one user.

use super::Session;
use crate::live::tight;

/// The sessions of one user by id: open ones, and ended ones that are still remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions(Vec<(Box<str>, Session)>);

impl Sessions {
    /// The session of an id, if it is known.
    pub fn get(&self, id: &str) -> Option<&Session> {
        self.place(id).ok().map(|at| &self.0[at].1)
    }

    /// Mutable access to the session of an id, if it is known.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut Session> {
        self.place(id).ok().map(|at| &mut self.0[at].1)
    }

    /// Mutable access to the session of an id, after adding `new` if it is not known.
    pub fn get_or_insert(&mut self, id: &str, new: Session) -> &mut Session {
        let at = self.place(id).unwrap_or_else(|at| {
            tight::insert(&mut self.0, at, (id.into(), new));
            at
        });
        &mut self.0[at].1
    }

    /// Adds a session, or replaces and returns the one of that id.
    pub fn insert(&mut self, id: &str, session: Session) -> Option<Session> {
        match self.place(id) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, session)),
            Err(at) => {
                tight::insert(&mut self.0, at, (id.into(), session));
                None
            }
        }
    }

    /// Removes and returns the session of an id, if it is known.
    pub fn remove(&mut self, id: &str) -> Option<Session> {
        let at = self.place(id).ok()?;
        Some(tight::remove(&mut self.0, at).1)
    }

    /// The number of sessions.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// Iterates over the sessions in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Session)> {
        self.0.iter().map(|(id, session)| (&**id, session))
    }

    /// Iterates over the sessions in the order of their ids, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Session)> {
        self.0.iter_mut().map(|(id, session)| (&**id, session))
    }

    /// Bytes that the sessions occupy on the heap, with their ids and devices.
    pub fn heap_bytes(&self) -> usize {
        let texts =
            |(id, session): &(Box<str>, Session)| id.len() + session.device.as_ref().map_or(0, |name| name.len());
        tight::heap_bytes(&self.0) + self.0.iter().map(texts).sum::<usize>()
    }

    fn place(&self, id: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(id))
    }
}

impl IntoIterator for Sessions {
    type Item = (Box<str>, Session);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::Time;
    use crate::domain::event::Surface;

    fn session(opened: u64) -> Session {
        Session {
            at: Time::NEVER,
            open: true,
            surface: Surface::Desk,
            lease_seconds: None,
            device: None,
            opened,
            ended: None,
            socket: false,
            of_desk: true,
            ended_at: Time::NEVER,
        }
    }

    proptest! {
        #[test]
        fn behaves_as_a_map(changes in proptest::collection::vec((0u8..40, 0u8..4), 0..200)) {
            let (mut sessions, mut reference) = (Sessions::default(), BTreeMap::new());
            let mut half = None;
            for (n, (id, change)) in changes.iter().enumerate() {
                if n == changes.len() / 2 {
                    half = Some((sessions.clone(), reference.clone()));
                }
                let (id, new) = (format!("session {id}"), session(n as u64));
                match change {
                    0 => prop_assert_eq!(sessions.remove(&id), reference.remove(&id)),
                    1 => {
                        let known = sessions.get_or_insert(&id, new.clone());
                        prop_assert_eq!(&*known, reference.entry(id).or_insert(new));
                    }
                    _ => prop_assert_eq!(sessions.insert(&id, new.clone()), reference.insert(id, new)),
                }
            }
            // A clone stays as it was.
            for (mut sessions, mut reference) in half.into_iter().chain([(sessions, reference)]) {
                prop_assert_eq!(sessions.size(), reference.len());
                prop_assert!(sessions.iter().eq(reference.iter().map(|(id, session)| (id.as_str(), session))));
                for id in (0..40).map(|id| format!("session {id}")) {
                    prop_assert_eq!(sessions.get(&id), reference.get(&id));
                    prop_assert_eq!(sessions.get_mut(&id), reference.get_mut(&id));
                }
            }
        }
    }
}
