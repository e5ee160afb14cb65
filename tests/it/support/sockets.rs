//! A client of the desk protocol: JSON messages over a WebSocket (docs/desk.md).

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

use super::tasks::spawn;
use super::{Api, captured_output};

/// The timeout of every wait for a message; longer than the service may take.
const RECV_TIMEOUT: Duration = Duration::from_secs(20);
/// A send that takes longer is blocked by full buffers.
const STALL_TIMEOUT: Duration = Duration::from_secs(1);

/// A connected desk.
pub struct Desk {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// All messages received until the connection ended, and the close code.
pub type Received = (Vec<Value>, Option<u16>);

impl Desk {
    /// Connects with these headers; returns the status and body of the response if the handshake is rejected.
    pub async fn open(api: &Api, path: &str, headers: &[(&'static str, &str)]) -> Result<Self, (u16, Value)> {
        let request = request(api, path, headers);
        match connect_async(request).await {
            Ok((socket, answer)) => {
                let chosen = answer.headers().get("sec-websocket-protocol").map(|value| value.to_str().expect("text"));
                assert!(chosen.is_none_or(|chosen| chosen == "rollcall.desk.v1"), "{chosen:?}");
                Ok(Desk { socket })
            }
            Err(Error::Http(answer)) => {
                captured_output::record(&format!(
                    "{:?} {:?}",
                    answer.headers(),
                    answer.body().as_deref().map(String::from_utf8_lossy)
                ));
                let body = answer.body().as_deref().map_or(Value::Null, |body| {
                    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into())
                });
                Err((answer.status().as_u16(), body))
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Connects with a key.
    pub async fn with_key(api: &Api, key: &str) -> Self {
        Desk::open(api, "/v1/desk", &[("Authorization", &format!("Bearer {key}"))]).await.expect("a WebSocket")
    }

    /// Connects with a key and with small socket buffers, so that a reader that stops blocks the sender soon.
    pub async fn with_small_buffers(api: &Api, key: &str) -> Self {
        let request = request(api, "/v1/desk", &[("Authorization", &format!("Bearer {key}"))]);
        let address = request.uri().authority().expect("an address").as_str().parse().expect("an address");
        let socket = TcpSocket::new_v4().expect("a socket");
        // With larger buffers a send could also block while the service is merely busy with what is in them.
        socket.set_send_buffer_size(4096).expect("a size");
        socket.set_recv_buffer_size(4096).expect("a size");
        let stream = MaybeTlsStream::Plain(socket.connect(address).await.expect("a connection"));
        Desk { socket: client_async(request, stream).await.expect("a WebSocket").0 }
    }

    /// Sends a text repeatedly without reading, until a send blocks.
    pub async fn send_until_blocked(&mut self, text: &str) {
        while let Ok(sent) = tokio::time::timeout(STALL_TIMEOUT, self.socket.send(Message::text(text))).await {
            sent.expect("the frame is sent");
        }
    }

    /// Sends a text repeatedly until the service closes the connection.
    pub async fn send_until_closed(&mut self, text: &str) {
        let sending = async { while self.socket.send(Message::text(text)).await.is_ok() {} };
        tokio::time::timeout(RECV_TIMEOUT, sending).await.expect("the connection is closed in time");
    }

    /// Connects with a key and sends `hello`. Panics unless the answer is `welcome`.
    pub async fn welcomed(api: &Api, key: &str, user: i64, session: &str) -> Self {
        let mut desk = Desk::with_key(api, key).await;
        let welcome = desk.hello(user, session).await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        desk
    }

    /// Sends `hello`; returns the next message.
    pub async fn hello(&mut self, user: i64, session: &str) -> Value {
        self.request(json!({ "type": "hello", "user": user.to_string(), "session": session })).await
    }

    /// Sends a message; returns the next message.
    pub async fn request(&mut self, message: Value) -> Value {
        self.send_text(&message.to_string()).await;
        self.recv().await
    }

    /// Sends an event; returns the next message.
    pub async fn event(&mut self, id: &str, kind: &str, data: Value) -> Value {
        self.request(json!({ "type": "event", "id": id, "event": { "type": kind, "data": data } })).await
    }

    /// Sends a heartbeat; returns the next message.
    pub async fn heartbeat(&mut self) -> Value {
        self.request(json!({ "type": "heartbeat" })).await
    }

    /// Sends a text frame.
    pub async fn send_text(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: Message) {
        self.socket.send(frame).await.expect("the frame is sent");
    }

    /// Sends a frame; returns false if the connection is closed.
    pub async fn try_send(&mut self, frame: Message) -> bool {
        self.socket.send(frame).await.is_ok()
    }

    /// Returns the next message. Panics if the connection is closed instead.
    pub async fn recv(&mut self) -> Value {
        loop {
            match self.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).expect("JSON"),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no message but {other:?}"),
            }
        }
    }

    /// Returns the next message; `None` if the connection is closed instead.
    pub async fn recv_unless_closed(&mut self) -> Option<Value> {
        loop {
            match self.next().await? {
                Ok(Message::Text(text)) => return serde_json::from_str(&text).ok(),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                _ => return None,
            }
        }
    }

    /// Returns the code that the service closes the connection with, skipping messages; `None` if it ends without one.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return None,
            }
        }
    }

    /// Closes the connection with a code, and waits for the service's end.
    pub async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        self.socket.close(Some(frame)).await.expect("the close frame is sent");
        while let Some(Ok(_)) = self.next().await {}
    }

    /// Runs the connection in the background; only pings are answered.
    pub fn run_idle(mut self) -> JoinHandle<Received> {
        spawn(async move {
            let mut received = Vec::new();
            while let Some(Ok(frame)) = self.socket.next().await {
                match frame {
                    Message::Text(text) => received.push(serde_json::from_str(&text).expect("JSON")),
                    Message::Close(frame) => return (received, frame.map(|frame| frame.code.into())),
                    _ => {}
                }
            }
            (received, None)
        })
    }

    async fn next(&mut self) -> Option<Result<Message, Error>> {
        let received = tokio::time::timeout(RECV_TIMEOUT, self.socket.next()).await.expect("a frame in time");
        captured_output::record(&format!("{received:?}"));
        received
    }
}

/// Returns the request of a handshake.
pub fn request(api: &Api, path: &str, headers: &[(&'static str, &str)]) -> Request {
    let url = api.url(path).replacen("http", "ws", 1);
    let mut request = url.into_client_request().expect("a request");
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a value"));
    }
    request
}
