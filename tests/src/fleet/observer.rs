//! A reader of `/observe-containers`, by another WebSocket than the coordinator's.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::Coordinator;

/// How long it waits for anything.
const LIMIT: Duration = Duration::from_secs(60);

/// A reader.
#[derive(Debug)]
pub struct Observer {
    socket: WebSocketStream<TcpStream>,
}

/// A change that a made-up node told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The coordinator's number.
    pub sequence: u64,
    /// Whose.
    pub node_id: String,
    /// The node's own number.
    pub number: u64,
    /// When it was told, in nanoseconds since 1970.
    pub time_nano: i64,
}

impl Observer {
    /// Begins to read; behind a number where one is given.
    ///
    /// # Panics
    /// When it may not.
    pub async fn open(coordinator: &Coordinator, key: &str, after: Option<u64>) -> Self {
        let stream = TcpStream::connect(coordinator.users()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let after = after.map(|after| format!("?after={after}")).unwrap_or_default();
        let url = format!("ws://{}/observe-containers{after}", coordinator.users());
        let mut request = url.into_client_request().unwrap();
        let shown = format!("Bearer {key}").parse().unwrap();
        request.headers_mut().insert("Authorization", shown);
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        Self { socket }
    }

    /// The lists that come first, of so many nodes: how many containers there are in all of them.
    ///
    /// # Panics
    /// When something else comes.
    pub async fn lists(&mut self, nodes: usize) -> usize {
        let mut containers = 0;
        for _ in 0..nodes {
            let list = self.message().await;
            containers += list["containers"].as_array().expect("no list").len();
        }
        containers
    }

    /// The next change that a made-up node told; what else happens to nodes is passed over.
    ///
    /// # Panics
    /// When nothing comes.
    pub async fn next(&mut self) -> Seen {
        loop {
            let message = self.message().await;
            let event = &message["event"];
            let attribute = |name: &str| event["attributes"][name].as_str();
            if let (Some(number), Some(time)) = (attribute("number"), attribute("time_nano")) {
                return Seen {
                    sequence: message["sequence"].as_u64().unwrap(),
                    node_id: message["node_id"].as_str().unwrap().to_owned(),
                    number: number.parse().unwrap(),
                    time_nano: time.parse().unwrap(),
                };
            }
        }
    }

    async fn message(&mut self) -> Value {
        loop {
            let message = timeout(LIMIT, self.socket.next()).await;
            let message = message.expect("nothing comes").expect("it has ended").unwrap();
            match message {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(reason) => panic!("it ends: {reason:?}"),
                _ => {}
            }
        }
    }
}
