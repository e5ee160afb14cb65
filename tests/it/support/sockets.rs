//! A desk as a browser has it: a WebSocket that talks JSON.

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
use super::{Api, told};

/// Longer than anything a desk waits for takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// So long nothing can be sent when the other side does not read.
const STALL: Duration = Duration::from_secs(1);

/// A connected desk.
pub struct Desk {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What a desk that nobody looks after heard until its end, and the code it was closed with.
pub type Heard = (Vec<Value>, Option<u16>);

impl Desk {
    /// Connects with these headers; the status and the body of the answer if it is refused.
    pub async fn open(api: &Api, path: &str, headers: &[(&'static str, &str)]) -> Result<Self, (u16, Value)> {
        let request = request(api, path, headers);
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

    /// Connects with a key, and with next to no room for what is on its way.
    pub async fn with_little_room(api: &Api, key: &str) -> Self {
        let request = request(api, "/v1/desk", &[("Authorization", &format!("Bearer {key}"))]);
        let address = request.uri().authority().expect("an address").as_str().parse().expect("an address");
        let socket = TcpSocket::new_v4().expect("a socket");
        // With more room to send, it would stall whenever the other side is busy for a while.
        socket.set_send_buffer_size(4096).expect("a size");
        socket.set_recv_buffer_size(4096).expect("a size");
        let stream = MaybeTlsStream::Plain(socket.connect(address).await.expect("a connection"));
        Desk { socket: client_async(request, stream).await.expect("a WebSocket").0 }
    }

    /// Says something over and over without reading what comes back, until nothing more can be said.
    pub async fn talk_without_reading(&mut self, text: &str) {
        while let Ok(said) = tokio::time::timeout(STALL, self.socket.send(Message::text(text))).await {
            said.expect("it is sent");
        }
    }

    /// Goes on saying it until the other side has cut the connection.
    pub async fn talk_until_cut(&mut self, text: &str) {
        let talking = async { while self.socket.send(Message::text(text)).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, talking).await.expect("an end in time");
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

    /// Sends a frame; whether the connection still took it.
    pub async fn try_send(&mut self, frame: Message) -> bool {
        self.socket.send(frame).await.is_ok()
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

fn request(api: &Api, path: &str, headers: &[(&'static str, &str)]) -> Request {
    let url = api.url(path).replacen("http", "ws", 1);
    let mut request = url.into_client_request().expect("a request");
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a value"));
    }
    request
}
