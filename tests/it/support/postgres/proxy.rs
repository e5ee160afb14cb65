//! A TCP proxy in front of PostgreSQL whose link can be frozen, cut and restored.

use std::net::SocketAddr;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::tasks::spawn;

/// The state of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Passes everything.
    Open,
    /// Passes nothing; connections stay open.
    Frozen,
    /// Passes requests to the server, but not its responses.
    RequestsOnly,
    /// Closes every connection, and each new one.
    Cut,
}

/// A proxy in front of a PostgreSQL server; closed when dropped.
pub struct Proxy {
    link: watch::Sender<Link>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of the server that `options` name; returns the options for connecting through it.
    pub async fn start(options: &PgConnectOptions) -> (Self, PgConnectOptions) {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = (options.get_host().to_owned(), options.get_port());
        let link = watch::Sender::new(Link::Open);
        let accepting = spawn(accept(listener, server, link.clone()));
        (Proxy { link, accepting }, options.clone().host("127.0.0.1").port(port))
    }

    /// Changes the link of existing and future connections.
    pub fn set(&self, link: Link) {
        self.link.send_replace(link);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Link::Cut);
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: (String, u16), link: watch::Sender<Link>) {
    while let Ok((client, _)) = listener.accept().await {
        if *link.borrow() == Link::Cut {
            continue;
        }
        let (server, link) = (server.clone(), link.clone());
        drop(spawn(async move {
            let server = TcpStream::connect(server).await.expect("the server behind the proxy");
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let requests = pump(from_client, to_server, &link, |link| matches!(link, Link::Open | Link::RequestsOnly));
            let responses = pump(from_server, to_client, &link, |link| link == Link::Open);
            // The end of either direction closes both.
            tokio::select! {
                () = requests => {}
                () = responses => {}
                () = cut(&link) => {}
            }
        }));
    }
}

/// Copies bytes in one direction. Holds them back while the link does not pass that direction.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, link: &watch::Sender<Link>, passes: fn(Link) -> bool) {
    let mut changes = link.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let open = changes.wait_for(|link| passes(*link)).await.is_ok();
        if !open || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn cut(link: &watch::Sender<Link>) {
    let mut changes = link.subscribe();
    // This cannot fail: the caller holds the sender.
    let _cut = changes.wait_for(|link| *link == Link::Cut).await;
}
