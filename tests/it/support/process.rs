//! The built program as a process of its own: it can be killed, and what it says can be read.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rollcall::store::Location;
use sqlx::ConnectOptions;
use tempfile::TempDir;

use super::tasks::{PATIENCE, eventually, eventually_within};
use super::{ADMIN, Api, told};

/// The program, without any of our environment.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command.env_clear();
    command
}

/// The flags that name a store.
pub fn store_flags(location: &Location) -> [String; 2] {
    match location {
        Location::Folder(folder) => ["--data-dir".to_owned(), folder.display().to_string()],
        Location::Postgres(options) => ["--database-url".to_owned(), options.to_url_lossy().to_string()],
    }
}

/// A service in a process of its own; killed when dropped.
pub struct Process {
    pub api: Api,
    pub address: SocketAddr,
    child: Child,
    output: TempDir,
}

impl Process {
    /// Starts a service on a free port, and waits until it is ready.
    pub async fn start(location: &Location, flags: &[&str]) -> Self {
        let mut command = program();
        command.arg("serve").args(store_flags(location)).args(["--admin-token", ADMIN]).args(flags);
        Self::start_with(command).await
    }

    /// Starts a service as the command has it, on a free port, and waits until it is ready.
    pub async fn start_with(command: Command) -> Self {
        let process = Self::start_secured(command).await;
        eventually("the service is ready", || process.api.is_ready()).await;
        process
    }

    /// Starts a service that may have a certificate, and waits until it says where it is.
    pub async fn start_secured(mut command: Command) -> Self {
        let output = tempfile::tempdir().expect("a temporary folder");
        let file = |name: &str| Stdio::from(File::create(output.path().join(name)).expect("a file"));
        command.args(["--listen", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        let mut child = command.spawn().expect("the program starts");
        let mut address = None;
        eventually("the service says where it listens", async || {
            let ended = child.try_wait().expect("a process");
            assert!(ended.is_none(), "it ended: {ended:?} {}", said(output.path()));
            address = address_in(&said(output.path()));
            address.is_some()
        })
        .await;
        let address = address.expect("an address");
        Process { api: Api::at(address), address, child, output }
    }

    /// Starts a service and kills it before it may have got anywhere.
    pub async fn stumble(location: &Location, after: Duration) {
        let mut command = program();
        command.arg("serve").args(store_flags(location)).args(["--listen", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        tokio::time::sleep(after).await;
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far, to either stream.
    pub fn said(&self) -> String {
        said(self.output.path())
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a process").is_none()
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it ends");
    }

    /// Asks it to end, as an operator does; answers how it ended and all that it wrote.
    pub async fn terminate(self) -> (ExitStatus, String) {
        self.terminate_within(PATIENCE).await
    }

    /// The same where it may take longer.
    pub async fn terminate_within(mut self, patience: Duration) -> (ExitStatus, String) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(sent.success(), "the signal is sent");
        let mut status = None;
        eventually_within(patience, "the service ends", async || {
            status = self.child.try_wait().expect("a process");
            status.is_some()
        })
        .await;
        (status.expect("a status"), self.said())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
        told::keep(&read(self.output.path(), "stderr"));
    }
}

fn said(folder: &Path) -> String {
    ["stdout", "stderr"].map(|name| read(folder, name)).concat()
}

fn read(folder: &Path, name: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(folder.join(name)).expect("a file")).into_owned()
}

/// The address in the first line of the banner, once it is there as a whole.
fn address_in(said: &str) -> Option<SocketAddr> {
    let (line, _) = said.split_once('\n')?;
    line.rsplit_once("://")?.1.trim().parse().ok()
}
