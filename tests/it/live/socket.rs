//! A client of GraphQL over WebSocket: the messages of graphql-transport-ws.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::sockets::request;
use crate::support::{Api, captured_output};

/// The timeout of every wait for a message; longer than the service may take.
const RECV_TIMEOUT: Duration = Duration::from_secs(20);
/// Name of the protocol.
const PROTOCOL: &str = "graphql-transport-ws";

/// A socket for GraphQL.
pub struct Graphql {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The protocol that the service chose.
    pub chosen: Option<String>,
}

impl Graphql {
    /// Connects with these headers.
    pub async fn open(api: &Api, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        match connect_async(request(api, "/graphql", headers)).await {
            Ok((socket, answer)) => {
                let chosen = answer.headers().get("sec-websocket-protocol");
                let chosen = chosen.map(|value| value.to_str().expect("text").to_owned());
                Ok(Graphql { socket, chosen })
            }
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Connects, and sends nothing yet.
    pub async fn connect(api: &Api) -> Self {
        Graphql::open(api, &[("Sec-WebSocket-Protocol", PROTOCOL)]).await.expect("a WebSocket")
    }

    /// Connects with a key. Panics unless the key is accepted.
    pub async fn with_key(api: &Api, key: &str) -> Self {
        let mut socket = Graphql::connect(api).await;
        socket.init(json!({ "authorization": format!("Bearer {key}") })).await;
        assert_eq!(socket.recv().await, json!({ "type": "connection_ack" }));
        socket
    }

    /// Sends the first message.
    pub async fn init(&mut self, payload: Value) {
        self.send(&json!({ "type": "connection_init", "payload": payload })).await;
    }

    /// Starts an operation.
    pub async fn subscribe(&mut self, id: &str, query: &str) {
        self.subscribe_with(id, json!({ "query": query })).await;
    }

    /// Starts an operation with a whole request.
    pub async fn subscribe_with(&mut self, id: &str, request: Value) {
        self.send(&json!({ "type": "subscribe", "id": id, "payload": request })).await;
    }

    /// Sends a message.
    pub async fn send(&mut self, message: &Value) {
        self.send_frame(Message::text(message.to_string())).await;
    }

    /// Sends a frame. The service may have closed the connection already.
    pub async fn send_frame(&mut self, frame: Message) {
        let _sent = self.socket.send(frame).await;
    }

    /// Returns the next message that is no ping, and answers pings. Panics if the connection is closed instead.
    pub async fn recv(&mut self) -> Value {
        loop {
            let message = self.recv_any().await;
            if message["type"] != "ping" {
                return message;
            }
            self.send(&json!({ "type": "pong" })).await;
        }
    }

    /// Returns the next message, also a ping, without an answer to it.
    pub async fn recv_any(&mut self) -> Value {
        loop {
            match self.frame().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).expect("JSON"),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no message but {other:?}"),
            }
        }
    }

    /// Returns the next message that is no ping; `None` if the connection is closed instead.
    pub async fn recv_unless_closed(&mut self) -> Option<Value> {
        loop {
            match self.frame().await? {
                Ok(Message::Text(text)) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    if message["type"] != "ping" {
                        return Some(message);
                    }
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                _ => return None,
            }
        }
    }

    /// Returns the next message that is no ping, or the code with which the connection is closed instead.
    pub async fn recv_unless_closed_with(&mut self) -> Result<Value, Option<u16>> {
        loop {
            match self.frame().await {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    if message["type"] != "ping" {
                        return Ok(message);
                    }
                }
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return Err(None),
            }
        }
    }

    /// Returns the payload of the next message, which must be an answer to this operation.
    pub async fn next(&mut self, id: &str) -> Value {
        let mut message = self.recv().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!(id)), "{message}");
        message["payload"].take()
    }

    /// Returns the errors in the next message, which must end this operation.
    pub async fn error(&mut self, id: &str) -> Value {
        let mut message = self.recv().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)), "{message}");
        message["payload"].take()
    }

    /// Returns the code that the service closes the connection with, skipping messages; `None` if it ends without one.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.frame().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return None,
            }
        }
    }

    async fn frame(&mut self) -> Option<Result<Message, Error>> {
        let received = tokio::time::timeout(RECV_TIMEOUT, self.socket.next()).await.expect("a frame in time");
        captured_output::record(&format!("{received:?}"));
        received
    }
}
