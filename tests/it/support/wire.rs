//! HTTP by hand, for what no client library sends.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::told;

/// A connection to a service.
pub struct Wire(TcpStream);

impl Wire {
    /// Connects.
    pub async fn to(address: SocketAddr) -> Self {
        Wire(TcpStream::connect(address).await.expect("it accepts"))
    }

    /// Sends bytes; what comes back if the other side has closed already is not told here.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _closed = self.0.write_all(bytes.as_ref()).await;
    }

    /// Says that nothing more will be sent.
    pub async fn finish(&mut self) {
        let _closed = self.0.shutdown().await;
    }

    /// Reads until the other side closes; `None` when it does not within the patience.
    pub async fn rest(&mut self, patience: Duration) -> Option<String> {
        let mut bytes = Vec::new();
        // A connection that is reset has ended as well.
        let _ended = tokio::time::timeout(patience, self.0.read_to_end(&mut bytes)).await.ok()?;
        Some(heard(&bytes))
    }

    /// Whether something comes back within the patience; answers its first bytes.
    pub async fn first(&mut self, patience: Duration) -> Option<String> {
        let mut bytes = vec![0; 4096];
        let read = tokio::time::timeout(patience, self.0.read(&mut bytes)).await.ok()?.ok()?;
        Some(heard(&bytes[..read]))
    }
}

fn heard(bytes: &[u8]) -> String {
    let heard = String::from_utf8_lossy(bytes).into_owned();
    told::keep(&heard);
    heard
}

/// The status of an answer.
pub fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}
