//! The built program as a separate process, for tests that kill it, stop it by a signal or read its output.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rollcall::store::Location;
use sqlx::ConnectOptions;
use tempfile::TempDir;

use super::tasks::{TIMEOUT, eventually, eventually_within};
use super::{ADMIN, Api, captured_output};

/// Returns a command that runs the program with an empty environment.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command.env_clear();
    command
}

/// Returns the flags that select a store.
pub fn store_flags(location: &Location) -> [String; 2] {
    match location {
        Location::Folder(folder) => ["--data-dir".to_owned(), folder.display().to_string()],
        Location::Postgres(options) => ["--database-url".to_owned(), options.to_url_lossy().to_string()],
    }
}

/// A service as a process; killed when dropped.
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

    /// Starts a command that runs a service, on a free port, and waits until it is ready.
    pub async fn start_with(command: Command) -> Self {
        let process = Self::start_unprobed(command).await;
        eventually("the service is ready", || process.api.is_ready()).await;
        process
    }

    /// Starts a command that runs a service, on a free port, and waits until it prints its address. It may serve HTTPS,
    /// which [`Process::start_with`] cannot probe.
    pub async fn start_unprobed(command: Command) -> Self {
        Self::start_announced(command, "127.0.0.1:0").await
    }

    /// Starts a command that runs a service at an address with port 0, of which a free one is taken, and waits until it
    /// is ready.
    pub async fn start_listening(command: Command, address: &str) -> Self {
        let mut process = Self::start_announced(command, address).await;
        if process.address.ip().is_unspecified() {
            process.address.set_ip(Ipv4Addr::LOCALHOST.into());
            process.api = Api::at(process.address);
        }
        eventually("the service is ready", || process.api.is_ready()).await;
        process
    }

    async fn start_announced(mut command: Command, listen: &str) -> Self {
        let (mut child, output) = spawn(command.args(["--listen", listen]));
        let mut address = None;
        eventually("the service prints its address", async || {
            let ended = child.try_wait().expect("a process");
            assert!(ended.is_none(), "the service exited: {ended:?} {}", both_streams(output.path()));
            address = address_in(&both_streams(output.path()));
            address.is_some()
        })
        .await;
        let address = address.expect("an address");
        Process { api: Api::at(address), address, child, output }
    }

    /// Starts a command that runs a service, and sends SIGTERM as soon as its port is open, which is before it takes the
    /// store; returns the exit status and the whole output.
    pub async fn terminate_start(mut command: Command) -> (ExitStatus, String) {
        let free = free_address();
        let (child, output) = spawn(command.args(["--listen", &free.to_string()]));
        let process = Process { api: Api::at(free), address: free, child, output };
        eventually("the port is open", async || TcpStream::connect(free).is_ok()).await;
        process.terminate_within(Duration::from_secs(5)).await
    }

    /// Starts a command that runs a service with this standard output, on a port that was free.
    pub async fn start_into(mut command: Command, stdout: Stdio) -> Self {
        let free = free_address();
        let output = redirected(command.args(["--listen", &free.to_string()]));
        let child = command.stdout(stdout).spawn().expect("the program starts");
        Process { api: Api::at(free), address: free, child, output }
    }

    /// Starts a service and kills it after a delay, wherever it is in its start.
    pub async fn start_and_kill(location: &Location, after: Duration) {
        let mut command = program();
        command.arg("serve").args(store_flags(location)).args(["--listen", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        tokio::time::sleep(after).await;
        child.kill().expect("the child can be killed");
        child.wait().expect("the child can be waited for");
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the output so far: standard output, then standard error.
    pub fn output(&self) -> String {
        both_streams(self.output.path())
    }

    /// Returns whether the process is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a process").is_none()
    }

    /// Kills the process with SIGKILL and waits for its end.
    pub fn kill(&mut self) {
        self.child.kill().expect("the child can be killed");
        self.child.wait().expect("the child can be waited for");
    }

    /// Sends a signal, such as `-TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.id().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "the signal is sent");
    }

    /// Sends SIGTERM and waits for the end; returns the exit status and the whole output.
    pub async fn terminate(self) -> (ExitStatus, String) {
        self.terminate_within(TIMEOUT).await
    }

    /// Sends SIGTERM like [`Process::terminate`], and waits up to `timeout` for the end.
    pub async fn terminate_within(mut self, timeout: Duration) -> (ExitStatus, String) {
        self.signal("-TERM");
        let mut status = None;
        eventually_within(timeout, "the service exits", async || {
            status = self.child.try_wait().expect("a process");
            status.is_some()
        })
        .await;
        (status.expect("a status"), self.output())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process has already exited.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
        captured_output::record(&read(self.output.path(), "stderr"));
    }
}

/// Returns an address with a port that is free now.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// Starts a command; returns it with the folder that its output is written to.
fn spawn(command: &mut Command) -> (Child, TempDir) {
    let output = redirected(command);
    (command.spawn().expect("the program starts"), output)
}

/// Redirects a command's output to files of a folder, which is returned.
fn redirected(command: &mut Command) -> TempDir {
    let output = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str| Stdio::from(File::create(output.path().join(name)).expect("a file"));
    command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
    output
}

fn both_streams(folder: &Path) -> String {
    ["stdout", "stderr"].map(|name| read(folder, name)).concat()
}

fn read(folder: &Path, name: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(folder.join(name)).expect("a file")).into_owned()
}

/// Returns the address in the first line of the banner, or in the line of the log that takes its place, once that line is
/// complete.
fn address_in(output: &str) -> Option<SocketAddr> {
    let (lines, _) = output.rsplit_once('\n')?;
    let line = lines.lines().find(|line| line.starts_with("rollcall ") || line.contains("\"message\":\"serving\""))?;
    line.split_once("://")?.1.split(['"', '\n']).next()?.trim().parse().ok()
}
