//! The shared state of all handlers.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;

use super::connection::departure::Drain;
use super::native::rejections::Rejections;
use super::request_context::RequestContext;
use crate::auth::tickets::Redeemed;
use crate::auth::{
    Admin, Authorized, Caller, Client, Credentials, Link, LoggedIn, Passwords, Privilege, Scraper, UserRights, secret,
};
use crate::clock::Clock;
use crate::command::Context;
use crate::command::issue_token::TokenIssuer;
use crate::domain::settings::base_path::BasePath;
use crate::domain::settings::desk::DeskTerms;
use crate::domain::settings::origin::Origin;
use crate::domain::settings::proxies::TrustedProxies;
use crate::domain::{Fault, TenantId};
use crate::engine::{Reader, Submitter};
use crate::lifecycle::Lifecycle;
use crate::limits::throttle::network;
use crate::limits::{Budget, Budgets, ByteBudget, MemoryBudget, Owner, TenantBudgets, Throttle, TurnKey};
use crate::query::logged_in;
use crate::query::state::newest::NewestChecks;
use crate::registry::TenantSettings;
use crate::store::{Store, TenantReads};

/// Settings of the HTTP layer.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Milliseconds without confirmation by the store after which reads for routing decisions are refused.
    pub max_staleness_ms: u64,
    /// Default lease and heartbeat interval of desks.
    pub desk: DeskTerms,
    /// Origins of pages that may call the API from a browser.
    pub cors_origins: Vec<Origin>,
    /// Origins of pages that may embed the wallboard.
    pub frame_ancestors: Vec<Origin>,
    /// Path below which a proxy publishes the service.
    pub base_path: BasePath,
    /// Proxies that name their clients; `None` if there are none.
    pub proxies: Option<TrustedProxies>,
    /// Adds `POST /echo`, the baseline of benchmarks.
    pub bench_echo: bool,
    /// Most bytes of request bodies and of responses held in memory.
    pub memory: MemoryBudget,
    /// The budgets in force.
    pub budgets: Budgets,
}

/// Everything that handlers need. Clones share it.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    handles: Handles,
    bodies: Option<ByteBudget>,
    answers: Option<ByteBudget>,
    rejections: Rejections,
    drain: Drain,
    newest_checks: NewestChecks,
}

/// The handles of the other modules.
pub struct Handles {
    /// All keys and tokens.
    pub credentials: Credentials,
    /// The settings of all tenants.
    pub settings: TenantSettings,
    /// Rates of unauthenticated callers, by address.
    pub throttle: Throttle,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Rates and concurrency of tenants.
    pub tenants: TenantBudgets,
    /// Accepts events.
    pub submitter: Submitter,
    /// Returns the newest views.
    pub reader: Reader,
    /// Tenants and keys.
    pub store: Store,
    /// The archive.
    pub tenant_reads: TenantReads,
    /// The time and new ids.
    pub clock: Clock,
    /// Starts tasks.
    pub lifecycle: Lifecycle,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// Settings of the HTTP layer.
    pub edge: Edge,
}

impl AppState {
    /// Creates the state, with all of its budgets unused.
    pub fn new(handles: Handles) -> Self {
        let edge = &handles.edge;
        handles.settings.on_deleted({
            let (submitter, tenants) = (handles.submitter.clone(), handles.tenants.clone());
            move |tenant| {
                submitter.remove(tenant);
                tenants.remove(tenant);
            }
        });
        let budget = |budget, bytes| edge.budgets.has(budget).then(|| ByteBudget::new(bytes));
        AppState(Arc::new(Inner {
            bodies: budget(Budget::Bodies, edge.memory.bodies),
            answers: budget(Budget::Answers, edge.memory.answers),
            rejections: Rejections::new(&handles.clock),
            newest_checks: NewestChecks::new(handles.clock.now()),
            drain: Drain::new(handles.clock.clone(), handles.lifecycle.stopping().clone()),
            handles,
        }))
    }

    /// Authenticates the caller of a request by key or token. Every dialect goes through here, so this is where a
    /// request takes its permits, which it holds until its response is written.
    ///
    /// A credential that is not known is looked up in the store before it is rejected, since another server or a command
    /// may have made it: [`Fault::Unavailable`] if the store does not answer, [`Fault::TooMany`] if too many credentials
    /// are looked up.
    pub async fn caller(&self, request: &RequestContext, credential: Option<&str>) -> Result<Caller, Fault> {
        let from_memory = || self.credentials().caller(credential, |tenant, user| self.rights_now(tenant, user));
        let hash = || credential.and_then(secret::hash_of_credential);
        let caller = self.authenticated(request, from_memory, hash).await?;
        let caller = caller.map_err(|fault| self.refuse(request, fault))?;
        self.admit(request, caller.tenant())?;
        // Last, so that requests to a quarantined tenant count against its rate as well.
        self.in_service(caller.tenant())?;
        Ok(caller)
    }

    /// Takes the permits of a request of a tenant.
    pub fn admit(&self, request: &RequestContext, tenant: TenantId) -> Result<(), Fault> {
        request.authenticated(tenant, || {
            self.answers().map_or(Ok(()), |answers| answers.check(Owner::Tenant(tenant)))?;
            self.0.handles.tenants.enter(tenant)
        })
    }

    /// Authenticates a caller again: a connection may outlive the credential that it was opened with.
    pub fn revalidate<P: Privilege>(&self, caller: &Authorized<P>) -> Result<Authorized<P>, Fault> {
        self.in_service(caller.tenant())?;
        let rights_now = |tenant, user| self.rights_now(tenant, user);
        self.credentials().revalidate(caller.caller(), rights_now)?.authorize()
    }

    /// Uses a ticket, and authenticates the caller that it was made for. A ticket that is not valid counts as a request
    /// without a valid credential.
    pub async fn ticket_holder<P>(
        &self,
        request: &RequestContext,
        using: impl Future<Output = Result<Redeemed<P>, Fault>>,
    ) -> Result<(Caller, P), Fault> {
        self.throttle().look_up(request.peer().0)?;
        let redeemed = using.await.map_err(|fault| match fault {
            Fault::CredentialInvalid => self.refuse(request, fault),
            fault => fault,
        })?;
        Ok((self.issuer(request, &redeemed).await?, redeemed.pass))
    }

    /// Authenticates the caller that a ticket was made for, by the credential that it was made with. Looks it up as
    /// [`AppState::caller`] does.
    async fn issuer<P>(&self, request: &RequestContext, ticket: &Redeemed<P>) -> Result<Caller, Fault> {
        let from_memory = || self.credentials().issuer(ticket, |tenant, user| self.rights_now(tenant, user));
        let caller = self.authenticated(request, from_memory, || Some(*ticket.credential())).await??;
        self.in_service(caller.tenant())?;
        Ok(caller)
    }

    /// Authenticates a link by its token. One that is not in memory is looked up in the store before it is rejected.
    ///
    /// [`Fault::CredentialInvalid`] for an unknown, revoked or expired one; [`Fault::TooMany`] and [`Fault::Unavailable`] if
    /// it cannot be looked up now.
    pub async fn link(&self, request: &RequestContext, token: &str) -> Result<Link, Fault> {
        let hash = secret::hash_of_link(token).ok_or_else(|| self.refuse(request, Fault::CredentialInvalid))?;
        let mut found = self.credentials().link(&hash);
        if found.is_none() {
            self.throttle().look_up(request.peer().0)?;
            self.credentials().look_up_link(hash).await?;
            found = self.credentials().link(&hash);
        }
        let link = found.ok_or_else(|| self.refuse(request, Fault::CredentialInvalid))?;
        self.in_service(link.tenant())?;
        Ok(link)
    }

    /// Authenticates a link again: a connection may outlive it.
    pub fn revalidate_link(&self, link: &Link) -> Result<Link, Fault> {
        self.in_service(link.tenant())?;
        self.credentials().revalidate_link(link)
    }

    /// Authenticates from memory, and once more after a look-up of the credential with this hash if that is not known. The
    /// inner error is that of the credential, the outer one that of the look-up.
    async fn authenticated(
        &self,
        request: &RequestContext,
        from_memory: impl Fn() -> Result<Caller, Fault>,
        hash: impl FnOnce() -> Option<[u8; 32]>,
    ) -> Result<Result<Caller, Fault>, Fault> {
        let caller = from_memory();
        if !matches!(caller, Err(Fault::CredentialInvalid)) {
            return Ok(caller);
        }
        let hash = hash();
        let caller = if self.look_up(request, hash).await? { from_memory() } else { caller };
        // The token may be of a password that another server has set, and that the state does not have yet.
        if matches!(caller, Err(Fault::CredentialInvalid))
            && let Some((tenant, position)) = hash.and_then(|hash| self.credentials().log_in_of(&hash))
            && self.reader().snapshot(tenant)?.view.position() < position
        {
            self.reader().snapshot_at(tenant, position).await?;
            return Ok(from_memory());
        }
        Ok(caller)
    }

    fn rights_now(&self, tenant: TenantId, user: LoggedIn) -> Result<Option<UserRights>, Fault> {
        logged_in::current_rights(self.reader(), tenant, user)
    }

    /// Looks the credential with this hash up in the store, for a client at the request's address. Returns false if that
    /// shows nothing new: there is no hash, or it was looked up within the last minute.
    pub async fn look_up(&self, request: &RequestContext, hash: Option<[u8; 32]>) -> Result<bool, Fault> {
        let Some(hash) = hash.filter(|hash| self.credentials().can_look_up(hash)) else { return Ok(false) };
        let from = request.peer().0;
        self.throttle().look_up(from)?;
        // Boxed: it is rare, and would be part of the future of each request.
        Box::pin(self.credentials().look_up(hash, network(from))).await?;
        Ok(true)
    }

    /// Returns [`Fault::Unavailable`] for a tenant in quarantine, or of another release: it has no state here, so any answer
    /// would be wrong.
    fn in_service(&self, tenant: TenantId) -> Result<(), Fault> {
        self.reader().out_of_service(tenant).map_or(Ok(()), |reason| Err(Fault::Unavailable(reason)))
    }

    /// Authenticates a client by a key and the key's id. Looks the key up as [`AppState::caller`] does.
    pub async fn client(&self, request: &RequestContext, id: &str, key: &str) -> Result<Client, Fault> {
        let hash = secret::hash_of_credential(key).filter(|hash| !self.credentials().has_key_hash(hash));
        self.look_up(request, hash).await?;
        let client = self.credentials().client(id, key).map_err(|fault| self.refuse(request, fault))?;
        self.in_service(client.tenant())?;
        Ok(client)
    }

    /// Authenticates the administrator.
    pub fn admin(&self, request: &RequestContext, token: Option<&str>) -> Result<Admin, Fault> {
        let admin = self.credentials().admin(token).map_err(|fault| self.refuse(request, fault))?;
        request.administrator();
        Ok(admin)
    }

    /// Authenticates a reader of the metrics. Its bytes count as the administrator's.
    pub fn scraper(&self, request: &RequestContext, token: Option<&str>) -> Result<Scraper, Fault> {
        let scraper = self.credentials().scraper(token).map_err(|fault| self.refuse(request, fault))?;
        request.administrator();
        Ok(scraper)
    }

    /// Counts a request without a valid credential; [`Fault::TooMany`] past the rate of its address.
    pub fn unauthenticated(&self, request: &RequestContext) -> Result<(), Fault> {
        self.throttle().unauthenticated(request.peer().0)
    }

    /// Returns the answer to a request with an invalid credential. It counts even though it is refused anyway: past the
    /// rate of its address it is 429 instead of `fault`.
    pub fn refuse(&self, request: &RequestContext, fault: Fault) -> Fault {
        self.unauthenticated(request).err().unwrap_or(fault)
    }

    /// Returns the context of a command of an authorized caller.
    pub fn command<'a, P>(&'a self, caller: &'a Authorized<P>) -> Context<'a, P> {
        Context { caller, submitter: self.submitter(), reader: self.reader(), clock: self.clock() }
    }

    /// Returns what issues tokens.
    pub fn tokens(&self) -> TokenIssuer<'_> {
        let (store, credentials) = (self.store(), self.credentials());
        TokenIssuer { store, credentials, clock: self.clock(), throttle: self.throttle() }
    }

    /// Does work for a caller: inline if it is short, otherwise on the blocking pool, when it is the turn of `key`.
    pub async fn read<T: Send + 'static>(
        &self,
        key: TurnKey,
        is_long: bool,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        if is_long { self.lifecycle().run_cpu_bound(key, work).await? } else { work() }
    }

    /// All keys and tokens. Callers are authenticated by [`AppState::caller`], [`AppState::client`] and
    /// [`AppState::admin`] instead.
    pub fn credentials(&self) -> &Credentials {
        &self.0.handles.credentials
    }

    /// The settings of all tenants.
    pub fn settings(&self) -> &TenantSettings {
        &self.0.handles.settings
    }

    /// Rate limits of unauthenticated callers.
    pub fn throttle(&self) -> &Throttle {
        &self.0.handles.throttle
    }

    /// Rate and concurrency limits of tenants.
    pub fn tenants(&self) -> &TenantBudgets {
        &self.0.handles.tenants
    }

    /// Budget of the bytes of request bodies; `None` if it is not in force.
    pub fn bodies(&self) -> Option<&ByteBudget> {
        self.0.bodies.as_ref()
    }

    /// Budget of the bytes of responses; `None` if it is not in force.
    pub fn answers(&self) -> Option<&ByteBudget> {
        self.0.answers.as_ref()
    }

    /// Counts rejected events, and logs them.
    pub fn rejections(&self) -> &Rejections {
        &self.0.rejections
    }

    /// The drain before the service stops.
    pub fn drain(&self) -> &Drain {
        &self.0.drain
    }

    /// The newest results of the background check.
    pub fn newest_checks(&self) -> &NewestChecks {
        &self.0.newest_checks
    }

    /// Hashes and verifies passwords.
    pub fn passwords(&self) -> &Passwords {
        &self.0.handles.passwords
    }

    /// Submits events to the engine.
    pub fn submitter(&self) -> &Submitter {
        &self.0.handles.submitter
    }

    /// Reads the tenants' current views.
    pub fn reader(&self) -> &Reader {
        &self.0.handles.reader
    }

    /// The store, for tenants, keys and tokens.
    pub fn store(&self) -> &Store {
        &self.0.handles.store
    }

    /// Reads the archive, in turns.
    pub fn tenant_reads(&self) -> &TenantReads {
        &self.0.handles.tenant_reads
    }

    /// The clock, which tests replace.
    pub fn clock(&self) -> &Clock {
        &self.0.handles.clock
    }

    /// Starts, tracks and stops tasks.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.0.handles.lifecycle
    }

    /// Renders the Prometheus metrics.
    pub fn metrics(&self) -> &PrometheusHandle {
        &self.0.handles.metrics
    }

    /// Settings of the HTTP layer.
    pub fn edge(&self) -> &Edge {
        &self.0.handles.edge
    }
}
