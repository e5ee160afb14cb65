//! What drops the data of deleted tenants from memory.

use std::fmt;

use parking_lot::Mutex;

use crate::domain::TenantId;

type Listener = Box<dyn Fn(TenantId) + Send + Sync>;

/// Functions that are called with each deleted tenant.
#[derive(Default)]
pub(super) struct Listeners(Mutex<Vec<Listener>>);

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listeners")
    }
}

impl Listeners {
    pub fn add(&self, listener: impl Fn(TenantId) + Send + Sync + 'static) {
        self.0.lock().push(Box::new(listener));
    }

    /// Calls every listener with every tenant.
    pub fn call(&self, deleted: &[TenantId]) {
        let listeners = self.0.lock();
        for tenant in deleted {
            listeners.iter().for_each(|listener| listener(*tenant));
        }
    }
}
