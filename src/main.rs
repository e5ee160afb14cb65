//! The `rollcall` command.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs before `main`, and before the standard library puts the null device in the place of a closed standard output: a
/// command whose output is lost must not seem to succeed (docs/decisions/0094-output-that-is-lost.md).
// SAFETY: the section is a list of functions without arguments that are called once, on the main thread. This one makes
// a single system call and stores a flag.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = note_closed;

#[cfg(target_os = "linux")]
extern "C" fn note_closed() {
    rollcall::cli::note_closed();
}

fn main() -> ExitCode {
    rollcall::cli::run()
}
