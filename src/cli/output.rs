//! The standard output of every command. `println!` and `eprintln!`, which panic where nothing can be written, are
//! rejected by clippy in the whole library.

use std::io::{self, ErrorKind, Write};
use std::sync::mpsc;
use std::time::Duration;

use super::Failure;

/// Longest wait for standard output to be read, where the command does more than print.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(1);

/// Prints a text. A reader that has closed its end, as `head` does, wanted no more: the rest is dropped, and the command
/// goes on to its own exit status. Any other error, such as a full disk, is a [`Failure`] with status 1.
pub fn print(text: &str) -> Result<(), Failure> {
    accepted(write(text))
}

/// Prints a text, and fails unless all of it was written: for what is shown only once.
pub fn print_once(text: &str) -> Result<(), Failure> {
    write(text).map_err(failure)
}

/// Turns the result of writing to standard output into that of a command, as [`print`] does.
pub fn accepted(written: io::Result<()>) -> Result<(), Failure> {
    // An error would be lost at the end of the process.
    match written.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(failure(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints a text beside a running service, and returns after at most a second if it is not read. Where it cannot be
/// written, the service goes on: the error is logged, unless the reader has closed its end.
pub fn announce(text: String) {
    let (done, printed) = mpsc::channel();
    let printing = std::thread::Builder::new().name(String::from("print")).spawn(move || {
        let _waited = done.send(write(&text));
    });
    // Without an answer in time the thread waits for the reader, and the text is printed when that reads.
    if printing.is_ok()
        && let Ok(Err(error)) = printed.recv_timeout(ANNOUNCE_TIMEOUT)
        && error.kind() != ErrorKind::BrokenPipe
    {
        tracing::warn!(%error, "standard output cannot be written");
    }
}

/// Prints the message of a failed command to standard error. Where that cannot be written, only the exit status is
/// left.
pub fn complain(message: &str) {
    let _lost = writeln!(io::stderr(), "rollcall: {message}");
}

/// Writes a text and flushes it.
fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

fn failure(error: io::Error) -> Failure {
    Failure::other(format!("standard output cannot be written: {error}"))
}
