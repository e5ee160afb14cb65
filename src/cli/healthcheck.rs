//! `rollcall healthcheck`: checks that a service is ready, for container images without another HTTP client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Failure;
use crate::config::address;
use crate::http::health::OWN_CHECK;

/// The arguments of `healthcheck`.
#[derive(Args, Debug)]
pub struct HealthcheckArgs {
    /// Address and port that the service listens on.
    #[arg(long, env = "ROLLCALL_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS", value_parser = address)]
    listen: SocketAddr,

    /// Certificate of the service; if set, the check uses HTTPS. The file is not read.
    #[arg(long, env = "ROLLCALL_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
}

/// Requests `/readyz`, and fails with the reason if the service is not ready.
pub async fn run(args: HealthcheckArgs) -> Result<(), Failure> {
    let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}/readyz", reachable(args.listen));
    // The certificate is issued for the service's name, and this connects by address. The request contains no secret.
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .timeout(Duration::from_secs(3))
        .user_agent(OWN_CHECK);
    let client = client.build().map_err(Failure::other)?;
    let response = client.get(&url).send().await.map_err(|error| Failure::other(format!("{url}: {error}")))?;
    let status = response.status();
    let text = response.text().await.map_err(Failure::other)?;
    if status.is_success() { Ok(()) } else { Err(Failure::other(text.trim())) }
}

/// Returns the address at which a listening address can be reached: loopback for an unspecified one, such as 0.0.0.0.
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
