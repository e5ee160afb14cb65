//! `rollcall tenant`: creates, lists and deletes tenants, shows and changes their settings. A change or deletion is in
//! effect in a running service when its command ends.

mod delete;

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::store::{self, on_store};
use super::{Failure, output};
use crate::auth::Admin;
use crate::clock::Clock;
use crate::command::tenants::create_tenant::create_tenant;
use crate::command::tenants::set_settings::{SettingsChange, set_settings};
use crate::config::StoreArgs;
use crate::domain::Fault;
use crate::domain::json::Field;
use crate::domain::settings::desk::{DeskTerms, HEARTBEAT_SECONDS, LEASE_SECONDS};
use crate::domain::settings::{CONVERSATION_DAYS, SettingsPatch, WebhookSecret};
use crate::domain::text::printable;
use crate::query;
use crate::registry::Registry;
use crate::store::{Purpose, Store, TenantRecord};

/// The commands for tenants.
#[derive(Subcommand, Debug)]
pub enum TenantCommand {
    /// Creates a tenant and prints its id, and nothing else.
    Create(CreateArgs),
    /// Lists tenants: id, time of creation, name.
    List(ListArgs),
    /// Shows a tenant and its settings.
    Show(ShowArgs),
    /// Changes settings of a tenant; those not given stay. A running service applies them before this ends.
    Set(SetArgs),
    /// Deletes a tenant with all of its data. A running service rejects its keys before this ends.
    Delete(delete::DeleteArgs),
}

/// The arguments of `tenant create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Name of the tenant, unique among tenants.
    name: String,
    /// Prints the id of the tenant of that name if there is one, rather than failing.
    #[arg(long)]
    if_missing: bool,
    #[command(flatten)]
    store: StoreArgs,
}

/// The arguments of `tenant list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// The arguments of `tenant show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// Id or name of the tenant.
    tenant: String,
    #[command(flatten)]
    store: StoreArgs,
}

/// The arguments of `tenant set`.
#[derive(Args, Debug)]
pub struct SetArgs {
    /// Id or name of the tenant.
    tenant: String,
    #[command(flatten)]
    changes: ChangeArgs,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
struct ChangeArgs {
    /// Storage of the texts of messages.
    #[arg(long, value_name = "on|off", value_parser = switch)]
    conversation_text: Option<bool>,
    /// Days for which closed conversations are kept.
    #[arg(long, value_name = "N|forever", value_parser = days)]
    conversation_days: Option<Field<u32>>,
    /// File with the secret that iAdvize signs its webhooks with, or none to reject webhooks.
    #[arg(long, value_name = "PATH|none")]
    iadvize_secret_file: Option<PathBuf>,
    /// Seconds of silence after which a desk is disconnected, or default for the service's own setting.
    #[arg(long, value_name = "N|default", value_parser = lease)]
    desk_lease_seconds: Option<Field<u32>>,
    /// Seconds between two heartbeats of a desk, at most half of the lease, or default for the service's own setting.
    #[arg(long, value_name = "N|default", value_parser = heartbeat)]
    desk_heartbeat_seconds: Option<Field<u32>>,
}

impl ChangeArgs {
    fn patch(self) -> Result<SettingsPatch, Failure> {
        Ok(SettingsPatch {
            conversation_text: self.conversation_text.map_or(Field::Absent, Field::Set),
            conversation_days: self.conversation_days.unwrap_or_default(),
            iadvize_secret: match self.iadvize_secret_file {
                None => Field::Absent,
                Some(path) if path.as_os_str() == "none" => Field::Clear,
                Some(path) => Field::Set(secret(path)?),
            },
            desk_lease_seconds: self.desk_lease_seconds.unwrap_or_default(),
            desk_heartbeat_seconds: self.desk_heartbeat_seconds.unwrap_or_default(),
        })
    }
}

fn switch(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be on or off"),
    }
}

fn days(text: &str) -> Result<Field<u32>, &'static str> {
    number(text, CONVERSATION_DAYS, "forever").ok_or("must be from 1 to 36500, or forever")
}

fn lease(text: &str) -> Result<Field<u32>, &'static str> {
    number(text, LEASE_SECONDS, "default").ok_or("must be from 5 to 3600, or default")
}

fn heartbeat(text: &str) -> Result<Field<u32>, &'static str> {
    number(text, HEARTBEAT_SECONDS, "default").ok_or("must be from 1 to 1800, or default")
}

/// Parses a number within the range, or the word that clears the setting.
fn number(text: &str, range: RangeInclusive<u32>, none: &str) -> Option<Field<u32>> {
    if text == none {
        return Some(Field::Clear);
    }
    text.parse().ok().filter(|number| range.contains(number)).map(Field::Set)
}

/// Reads the secret from a file, without the line ending. Errors do not name the path, since the secret itself may have
/// been given in its place by mistake.
fn secret(path: PathBuf) -> Result<WebhookSecret, Failure> {
    let failure = |why: &dyn std::fmt::Display| Failure::setting(format!("the file of --iadvize-secret-file {why}"));
    let text = std::fs::read_to_string(path).map_err(|error| failure(&format!("cannot be read: {error}")))?;
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    WebhookSecret::new(line).ok_or_else(|| failure(&WebhookSecret::WANTED))
}

/// Runs the command.
pub async fn run(command: TenantCommand) -> Result<(), Failure> {
    match command {
        TenantCommand::Create(args) => {
            on_store(&args.store, Purpose::Write, async |store, _| {
                let (tenant, verb) = match create_tenant(&Admin::local(), store, &Clock::system(), &args.name).await {
                    Err(Fault::Conflict(_)) if args.if_missing => (find(store, &args.name).await?, "exists"),
                    created => (created.map_err(|fault| Failure::other(reason(&fault)))?, "was created"),
                };
                let printed = output::print(&format!("{}\n", tenant.id));
                printed.map_err(|error| error.and(format!("the tenant {verb}, its id is {}", tenant.id)))
            })
            .await
        }
        TenantCommand::List(args) => {
            on_store(&args.store, Purpose::Read, async |store, _| {
                for tenant in query::keys::tenants(&Admin::local(), store).await.map_err(Failure::other)? {
                    output::print(&format!("{}  {}  {}\n", tenant.id, tenant.created, printable(&tenant.name)))?;
                }
                Ok(())
            })
            .await
        }
        TenantCommand::Show(args) => {
            on_store(&args.store, Purpose::Read, async |store, _| show(&find(store, &args.tenant).await?)).await
        }
        TenantCommand::Set(args) => {
            let patch = args.changes.patch()?;
            on_store(&args.store, Purpose::Write, async |store, location| {
                let tenant = find(store, &args.tenant).await?.id;
                let registry = Registry::load(store.clone()).await;
                let settings = registry.map_err(|error| store::failure(location, error))?.settings();
                // The terms of a running service may be others, which this process cannot read.
                let change = SettingsChange { patch: &patch, usual: DeskTerms::default() };
                let changed = set_settings(&Admin::local(), store, &settings, tenant, change).await;
                let changed = changed.map_err(refused)?;
                store::applied(store).await;
                show(&changed).map_err(|error| error.and("the settings were changed"))
            })
            .await
        }
        TenantCommand::Delete(args) => delete::run(args).await,
    }
}

/// Turns the fault of a change of settings into a failure.
fn refused(fault: Fault) -> Failure {
    match fault {
        Fault::Refused(_) => Failure::setting(reason(&fault)),
        fault => Failure::other(fault),
    }
}

/// Returns the text of a fault; for refused values it names each with its problem.
pub fn reason(fault: &Fault) -> String {
    let Fault::Refused(problems) = fault else { return fault.to_string() };
    let problems: Vec<String> = problems.iter().map(|p| format!("{}: {}", p.pointer, p.detail)).collect();
    problems.join("; ")
}

/// Prints a tenant, one setting per line. The webhook secret is not printed, only whether there is one.
fn show(tenant: &TenantRecord) -> Result<(), Failure> {
    let settings = &tenant.settings;
    let days = settings.conversation_days.map_or(String::from("forever"), |days| days.to_string());
    let switch = |is_on: bool| String::from(if is_on { "on" } else { "off" });
    let seconds = |set: Option<u32>| set.map_or(String::from("default"), |seconds| format!("{seconds} s"));
    let lines = [
        ("id", tenant.id.to_string()),
        ("name", printable(&tenant.name).into_owned()),
        ("created", tenant.created.to_string()),
        ("conversation text", switch(settings.conversation_text)),
        ("conversation days", days),
        ("iadvize webhooks", switch(settings.iadvize_secret.is_some())),
        ("desk lease", seconds(settings.desk_lease_seconds)),
        ("desk heartbeat", seconds(settings.desk_heartbeat_seconds)),
    ];
    output::print(&lines.map(|(name, value)| format!("{name:<19}{value}\n")).concat())
}

/// Finds a tenant by id or name.
pub async fn find(store: &Store, text: &str) -> Result<TenantRecord, Failure> {
    let tenants = query::keys::tenants(&Admin::local(), store).await.map_err(Failure::other)?;
    // A name may be the id of another tenant: that one is meant.
    let meant = tenants.iter().find(|tenant| tenant.id.to_string() == text);
    let meant = meant.or_else(|| tenants.iter().find(|tenant| tenant.name == text)).cloned();
    meant.ok_or_else(|| Failure::other(format!("there is no tenant {}", printable(text))))
}
