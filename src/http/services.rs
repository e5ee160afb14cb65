//! What handlers work with.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;

use super::cors::Origin;
use super::graphql::Executor;
use super::native::desk::Connections;
use super::request_context::RequestContext;
use crate::auth::tickets::Pass;
use crate::auth::{Admin, Caller, Client, KeyRing, Passwords, Tickets};
use crate::clock::Clock;
use crate::domain::settings::desk::DeskTerms;
use crate::domain::{Fault, TenantId};
use crate::engine::{Reader, Submitter};
use crate::lifecycle::Lifecycle;
use crate::limits::{Budget, Budgets, ByteBudget, MemoryBudget, Owner, TenantBudgets, Throttle, TurnKey};
use crate::query::logged_in;
use crate::store::Store;

/// How the edge behaves.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Answers that routers act on are refused when the state was not confirmed for so many milliseconds.
    pub max_staleness_ms: u64,
    /// What desks are told where their tenant sets nothing else.
    pub desk: DeskTerms,
    /// Pages of these origins may ask from a browser.
    pub cors_origins: Vec<Origin>,
    /// Adds `POST /echo`, which benchmarks compare with.
    pub bench_echo: bool,
    /// Bytes of bodies and of answers in memory.
    pub memory: MemoryBudget,
    /// The budgets in force.
    pub budgets: Budgets,
}

/// Everything a handler may need. A clone is another handle to the same.
#[derive(Clone)]
pub struct Services(Arc<Inner>);

struct Inner {
    ring: KeyRing,
    throttle: Throttle,
    tenants: TenantBudgets,
    bodies: Option<ByteBudget>,
    answers: Option<ByteBudget>,
    passwords: Passwords,
    tickets: Tickets,
    connections: Connections,
    submitter: Submitter,
    reader: Reader,
    store: Store,
    clock: Clock,
    lifecycle: Lifecycle,
    metrics: PrometheusHandle,
    graphql: Executor,
    edge: Edge,
}

impl Services {
    /// Puts the handles together.
    pub fn new(
        (ring, throttle, tenants): (KeyRing, Throttle, TenantBudgets),
        (submitter, reader): (Submitter, Reader),
        store: Store,
        (clock, lifecycle, metrics): (Clock, Lifecycle, PrometheusHandle),
        edge: Edge,
    ) -> Self {
        let (passwords, graphql) =
            (Passwords::new(lifecycle.clone(), &clock, edge.budgets), Executor::new(edge.budgets));
        let (tickets, connections) = (Tickets::new(&clock), Connections::default());
        let budget = |budget, bytes| edge.budgets.has(budget).then(|| ByteBudget::new(bytes));
        let (bodies, answers) =
            (budget(Budget::Bodies, edge.memory.bodies), budget(Budget::Answers, edge.memory.answers));
        Services(Arc::new(Inner {
            ring,
            throttle,
            tenants,
            bodies,
            answers,
            passwords,
            tickets,
            connections,
            submitter,
            reader,
            store,
            clock,
            lifecycle,
            metrics,
            graphql,
            edge,
        }))
    }

    /// The caller of a request, by a key or a token: the one way for every dialect, and so the place where the request
    /// gets its permits, which it keeps until its answer was written.
    pub fn caller(&self, credential: Option<&str>) -> Result<Caller, Fault> {
        let caller = self.ring().caller(credential, |tenant, who| logged_in::may(self.reader(), tenant, who));
        let caller = caller.map_err(|fault| self.stranger().err().unwrap_or(fault))?;
        let tenant = caller.tenant();
        let enter = || {
            self.answers().map_or(Ok(()), |answers| answers.check(Owner::Tenant(tenant)))?;
            self.0.tenants.enter(tenant)
        };
        match RequestContext::current() {
            Some(request) => request.authenticated(tenant, enter)?,
            // Outside of a request there is nothing that a permit could last for.
            None => enter().map(drop)?,
        }
        self.in_service(caller.tenant())?;
        Ok(caller)
    }

    /// Who asks, once more: a connection may outlive what it was opened with.
    pub fn again(&self, caller: &Caller) -> Result<Caller, Fault> {
        self.in_service(caller.tenant())?;
        self.ring().again(caller, |tenant, who| logged_in::may(self.reader(), tenant, who))
    }

    /// [`Fault::Unavailable`] for a caller whose tenant could not be loaded: any answer would be a wrong one.
    fn in_service(&self, tenant: TenantId) -> Result<(), Fault> {
        let is_out = self.reader().is_quarantined(tenant);
        if is_out { Err(Fault::Unavailable("the tenant is out of service")) } else { Ok(()) }
    }

    /// Who asks, by a ticket, which is worth nothing from now on; and whose desk it is for.
    pub fn ticket_holder(&self, ticket: &str) -> Result<(Caller, Pass), Fault> {
        let (caller, pass) = self.tickets().redeem(ticket)?;
        Ok((self.again(&caller)?, pass))
    }

    /// Whoever shows a key with its id.
    pub fn client(&self, id: &str, key: &str) -> Result<Client, Fault> {
        let client = self.ring().client(id, key).map_err(|fault| self.stranger().err().unwrap_or(fault))?;
        self.in_service(client.tenant())?;
        Ok(client)
    }

    /// The administrator.
    pub fn admin(&self, token: Option<&str>) -> Result<Admin, Fault> {
        let admin = self.ring().admin(token).map_err(|fault| self.stranger().err().unwrap_or(fault))?;
        if let Some(request) = RequestContext::current() {
            request.administrator();
        }
        Ok(admin)
    }

    /// Counts a request without a valid credential; [`Fault::TooMany`] when too many came from its address.
    pub fn stranger(&self) -> Result<(), Fault> {
        RequestContext::current().map_or(Ok(()), |request| self.throttle().unauthenticated(request.peer().0))
    }

    /// Does work for a caller: inline when it is short, otherwise beside the threads that answer everybody, when it is
    /// the turn of `key`.
    pub async fn read<T: Send + 'static>(
        &self,
        key: TurnKey,
        is_long: bool,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        if is_long { self.lifecycle().run_cpu_bound(key, work).await? } else { work() }
    }

    /// Every key and token. For who asks there are [`Services::caller`], [`Services::client`] and [`Services::admin`].
    pub fn ring(&self) -> &KeyRing {
        &self.0.ring
    }

    /// The rates of unauthenticated callers.
    pub fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }

    /// The rates of tenants.
    pub fn tenants(&self) -> &TenantBudgets {
        &self.0.tenants
    }

    /// The budget of request bodies, if it is in force.
    pub fn bodies(&self) -> Option<&ByteBudget> {
        self.0.bodies.as_ref()
    }

    /// The budget of answers, if it is in force.
    pub fn answers(&self) -> Option<&ByteBudget> {
        self.0.answers.as_ref()
    }

    /// Where passwords are hashed and tried.
    pub fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    /// What browsers connect desks with.
    pub fn tickets(&self) -> &Tickets {
        &self.0.tickets
    }

    /// The desks that are connected here.
    pub fn connections(&self) -> &Connections {
        &self.0.connections
    }

    /// Where writes go in.
    pub fn submitter(&self) -> &Submitter {
        &self.0.submitter
    }

    /// Where reads come from.
    pub fn reader(&self) -> &Reader {
        &self.0.reader
    }

    /// Tenants and keys.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The time.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Where tasks are started.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }

    /// What was measured.
    pub fn metrics(&self) -> &PrometheusHandle {
        &self.0.metrics
    }

    /// GraphQL.
    pub fn graphql(&self) -> &Executor {
        &self.0.graphql
    }

    /// How the edge behaves.
    pub fn edge(&self) -> &Edge {
        &self.0.edge
    }
}
