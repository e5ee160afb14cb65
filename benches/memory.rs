//! Measures memory: bytes per user of the counting index, of the accounts with their lookup maps, and of the whole
//! process.
//!
//! Each size is measured in a process of its own, so that earlier allocations do not count.

mod population;

use std::error::Error;
use std::process::Command;

use mimalloc::MiMalloc;

use population::{sizes, tenant};

/// The allocator of the service.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The argument with which a process measures one size.
const ONE_SIZE: &str = "--users=";

fn main() -> Result<(), Box<dyn Error>> {
    let one_size = std::env::args().find_map(|arg| arg.strip_prefix(ONE_SIZE)?.parse().ok());
    if let Some(users) = one_size {
        return measure(users);
    }
    println!("|     users | index | memberships | together | accounts | resident |  resident in all |");
    println!("| --------: | ----: | ----------: | -------: | -------: | -------: | ---------------: |");
    for users in [10].iter().chain(sizes()) {
        let status = Command::new(std::env::current_exe()?).arg(format!("{ONE_SIZE}{users}")).status()?;
        assert!(status.success(), "{users} users could not be measured");
    }
    println!("\nBytes a user; the last column in KiB, all that the process grew by.");
    Ok(())
}

fn measure(users: u32) -> Result<(), Box<dyn Error>> {
    let before = resident_kib()?;
    let mut journal = tenant(users);
    // As in a running service, the rows to be written are not held.
    journal.state.checkpoint();
    let view = journal.state.publish();
    let grown = resident_kib()?.saturating_sub(before);
    let (index, members) = (view.index().heap_bytes(), view.directory().members().heap_bytes());
    let each = |bytes: usize| bytes as f64 / f64::from(users);
    println!(
        "| {users:9} | {:5.1} | {:11.1} | {:8.1} | {:8.0} | {:8.0} | {grown:12} KiB |",
        each(index),
        each(members),
        each(index + members),
        each(view.directory().users().heap_bytes()),
        each(grown * 1_024),
    );
    Ok(())
}

/// Returns the resident memory of this process (VmRSS), in KiB.
fn resident_kib() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in /proc/self/status")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
