//! A desk as a browser has it: a WebSocket that talks JSON.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::tasks::spawn;
use super::{Api, told};

/// Longer than anything a desk waits for takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connected desk.
pub struct Desk {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What a desk that nobody looks after heard until its end, and the code it was closed with.
pub type Heard = (Vec<Value>, Option<u16>);

impl Desk {
    /// Connects with these headers; the status and the body of the answer if it is refused.
    pub async fn open(api: &Api, path: &str, headers: &[(&'static str, &str)]) -> Result<Self, (u16, Value)> {
        let url = api.url(path).replacen("http", "ws", 1);
        let mut request = url.into_client_request().expect("a request");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a value"));
        }
        match connect_async(request).await {
            Ok((socket, answer)) => {
                let spoken = answer.headers().get("sec-websocket-protocol").map(|value| value.to_str().expect("text"));
                assert!(spoken.is_none_or(|spoken| spoken == "rollcall.desk.v1"), "{spoken:?}");
                Ok(Desk { socket })
            }
            Err(Error::Http(answer)) => {
                told::keep(&format!(
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

    /// Connects with a key and says who it is; must be let in.
    pub async fn greeted(api: &Api, key: &str, user: i64, session: &str) -> Self {
        let mut desk = Desk::with_key(api, key).await;
        let welcome = desk.hello(user, session).await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        desk
    }

    /// Says who it is; answers what it hears.
    pub async fn hello(&mut self, user: i64, session: &str) -> Value {
        self.ask(json!({ "type": "hello", "user": user.to_string(), "session": session })).await
    }

    /// Says something, and answers what it hears next.
    pub async fn ask(&mut self, message: Value) -> Value {
        self.say(&message.to_string()).await;
        self.hear().await
    }

    /// Reports an event, and answers what it hears next.
    pub async fn event(&mut self, id: &str, kind: &str, data: Value) -> Value {
        self.ask(json!({ "type": "event", "id": id, "event": { "type": kind, "data": data } })).await
    }

    /// Says it is there, and answers what it hears next.
    pub async fn heartbeat(&mut self) -> Value {
        self.ask(json!({ "type": "heartbeat" })).await
    }

    /// Says a text.
    pub async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: Message) {
        self.socket.send(frame).await.expect("it is sent");
    }

    /// The next message.
    pub async fn hear(&mut self) -> Value {
        loop {
            match self.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).expect("JSON"),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no message but {other:?}"),
            }
        }
    }

    /// The next message; nothing if the connection is closed instead.
    pub async fn closed_or_heard(&mut self) -> Option<Value> {
        loop {
            match self.next().await? {
                Ok(Message::Text(text)) => return serde_json::from_str(&text).ok(),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                _ => return None,
            }
        }
    }

    /// The code it is closed with; nothing if the connection ends without one. Messages before that are passed over.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return None,
            }
        }
    }

    /// Closes with a code, and waits until the other end has.
    pub async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        self.socket.close(Some(frame)).await.expect("it closes");
        while let Some(Ok(_)) = self.next().await {}
    }

    /// Goes on beside the test, as a browser whose page does nothing: it only answers pings.
    pub fn left_alone(mut self) -> JoinHandle<Heard> {
        spawn(async move {
            let mut heard = Vec::new();
            while let Some(Ok(frame)) = self.socket.next().await {
                match frame {
                    Message::Text(text) => heard.push(serde_json::from_str(&text).expect("JSON")),
                    Message::Close(frame) => return (heard, frame.map(|frame| frame.code.into())),
                    _ => {}
                }
            }
            (heard, None)
        })
    }

    async fn next(&mut self) -> Option<Result<Message, Error>> {
        let heard = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("something in time");
        told::keep(&format!("{heard:?}"));
        heard
    }
}
