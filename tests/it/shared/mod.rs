//! What other servers and commands change in the store of a running service: docs/guide/tokens.md, "On every server".
//!
//! The other server is a second set of handles to the store in the test's process. The service's clock stands still, so
//! that it does not poll for changes: what it knows without being asked for is what it looks up.

mod credentials;
mod log_ins;
mod revocations;
mod settings;
mod tickets;

use std::time::Duration;

use rollcall::auth::secret::Secret;
use rollcall::clock::Clock;
use rollcall::domain::{Scope, Settings, TenantId, Time};
use rollcall::store::{KeyRecord, Store, TenantRecord, TokenHolder, TokenRecord};
use uuid::Uuid;

use crate::support::api::Persona;
use crate::support::desks::directory;
use crate::support::{Home, Service, Setup, tenant_id};

/// A service with a manual clock, its tenant, and the handles of another server.
struct Stage {
    service: Service,
    clock: Clock,
    persona: Persona,
    other: Other,
}

/// Another server on the store of a service.
struct Other {
    store: Store,
    clock: Clock,
}

impl Stage {
    async fn on(home: Home) -> Self {
        let clock = Clock::manual(Time::from_micros(1_614_589_200_000_000));
        let service = Service::start_on(home, Setup { clock: clock.clone(), ..Setup::default() }).await;
        let persona = service.api.persona("tenant").await;
        service.api.put_directory(&persona.key, &directory(3)).await;
        let (store, _) = Store::open(&service.home.location).await.expect("the store opens");
        let other = Other { store, clock: clock.clone() };
        Stage { service, clock, persona, other }
    }

    fn tenant(&self) -> TenantId {
        tenant_id(&self.persona.tenant)
    }

    /// Returns the status with which a credential is answered.
    async fn status(&self, credential: &str) -> u16 {
        self.service.api.get(credential, "/v1/directory").await.expect("an answer").status
    }

    /// Lets the service poll for changes.
    fn poll(&self) {
        self.clock.advance(Duration::from_millis(500));
    }
}

impl Other {
    /// Adds a key with the scope `*`; returns its id and the key.
    async fn key(&self, tenant: TenantId) -> (Uuid, String) {
        let secret = Secret::generate("rk");
        let id = self.clock.new_id();
        let (hash, prefix, created) = (secret.hash(), secret.prefix(), self.clock.now());
        let (name, scopes) = (String::from("elsewhere"), vec![Scope::All]);
        let key = KeyRecord { id, tenant, name, prefix, hash, scopes, created, revoked: None };
        assert!(self.store.create_key(&key).await.expect("the store answers"), "the tenant exists");
        (id, secret.reveal().to_owned())
    }

    /// Adds a tenant.
    async fn tenant(&self, name: &str) -> TenantId {
        let (id, settings) = (TenantId(self.clock.new_id()), Settings::default());
        let tenant = TenantRecord { id, name: name.to_owned(), created: self.clock.now(), settings };
        assert!(self.store.create_tenant(&tenant).await.expect("the store answers"), "the name is free");
        id
    }

    /// Issues a token; returns it with its hash.
    async fn token(&self, tenant: TenantId, holder: TokenHolder) -> (String, [u8; 32]) {
        let secret = Secret::generate("rt");
        let (hash, created) = (secret.hash(), self.clock.now());
        let expires = created.plus_seconds(3_600);
        let token = TokenRecord { hash, tenant, holder, scopes: vec![Scope::All], created, expires };
        self.store.create_token(&token).await.expect("the store answers");
        (secret.reveal().to_owned(), hash)
    }
}
