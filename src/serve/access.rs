//! Access rules. On loopback everybody on this machine may look. Whoever changes something, or comes from elsewhere,
//! has to show the token. Pages of other sites in a browser may do neither.
use super::connections::ClientAddress;
use axum::http::{
    HeaderMap, Method, StatusCode,
    header::{HOST, ORIGIN, REFERER},
};
use axum_extra::headers::{Authorization, HeaderMapExt, authorization::Basic};
use sha2::{Digest, Sha256};
use std::{collections::HashMap, net::IpAddr, sync::Mutex, time::Duration};
use tokio::time::Instant;

/// The length below which a token can be guessed.
const SHORT: usize = 16;
/// How many wrong tokens of one address are answered at once. Later ones are answered one per [`PAUSE`].
const WRONG: u32 = 20;
const PAUSE: Duration = Duration::from_secs(3);
/// How many addresses are remembered.
const ADDRESSES: usize = 1024;

/// The secret of the big screen, as a hash: the comparison never sees the text and never stops at the first difference.
pub struct Token {
    hash: [u8; 32],
    /// True for `user:password`, false for a password alone.
    whole: bool,
    /// True if it is too long to be guessed.
    pub strong: bool,
}

impl Token {
    /// Hashes a token, `None` if it is empty. Surrounding white space, such as the end of a file's line, is not part of
    /// it.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self {
            hash: hash(text),
            whole: text.contains(':'),
            strong: text.chars().count() >= SHORT,
        })
    }

    fn fits(&self, user: &str, password: &str) -> bool {
        let shown = if self.whole { hash(&format!("{user}:{password}")) } else { hash(password) };
        self.hash.iter().zip(shown).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Why a request is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("this is not the host that was asked for; use the address that `gameday serve` printed, or localhost")]
    Host,
    #[error("a page of another site asked for this in a browser; ask for it from the command line, or from this site")]
    Site,
    #[error("changes need a token, and this server has none; start it with GAMEDAY_TOKEN or --token-file")]
    NoToken,
    #[error("this needs the token; `curl -u user:TOKEN …`, or `Authorization: Basic` and the base64 of user:TOKEN")]
    Token,
    /// Holds the seconds until the next attempt.
    #[error("too many wrong tokens came from this address; wait {0} s, then try the right one")]
    TooMany(u64),
}

impl Denied {
    /// Returns the status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::FORBIDDEN,
        }
    }
}

/// The access rules of one server.
pub struct Access {
    token: Option<Token>,
    loopback: bool,
    guesses: Guesses,
}

/// The wrong tokens of each address: when the last of them would have been due at one per [`PAUSE`].
#[derive(Default)]
struct Guesses(Mutex<HashMap<ClientAddress, Instant>>);

impl Guesses {
    /// Returns how many seconds this address has to wait before the next attempt.
    fn wait(&self, from: ClientAddress) -> Option<u64> {
        let until = *self.0.lock().unwrap_or_else(|e| e.into_inner()).get(&from)?;
        let ahead = until.saturating_duration_since(Instant::now());
        let wait = ahead.saturating_sub(PAUSE * (WRONG - 1));
        (!wait.is_zero()).then(|| wait.as_secs() + 1)
    }

    fn count(&self, from: ClientAddress) {
        let mut all = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if all.len() >= ADDRESSES
            && let Some(oldest) = all.iter().min_by_key(|(_, until)| **until).map(|(from, _)| *from)
        {
            all.remove(&oldest);
        }
        let now = Instant::now();
        let until = all.entry(from).or_insert(now);
        *until = (*until).max(now) + PAUSE;
    }
}

impl Access {
    /// Makes the rules. `None` if others could reach the server and there is no token.
    pub fn new(listen: IpAddr, token: Option<Token>) -> Option<Self> {
        let loopback = listen.is_loopback();
        (loopback || token.is_some()).then(|| Self { token, loopback, guesses: Guesses::default() })
    }

    /// Decides whether a request from `from` may pass.
    pub fn judge(
        &self,
        from: Option<ClientAddress>,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<(), Denied> {
        let host = headers.get(HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
        // A foreign name that resolves to this address (DNS rebinding) would make the attacker's page part of this
        // site. When every request needs the token this is harmless: a browser does not send credentials to the
        // attacker's name.
        if self.loopback && !is_local(host) {
            return Err(Denied::Host);
        }
        let changes = !matches!(*method, Method::GET | Method::HEAD);
        // These three cost no AWS call, and the page may be opened by a link.
        let costs_nothing = matches!(path, "/" | "/status" | "/healthcheck");
        if (changes || !costs_nothing) && !same_site(host, headers) {
            return Err(Denied::Site);
        }
        let open = path == "/healthcheck" || (self.loopback && !changes);
        let shown = || headers.typed_get::<Authorization<Basic>>();
        match &self.token {
            _ if open => Ok(()),
            None => Err(Denied::NoToken),
            Some(token) => match (shown(), from) {
                (None, _) => Err(Denied::Token),
                (_, Some(from)) if let Some(seconds) = self.guesses.wait(from) => Err(Denied::TooMany(seconds)),
                (Some(a), _) if token.fits(a.username(), a.password()) => Ok(()),
                (Some(_), from) => {
                    from.iter().for_each(|from| self.guesses.count(*from));
                    Err(Denied::Token)
                }
            },
        }
    }
}

/// True for `localhost` or a loopback address at any port: it may be the near end of a tunnel.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// False if a browser reports a page of another site. Other clients report nothing.
fn same_site(host: &str, headers: &HeaderMap) -> bool {
    let said = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    let is_ours = |page: &str| {
        let of = page.strip_prefix("http://").or_else(|| page.strip_prefix("https://"));
        of.is_some_and(|of| of.split('/').next().is_some_and(|of| of.eq_ignore_ascii_case(host)))
    };
    let pages = [ORIGIN, REFERER].iter().all(|name| said(name.as_str()).is_none_or(is_ours));
    pages && said("sec-fetch-site").is_none_or(|s| matches!(s, "same-origin" | "none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        use axum::http::{HeaderName, HeaderValue};
        let pair = |(n, v): &(&str, &str)| (HeaderName::try_from(*n).unwrap(), HeaderValue::from_str(v).unwrap());
        pairs.iter().map(pair).collect()
    }

    fn basic(text: &str) -> String {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        format!("Basic {}", BASE64_STANDARD.encode(text))
    }

    fn access(listen: &str, token: &str) -> Access {
        Access::new(listen.parse().unwrap(), Token::new(token)).unwrap()
    }

    #[test]
    fn a_token_is_a_password_or_both() {
        let fits = |token: &str, user: &str, password: &str| Token::new(token).unwrap().fits(user, password);
        assert!(fits("s3cret\n", "", "s3cret") && fits("s3cret", "anybody", "s3cret"));
        assert!(!fits("s3cret", "s3cret", "") && !fits("s3cret", "u", "s3cre") && !fits("s3cret", "u", "s3cret "));
        assert!(fits("team:s3cret", "team", "s3cret"));
        assert!(!fits("team:s3cret", "other", "s3cret") && !fits("team:s3cret", "", "team:s3cret"));
        assert!(Token::new(" \n").is_none());
    }

    #[test]
    fn others_can_reach_it_only_with_a_token() {
        for listen in ["0.0.0.0", "192.168.1.7", "::", "10.0.0.1"] {
            assert!(Access::new(listen.parse().unwrap(), None).is_none(), "{listen}");
            assert!(Access::new(listen.parse().unwrap(), Token::new("t")).is_some(), "{listen}");
        }
        for listen in ["127.0.0.1", "127.0.0.2", "::1"] {
            assert!(Access::new(listen.parse().unwrap(), None).is_some(), "{listen}");
        }
    }

    #[test]
    fn names_that_lead_here_are_told_from_those_that_were_made_to() {
        for host in ["localhost", "LocalHost:8080", "127.0.0.1:8080", "127.0.0.1", "[::1]:9000", "[::1]"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example:8080", "127.0.0.1.nip.io", "10.0.0.1", "[::2]"] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn who_may_do_what() {
        let here = ("host", "127.0.0.1:8080");
        let right = basic("u:t0ken");
        let (open, closed) = (access("127.0.0.1", ""), access("127.0.0.1", "t0ken"));
        let wide = access("0.0.0.0", "t0ken");
        let judge = |a: &Access, method: Method, path: &str, h: &[(&str, &str)]| {
            a.judge(None, &method, path, &headers(h)).err()
        };
        let shown = [here, ("authorization", right.as_str())];

        assert_eq!(judge(&open, Method::GET, "/status", &[here]), None);
        assert_eq!(judge(&open, Method::POST, "/elb/x", &shown), Some(Denied::NoToken));
        assert_eq!(judge(&closed, Method::GET, "/elb/x", &[here]), None);
        assert_eq!(judge(&closed, Method::POST, "/elb/x", &[here]), Some(Denied::Token));
        assert_eq!(judge(&closed, Method::DELETE, "/elb/x", &shown), None);

        let lan = ("host", "bigscreen.lan:8080");
        assert_eq!(judge(&wide, Method::GET, "/healthcheck", &[lan]), None);
        for path in ["/", "/status", "/elb/x", "/nothing"] {
            assert_eq!(judge(&wide, Method::GET, path, &[lan]), Some(Denied::Token), "{path}");
            assert_eq!(judge(&wide, Method::GET, path, &[lan, shown[1]]), None, "{path}");
        }

        // Another site, by its own name or in a page of its own.
        assert_eq!(judge(&open, Method::GET, "/status", &[("host", "evil.example")]), Some(Denied::Host));
        assert_eq!(judge(&open, Method::GET, "/status", &[]), Some(Denied::Host));
        for of in ["http://evil.example", "null", "http://127.0.0.1:9999"] {
            let asked = [here, shown[1], ("origin", of)];
            assert_eq!(judge(&closed, Method::POST, "/elb/x", &asked), Some(Denied::Site), "{of}");
        }
        let asked = [here, shown[1], ("sec-fetch-site", "cross-site")];
        assert_eq!(judge(&closed, Method::POST, "/elb/x", &asked), Some(Denied::Site));
        // It may lead here, but not make us ask AWS.
        for of in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "null"),
            ("referer", "http://evil.example/page"),
            ("referer", "http://127.0.0.1:8080.evil.example/"),
        ] {
            assert_eq!(judge(&open, Method::GET, "/elb/x", &[here, of]), Some(Denied::Site), "{of:?}");
            assert_eq!(judge(&open, Method::HEAD, "/elb/x", &[here, of]), Some(Denied::Site), "{of:?}");
            assert_eq!(judge(&open, Method::GET, "/", &[here, of]), None, "{of:?}");
        }
        assert_eq!(judge(&open, Method::GET, "/elb/x", &[here, ("referer", "http://127.0.0.1:8080/")]), None);
        let asked = [here, shown[1], ("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")];
        assert_eq!(judge(&closed, Method::POST, "/elb/x", &asked), None);
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_are_slow_and_only_those_who_guess_wait() {
        let wide = access("0.0.0.0", "team:s3cret-word-of-ours");
        let from = |ip: &str| Some(ClientAddress::new(ip.parse().unwrap()));
        let ask = |from, shown: &str| {
            let shown = basic(shown);
            let headers = headers(&[("host", "x"), ("authorization", shown.as_str())]);
            wide.judge(from, &Method::GET, "/status", &headers).err()
        };
        let (eve, anna) = (from("10.0.0.9"), from("10.0.0.1"));
        for _ in 0..WRONG {
            assert_eq!(ask(eve, "team:wrong"), Some(Denied::Token));
        }
        let right = "team:s3cret-word-of-ours";
        assert!(matches!(ask(eve, right), Some(Denied::TooMany(1..=4))), "else guessing would go on");
        assert_eq!((ask(anna, right), ask(anna, "team:typo"), ask(anna, right)), (None, Some(Denied::Token), None));
        tokio::time::advance(PAUSE).await;
        assert_eq!((ask(eve, right), ask(eve, "team:wrong")), (None, Some(Denied::Token)));
        assert!(matches!(ask(eve, "team:wrong"), Some(Denied::TooMany(_))), "one each few seconds");
        // Of IPv6 somebody has a whole network.
        let six = |n: u32| from(&format!("2001:db8:1:2::{n:x}"));
        (0..WRONG).for_each(|n| assert_eq!(ask(six(n), "team:wrong"), Some(Denied::Token)));
        assert!(matches!(ask(six(99), "team:wrong"), Some(Denied::TooMany(_))));
        assert_eq!(ask(from("2001:db8:1:3::1"), right), None);
        assert_eq!(ClientAddress::new("::ffff:10.0.0.9".parse().unwrap()), eve.unwrap());
        for n in 0..3000u32 {
            ask(from(&format!("10.1.{}.{}", n / 250, n % 250)), "team:wrong");
        }
        assert!(wide.guesses.0.lock().unwrap().len() <= ADDRESSES);
    }
}
