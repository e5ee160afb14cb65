//! One service a store for all files of vectors that run at the same time: each file has tenants of its own.

use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use tokio::runtime::{Builder, Runtime};

use super::run_file;
use crate::support::{Backend, Service};

/// The runtime that the services run on. A test's own runtime would end with the test, and the service with it.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime"));

/// The service of each store, while a test uses it.
static SERVICES: [Mutex<Weak<Service>>; 2] = [Mutex::new(Weak::new()), Mutex::new(Weak::new())];

/// Runs a file on a store; panics with every step that failed.
pub fn run(backend: Backend, stem: &str) {
    let service = service(backend);
    let (steps, failures) = RUNTIME.block_on(run_file(&service, stem));
    // The last test to use the service stops it, which checks that no task failed and removes its store.
    if let Some(service) = Arc::into_inner(service) {
        RUNTIME.block_on(service.stop());
    }
    assert!(steps > 0, "{stem} has no steps");
    assert!(failures.is_empty(), "{} of {steps} steps failed:\n{}", failures.len(), failures.join("\n"));
}

/// Returns the running service of the store, or starts one. The lock is held meanwhile, so that there is only one.
fn service(backend: Backend) -> Arc<Service> {
    let place = &SERVICES[usize::from(backend == Backend::Postgres)];
    // A service that could not be started leaves the place empty: every test reports that for itself.
    let mut known = place.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(service) = known.upgrade() {
        return service;
    }
    let service = Arc::new(RUNTIME.block_on(Service::start(backend)));
    *known = Arc::downgrade(&service);
    service
}
