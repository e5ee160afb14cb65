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
    unless_unread(write(text))
}

/// Prints a text, and fails unless all of it was written: for what is shown only once.
pub fn print_once(text: &str) -> Result<(), Failure> {
    write(text).map_err(failure)
}

/// Fails if it is known already that nothing can be written, or that nothing reads it: a closed standard output, a reader
/// that is gone, a full device, and the null device. Called before a command makes what is shown only once.
pub fn require_reader() -> Result<(), Failure> {
    probe().and_then(|()| refuse_unread()).map_err(failure)
}

/// Turns the result of writing to standard output into that of a command, as [`print`] does.
pub fn accepted(written: io::Result<()>) -> Result<(), Failure> {
    // The standard library reports success where standard output is closed, or open for reading only. An error of the
    // flush would be lost at the end of the process.
    unless_unread(probe().and(written).and_then(|()| io::stdout().flush()))
}

fn unless_unread(written: io::Result<()>) -> Result<(), Failure> {
    match written {
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

/// Writes a text at once.
fn write(text: &str) -> io::Result<()> {
    probe()?;
    stdout()?.write_all(text.as_bytes())
}

/// Fails if standard output was closed, or takes no bytes at all: one that is open for reading only, or a full device.
fn probe() -> io::Result<()> {
    stdout()?.write(&[]).map(drop)
}

/// Returns standard output without the standard library's own handle, which takes a descriptor that cannot be written for
/// one that is not there, and reports success.
#[cfg(unix)]
fn stdout() -> io::Result<std::fs::File> {
    use std::os::fd::AsFd;
    io::stdout().as_fd().try_clone_to_owned().map(std::fs::File::from)
}

#[cfg(not(unix))]
fn stdout() -> io::Result<impl Write> {
    // Flushed at each line's end, and each text here ends with one.
    Ok(io::stdout())
}

/// Fails if standard output is the null device, or a pipe whose reader has closed its end.
#[cfg(unix)]
fn refuse_unread() -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let stdout = stdout()?;
    let null = std::fs::metadata("/dev/null").map(|null| null.rdev());
    let about = stdout.metadata()?;
    // Other files have the number 0 here.
    if about.rdev() != 0 && null.is_ok_and(|null| null == about.rdev()) {
        return Err(io::Error::other("it is the null device"));
    }
    let mut watched = [rustix::event::PollFd::new(&stdout, rustix::event::PollFlags::OUT)];
    rustix::event::poll(&mut watched, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    if watched[0].revents().intersects(rustix::event::PollFlags::ERR) {
        return Err(ErrorKind::BrokenPipe.into());
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_unread() -> io::Result<()> {
    Ok(())
}

fn failure(error: io::Error) -> Failure {
    Failure::other(format!("standard output cannot be written: {error}"))
}
