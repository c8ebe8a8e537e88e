//! The plugin's control endpoints. Plain HTTP/1.0 on loopback: no client, no proxy, no TLS to set up.
use super::{Error, Pace};
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[derive(serde::Deserialize)]
pub(super) struct Health {
    pub pid: u32,
    pace: String,
}

impl Health {
    pub fn pace(&self) -> Pace {
        Pace::named(&self.pace).unwrap_or(Pace::Instant)
    }
}

pub(super) async fn health(port: u16) -> Result<Health, Error> {
    let body = ask(port, "GET", "health").await?;
    serde_json::from_str(&body).map_err(|e| Error::Silent { port, source: io::Error::other(e) })
}

pub(super) async fn set_pace(port: u16, pace: Pace) -> Result<(), Error> {
    ask(port, "POST", &format!("pace?pace={}", pace.word())).await.map(drop)
}

pub(super) async fn reset(port: u16) -> Result<(), Error> {
    ask(port, "POST", "reset").await.map(drop)
}

async fn ask(port: u16, method: &str, what: &str) -> Result<String, Error> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request = format!("{method} /_gameday/{what} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    // A request waits while another is worked on, never for long.
    let answer = tokio::time::timeout(Duration::from_secs(20), exchange)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|source| Error::Silent { port, source })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split_whitespace().nth(1).and_then(|s| s.parse().ok()) {
        Some(200) => Ok(body.to_owned()),
        Some(status) => Err(Error::Control { port, status, body: body.to_owned() }),
        None => Err(Error::Silent { port, source: io::ErrorKind::InvalidData.into() }),
    }
}
