//! What other tasks want of the engine, which owns the states.

use std::mem;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Requests from any task, taken by the engine in its next turn.
#[derive(Debug)]
pub struct Inbox<T> {
    waiting: Mutex<Vec<T>>,
    added: Notify,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Inbox { waiting: Mutex::default(), added: Notify::new() }
    }
}

impl<T> Inbox<T> {
    /// Adds a request and wakes the engine.
    pub fn add(&self, request: T) {
        self.put_back(vec![request]);
        // The engine is the only waiter. If it is not waiting now, the notification is kept for its next wait.
        self.added.notify_one();
    }

    /// Adds requests that were taken too early, for a later turn. The engine is not woken.
    pub fn put_back(&self, requests: Vec<T>) {
        self.waiting.lock().extend(requests);
    }

    /// Takes the waiting requests.
    pub fn take(&self) -> Vec<T> {
        mem::take(&mut self.waiting.lock())
    }

    /// Returns once requests were added.
    pub async fn wait(&self) {
        self.added.notified().await;
    }
}
