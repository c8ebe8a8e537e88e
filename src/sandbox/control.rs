//! The plugin's control endpoints: plain HTTP/1.0 on loopback, without a client, proxy or TLS to set up.
use super::{Error, Pace};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The size limit of an answer: whatever listens there could send without end.
const LONGEST: u64 = 64 * 1024;

/// The port of a sandbox and its secrets.
#[derive(Clone, Copy)]
pub(super) struct Door<'a> {
    pub port: u16,
    /// The access key id that every request carries.
    pub key: &'a str,
    /// Known to the sandbox and its user only, and never sent.
    pub secret: &'a str,
}

/// The state of a running sandbox.
#[derive(serde::Deserialize)]
pub(super) struct Health {
    pub pid: u32,
    pace: String,
}

impl Health {
    /// Returns its pace. An unknown word counts as `instant`.
    pub(super) fn pace(&self) -> Pace {
        Pace::named(&self.pace).unwrap_or(Pace::Instant)
    }
}

impl Door<'_> {
    /// Asks the listener to prove that it knows the secret, without sending it.
    ///
    /// Nothing else, the key included, is sent before that.
    pub(super) async fn is_the_sandbox(&self) -> bool {
        let bytes: [u8; 32] = rand::random();
        let nonce: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let answer = self.ask("GET", &format!("proof/{nonce}"), false).await;
        answer.is_ok_and(|proof| self.proves(&nonce, proof.trim()))
    }

    fn proves(&self, nonce: &str, proof: &str) -> bool {
        // Pairs of hex digits: the length is even and each sign is ASCII, or it is no proof.
        let pairs =
            proof.as_bytes().chunks(2).map(|p| str::from_utf8(p).ok().and_then(|p| u8::from_str_radix(p, 16).ok()));
        let Some(bytes) = pairs.collect::<Option<Vec<u8>>>() else { return false };
        let mut expected = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("a key of any length");
        expected.update(format!("{nonce} {}", self.port).as_bytes());
        // With an empty secret anybody could prove it.
        !self.secret.is_empty() && expected.verify_slice(&bytes).is_ok()
    }

    /// Asks for the state.
    pub(super) async fn health(&self) -> Result<Health, Error> {
        let body = self.ask("GET", "health", true).await?;
        let wrong = |e| Error::Silent { port: self.port, source: io::Error::other(e) };
        serde_json::from_str(&body).map_err(wrong)
    }

    /// Sets the pace.
    pub(super) async fn set_pace(&self, pace: Pace) -> Result<(), Error> {
        self.ask("POST", &format!("pace?pace={}", pace.word()), true).await.map(drop)
    }

    /// Empties the account.
    pub(super) async fn reset(&self) -> Result<(), Error> {
        self.ask("POST", "reset", true).await.map(drop)
    }

    async fn ask(&self, method: &str, what: &str, with_key: bool) -> Result<String, Error> {
        let port = self.port;
        let key = if with_key { format!("Authorization: Bearer {}\r\n", self.key) } else { String::new() };
        let head = format!("{method} /_gameday/{what} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n{key}");
        let exchange = async {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.write_all(format!("{head}Content-Length: 0\r\n\r\n").as_bytes()).await?;
            let mut answer = String::new();
            stream.take(LONGEST).read_to_string(&mut answer).await?;
            Ok::<_, io::Error>(answer)
        };
        // A request waits while another is processed, but never long.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_knows_the_secret_proves_it_and_at_its_port_only() {
        let door = Door { port: 4000, key: "", secret: "known to two" };
        // hmac.new(b"known to two", b"0a 4000", "sha256").hexdigest()
        let proof = "ca7275d2385e5f069e1e050de260da0feccd8c91109c9cba6f9ca6412b9fd87b";
        assert!(door.proves("0a", proof));
        assert!(!door.proves("0b", proof) && !Door { port: 4001, ..door }.proves("0a", proof));
        assert!(!Door { secret: "another", ..door }.proves("0a", proof));
        for none in ["", "0", "zz", "é", &proof[2..]] {
            assert!(!door.proves("0a", none), "{none}");
        }
        // hmac.new(b"", …): an older sandbox left no secret, and anybody could make this.
        assert!(
            !Door { secret: "", ..door }
                .proves("0a", "50daeadb6e97d1c8eb90885ff82244b58229df4cc23da9c1ebe6730ee5511700")
        );
    }
}
