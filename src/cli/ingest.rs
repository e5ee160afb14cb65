//! `rollcall ingest`: posts a file of events to a running service, in order, repeating each batch until it is durable.

mod batches;
mod post;
mod summary;

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Url;

use super::{Failure, output};
use crate::clock::Clock;
use batches::Batches;
use post::Poster;
use summary::Summary;

/// The arguments of `ingest`.
#[derive(Args, Debug)]
pub struct IngestArgs {
    /// File with one JSON event per line, posted in this order; - reads standard input.
    file: PathBuf,

    /// Base URL of the service.
    #[arg(long, env = "ROLLCALL_URL", default_value = "http://127.0.0.1:8080", value_name = "URL", value_parser = url)]
    url: Url,

    /// Key of the tenant, with the scope events:write.
    #[arg(long, env = "ROLLCALL_KEY", value_name = "KEY", hide_env_values = true)]
    key: String,

    /// Events per request, fewer if a request would exceed 8 MiB.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=10_000), value_name = "N")]
    batch: u16,
}

fn url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{error}"))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(String::from("must begin with http:// or https://"))
    }
}

/// Posts the file and prints the outcomes. Fails if any event was rejected.
pub async fn run(args: IngestArgs) -> Result<(), Failure> {
    let clock = Clock::system();
    let (mut batches, size) = Batches::open(&args.file, args.batch.into())
        .map_err(|error| Failure::setting(format!("{} cannot be read: {error}", args.file.display())))?;
    let poster = Poster::new(&args.url, &args.key, clock.clone())?;
    let bar = bar(size);
    let mut summary = Summary::default();
    let began = clock.monotonic();
    let ended = post_all(&mut batches, &poster, &bar, &mut summary).await;
    bar.finish_and_clear();
    if ended.is_ok() || summary.events() > 0 {
        output::print(&format!("{}\n", summary.text(clock.monotonic() - began)))?;
    }
    ended?;
    match summary.rejected() {
        0 => Ok(()),
        1 => Err(Failure::other("1 event was rejected")),
        n => Err(Failure::other(format!("{n} events were rejected"))),
    }
}

async fn post_all(
    batches: &mut Batches,
    poster: &Poster,
    bar: &ProgressBar,
    summary: &mut Summary,
) -> Result<(), Failure> {
    while let Some(batch) = batches.next()? {
        let answer = poster.post(&batch, |why| bar.set_message(format!("waiting: {why}"))).await?;
        summary.add(&batch, &answer);
        bar.set_message(format!("{} events", summary.events()));
        bar.set_position(batches.bytes_read());
    }
    Ok(())
}

/// Returns a progress bar, or a spinner if the size is unknown. It draws nothing unless standard error is a terminal.
fn bar(size: Option<u64>) -> ProgressBar {
    let (bar, template) = match size {
        Some(size) => (ProgressBar::new(size), "{bar:32} {percent:>3} %  {bytes_per_sec}  {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}  {bytes_per_sec}  {msg}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
