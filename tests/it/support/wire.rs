//! Raw HTTP over TCP, for requests that no client library sends.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::captured_output;

/// A TCP connection to a service.
pub struct Wire(TcpStream);

impl Wire {
    /// Connects to an address.
    pub async fn to(address: SocketAddr) -> Self {
        Wire(TcpStream::connect(address).await.expect("the service accepts"))
    }

    /// Connects to an address from an address of this machine.
    pub async fn from(address: IpAddr, to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::new(address, 0)).expect("an address of this machine");
        Wire(socket.connect(to).await.expect("the service accepts"))
    }

    /// Returns true unless the service has closed the connection. Bytes that it sent are left to be read.
    pub async fn is_open(&mut self) -> bool {
        let peeked = tokio::time::timeout(Duration::from_millis(1), self.0.peek(&mut [0])).await;
        !matches!(peeked, Ok(Ok(0) | Err(_)))
    }

    /// Waits for a first byte without reading it; false if none arrives within the timeout.
    pub async fn is_answered(&mut self, timeout: Duration) -> bool {
        matches!(tokio::time::timeout(timeout, self.0.peek(&mut [0])).await, Ok(Ok(1)))
    }

    /// Sends bytes. An error is ignored: the service may have closed the connection already.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _closed = self.0.write_all(bytes.as_ref()).await;
    }

    /// Closes the sending direction.
    pub async fn finish(&mut self) {
        let _closed = self.0.shutdown().await;
    }

    /// Reads until the service closes the connection; `None` if it does not within the timeout.
    pub async fn read_to_end(&mut self, timeout: Duration) -> Option<String> {
        let mut bytes = Vec::new();
        // A reset, which is an error here, ends the connection as well.
        let _ended = tokio::time::timeout(timeout, self.0.read_to_end(&mut bytes)).await.ok()?;
        Some(received(&bytes))
    }

    /// Reads up to 4 KiB; `None` if nothing is received within the timeout.
    pub async fn read_some(&mut self, timeout: Duration) -> Option<String> {
        let mut bytes = vec![0; 4096];
        let read = tokio::time::timeout(timeout, self.0.read(&mut bytes)).await.ok()?.ok()?;
        Some(received(&bytes[..read]))
    }
}

fn received(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    captured_output::record(&text);
    text
}

/// Returns the status of a raw response.
pub fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}
