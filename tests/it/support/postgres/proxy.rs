//! A way to a server that can be frozen, cut and restored: what becomes of networks.

use std::net::SocketAddr;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::tasks::spawn;

/// How the way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Everything passes.
    Open,
    /// Nothing passes, and nobody is told.
    Frozen,
    /// What is asked passes; what is answered does not.
    Deaf,
    /// Every connection is closed, and so is each new one.
    Cut,
}

/// A proxy before a PostgreSQL server; gone when dropped.
pub struct Proxy {
    way: watch::Sender<Way>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy before the server that `options` name, and how to connect through it.
    pub async fn before(options: &PgConnectOptions) -> (Self, PgConnectOptions) {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = (options.get_host().to_owned(), options.get_port());
        let way = watch::Sender::new(Way::Open);
        let accepting = spawn(accept(listener, server, way.clone()));
        (Proxy { way, accepting }, options.clone().host("127.0.0.1").port(port))
    }

    /// Changes the way, for connections that are there and those to come.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Way::Cut);
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: (String, u16), way: watch::Sender<Way>) {
    while let Ok((client, _)) = listener.accept().await {
        if *way.borrow() == Way::Cut {
            continue;
        }
        let (server, way) = (server.clone(), way.clone());
        drop(spawn(async move {
            let server = TcpStream::connect(server).await.expect("the server behind the proxy");
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let asked = pump(from_client, to_server, &way, |way| matches!(way, Way::Open | Way::Deaf));
            let answered = pump(from_server, to_client, &way, |way| way == Way::Open);
            // Either end closes both.
            tokio::select! {
                () = asked => {}
                () = answered => {}
                () = cut(&way) => {}
            }
        }));
    }
}

/// Passes on what comes, when the way allows.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: &watch::Sender<Way>, passes: fn(Way) -> bool) {
    let mut ways = way.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let open = ways.wait_for(|way| passes(*way)).await.is_ok();
        if !open || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn cut(way: &watch::Sender<Way>) {
    let mut ways = way.subscribe();
    // It cannot fail: whoever could close it is held by the caller.
    let _cut = ways.wait_for(|way| *way == Way::Cut).await;
}
