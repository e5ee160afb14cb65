//! The acceptance vectors: each file of `tests/vectors` is a test on either store, named after the file, as in
//! `cargo embedded agents_presence`. The files of a store share a service. docs/testing.md describes the files.

mod compare;
mod steps;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;

use crate::support::{Backend, Service};
use steps::{folder, read_vectors, run_file};

/// Makes two tests of each file, one a store, and lists the files.
macro_rules! vector_files {
    ($($name:ident)*) => {
        /// The names of the files, without their extension.
        const FILES: &[&str] = &[$(stringify!($name)),*];

        mod embedded {
            $(#[test]
            fn $name() {
                super::run(&super::EMBEDDED, stringify!($name));
            })*
        }

        mod postgres {
            $(#[test]
            fn $name() {
                super::run(&super::POSTGRES, stringify!($name));
            })*
        }
    };
}

vector_files! {
    agents_count_v0 agents_definitions agents_presence agents_presences bad_input_agents bad_input_agents_queries
    bad_input_agents_values bad_input_bytes bad_input_convoso bad_input_convoso_ids bad_input_desk
    bad_input_graphql bad_input_graphql_documents bad_input_graphql_limits bad_input_graphql_rules
    bad_input_graphql_texts bad_input_graphql_users bad_input_iadvize bad_input_iadvize_one bad_input_live
    bad_input_members bad_input_native
    bad_input_operator bad_input_paths bad_input_vonage bad_input_vonage_body bad_input_webhooks bodies
    breakdown_graphql breakdown_rest clients_sent
    conversations_bad_input conversations_lists conversations_seed conversations_slots conversations_text
    convoso_agent_monitor directory_live directory_operator_fields directory_refusals directory_settings directory_upsert dropped_input
    envelopes events_base64 events_binary events_details events_envelope events_envelope_values events_leases events_outcomes
    events_sessions events_slots events_slots_more events_status events_sync events_transport events_unknown_users
    fixture_convoso fixture_graphql fixture_graphql_forms fixture_rest_live fixture_vonage graphql_contacts graphql_cursors graphql_failures graphql_filters
    graphql_over_http graphql_persisted graphql_professionals graphql_reference graphql_routing_rule graphql_rules
    graphql_user_availability graphql_users
    isolation isolation_agent_monitor isolation_agents isolation_breakdown isolation_conversations isolation_desk
    isolation_graphql
    isolation_live isolation_live_events isolation_log_ins isolation_operator isolation_routing isolation_wallboards isolation_webhooks isolation_writes mutants oauth_client
    oauth_operator_password oauth_password oauth_revoke parameters_lists parameters_refused positions presence_routable presence_updated
    reasons rest_grouping rest_live_seen rest_operator_change
    rest_operator_create rest_operator_get rest_operator_list rest_set_live seeds_convoso seeds_graphql
    seeds_iadvize_live seeds_vonage seeds_vonage_summary since state tenants_deletion tenants_keys tenants_keys_refusals tenants_limits
    tenants_settings wallboard_links wallboards wallboards_refused webhooks_iadvize
}

static EMBEDDED: LazyLock<Shared> = LazyLock::new(|| Shared::new(Backend::Embedded));
static POSTGRES: LazyLock<Shared> = LazyLock::new(|| Shared::new(Backend::Postgres));

/// What the tests of one store share.
struct Shared {
    backend: Backend,
    /// Outlives the tests: a service that ran on one test's runtime would end with that test.
    runtime: Runtime,
    /// Locked while a file runs, so that files run one at a time: all of them use one address, and unauthenticated
    /// requests from one address are limited.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Started by the first file.
    service: Option<Service>,
    /// Files that have been run, with the one that is running.
    files: usize,
}

impl Shared {
    fn new(backend: Backend) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        Shared { backend, runtime, state: Mutex::default() }
    }

    /// Runs a file on the shared service; returns the number of its steps and a message for each that failed. After the
    /// last of all files the service is stopped; a run of only some files leaves it running until the process exits.
    async fn run(&self, name: &str) -> (usize, Vec<String>) {
        let mut state = self.state.lock().await;
        state.files += 1;
        if state.service.is_none() {
            state.service = Some(Service::start(self.backend).await);
        }
        let service = state.service.as_ref().expect("it has been started");
        let outcome = run_file(service, name).await;
        if state.files == FILES.len()
            && let Some(service) = state.service.take()
        {
            service.stop().await;
        }
        outcome
    }
}

fn run(shared: &Shared, name: &str) {
    let (steps, failures) = shared.runtime.block_on(shared.run(name));
    assert!(failures.is_empty(), "{} of {steps} steps of {name} failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn the_list_matches_the_folder() {
    let entries = std::fs::read_dir(folder()).expect("the vectors").map(|entry| entry.expect("an entry").path());
    let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let in_folder: BTreeSet<String> =
        files.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
    let listed: BTreeSet<String> = FILES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(listed, in_folder, "vector_files! lists every file of tests/vectors and no other");
    let steps: usize = FILES.iter().map(|name| read_vectors(name).steps.len()).sum();
    assert!(steps > 1_000, "only {steps} steps were found");
}
