//! Measures memory: bytes per user of each part of a state, and of the whole process.
//!
//! Each size is measured in a process of its own, so that earlier allocations do not count.

mod population;

use std::error::Error;
use std::process::Command;
use std::time::Duration;

use mimalloc::MiMalloc;
use rollcall::domain::TenantId;
use rollcall::live::State;
use uuid::Uuid;

use population::{Journal, sizes, tenant, users_only};

/// The allocator of the service.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The argument with which a process measures one size.
const ONE_SIZE: &str = "--users=";

/// The argument with which a process measures one population.
const POPULATION: &str = "--population=";

/// Rows in a slice of a checkpoint.
const SLICE_ROWS: usize = 1_000;

/// The populations: the name, and what it is.
const POPULATIONS: [(&str, &str); 3] = [
    ("directory", "in the directory only: none was ever at a desk"),
    ("working", "at work: seven in ten at their desks, some with conversations"),
    ("loaded", "the same, loaded from a checkpoint"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let value_of = |name: &str| std::env::args().find_map(|arg| arg.strip_prefix(name).map(str::to_owned));
    if let Some(users) = value_of(ONE_SIZE) {
        return measure(users.parse()?, &value_of(POPULATION).ok_or("no population")?);
    }
    for (population, description) in POPULATIONS {
        println!("\nUsers {description}; bytes a user, without what the allocator adds to an allocation:\n");
        println!(
            "|     users | profiles | lookups | people | details | since | index | members | claims |  sum | resident |"
        );
        println!("| {:-^8}: |{}", "-", " ---: |".repeat(10));
        for users in sizes() {
            let mut command = Command::new(std::env::current_exe()?);
            let status = command.args([format!("{ONE_SIZE}{users}"), format!("{POPULATION}{population}")]).status()?;
            assert!(status.success(), "{users} users could not be measured");
        }
    }
    Ok(())
}

fn measure(users: u32, population: &str) -> Result<(), Box<dyn Error>> {
    let before = resident_kib()?;
    let mut journal = match population {
        "directory" => users_only(users),
        _ => tenant(users),
    };
    write_down(&mut journal.state);
    if population == "loaded" {
        reload(&mut journal)?;
    }
    let view = journal.state.publish();
    // The allocator returns freed pages a little later.
    std::thread::sleep(Duration::from_millis(200));
    let grown = resident_kib()?.saturating_sub(before);
    let memory = journal.state.memory();
    let parts = [
        memory.profiles,
        memory.lookups,
        memory.people,
        memory.details,
        memory.since,
        memory.index,
        memory.members,
        memory.claims,
    ];
    let each = |bytes: usize| bytes as f64 / f64::from(users);
    let columns = parts.iter().map(|bytes| format!(" {:.1} |", each(*bytes))).collect::<String>();
    println!("| {users:9} |{columns} {:.0} | {:.0} |", each(parts.iter().sum()), each(grown * 1_024));
    drop(view);
    Ok(())
}

/// Takes a checkpoint in slices, as the service does: afterwards the keys of changed rows are not held.
fn write_down(state: &mut State) {
    let mut export = state.begin_checkpoint().export();
    while !export.is_done() {
        let mut slice = export.slice();
        for _ in 0..SLICE_ROWS {
            export.add_to(&mut slice);
        }
    }
}

/// Replaces the state with the one that its rows describe.
fn reload(journal: &mut Journal) -> Result<(), Box<dyn Error>> {
    let tenant = TenantId(Uuid::nil());
    let (position, rows) = (journal.state.position(), journal.state.rows());
    journal.state = State::new(tenant);
    journal.state = State::load(tenant, position, rows)?;
    Ok(())
}

/// Returns the resident memory of this process (VmRSS), in KiB.
fn resident_kib() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in /proc/self/status")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
