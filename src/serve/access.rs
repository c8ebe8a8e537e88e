//! Who may ask for what. On loopback everybody on this machine may look; whoever changes something, or comes from
//! elsewhere, shows the token. A page of another site in somebody's browser may do neither.
use axum::http::{
    HeaderMap, Method, StatusCode,
    header::{HOST, ORIGIN},
};
use axum_extra::headers::{Authorization, HeaderMapExt, authorization::Basic};
use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// The secret of the big screen, as a hash: what is compared is never the text itself, and never stops at the first
/// difference.
pub struct Token {
    hash: [u8; 32],
    /// `user:password`, else only a password.
    whole: bool,
}

impl Token {
    /// `None`: there is nothing in it. White space around it, such as the end of a file's line, is not part of it.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self { hash: hash(text), whole: text.contains(':') })
    }

    fn fits(&self, user: &str, password: &str) -> bool {
        let shown = if self.whole { hash(&format!("{user}:{password}")) } else { hash(password) };
        self.hash.iter().zip(shown).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum No {
    #[error("this is not the host that was asked for; use the address that `gameday serve` printed, or localhost")]
    Host,
    #[error("a page of another site asked for this in a browser; ask for it from the command line, or from this site")]
    Site,
    #[error("changes need a token, and this server has none; start it with GAMEDAY_TOKEN or --token-file")]
    NoToken,
    #[error("this needs the token; `curl -u user:TOKEN …`, or `Authorization: Basic` and the base64 of user:TOKEN")]
    Token,
}

impl No {
    pub fn status(self) -> StatusCode {
        if self == Self::Token { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN }
    }
}

/// The rules of one server.
pub struct Access {
    token: Option<Token>,
    loopback: bool,
}

impl Access {
    /// `None`: others could reach it, and there is no token.
    pub fn new(listen: IpAddr, token: Option<Token>) -> Option<Self> {
        let loopback = listen.is_loopback();
        (loopback || token.is_some()).then_some(Self { token, loopback })
    }

    pub fn judge(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), No> {
        let host = headers.get(HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
        // A name of somebody else's that resolves to this address (DNS rebinding) would make their page this site's.
        // Where the token is needed for everything such a page gets nothing: no browser sends it there.
        if self.loopback && !is_local(host) {
            return Err(No::Host);
        }
        let changes = !matches!(*method, Method::GET | Method::HEAD);
        if changes && !same_site(host, headers) {
            return Err(No::Site);
        }
        let open = path == "/healthcheck" || (self.loopback && !changes);
        let shown = || headers.typed_get::<Authorization<Basic>>();
        match &self.token {
            _ if open => Ok(()),
            None => Err(No::NoToken),
            Some(token) if shown().is_some_and(|a| token.fits(a.username(), a.password())) => Ok(()),
            Some(_) => Err(No::Token),
        }
    }
}

/// `localhost` or a loopback address, at whatever port: it may be the near end of a tunnel.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a browser says that its own page is not of this site. What is no browser says nothing.
fn same_site(host: &str, headers: &HeaderMap) -> bool {
    let said = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    let origin = said(ORIGIN.as_str()).is_none_or(|o| {
        let of = o.strip_prefix("http://").or_else(|| o.strip_prefix("https://"));
        of.is_some_and(|of| of.eq_ignore_ascii_case(host))
    });
    origin && said("sec-fetch-site").is_none_or(|s| matches!(s, "same-origin" | "none"))
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
        let judge =
            |a: &Access, method: Method, path: &str, h: &[(&str, &str)]| a.judge(&method, path, &headers(h)).err();
        let shown = [here, ("authorization", right.as_str())];

        assert_eq!(judge(&open, Method::GET, "/status", &[here]), None);
        assert_eq!(judge(&open, Method::POST, "/elb/x", &shown), Some(No::NoToken));
        assert_eq!(judge(&closed, Method::GET, "/elb/x", &[here]), None);
        assert_eq!(judge(&closed, Method::POST, "/elb/x", &[here]), Some(No::Token));
        assert_eq!(judge(&closed, Method::DELETE, "/elb/x", &shown), None);

        let lan = ("host", "bigscreen.lan:8080");
        assert_eq!(judge(&wide, Method::GET, "/healthcheck", &[lan]), None);
        for path in ["/", "/status", "/elb/x", "/nothing"] {
            assert_eq!(judge(&wide, Method::GET, path, &[lan]), Some(No::Token), "{path}");
            assert_eq!(judge(&wide, Method::GET, path, &[lan, shown[1]]), None, "{path}");
        }

        // Another site, by its own name or in a page of its own.
        assert_eq!(judge(&open, Method::GET, "/status", &[("host", "evil.example")]), Some(No::Host));
        assert_eq!(judge(&open, Method::GET, "/status", &[]), Some(No::Host));
        for of in ["http://evil.example", "null", "http://127.0.0.1:9999"] {
            let asked = [here, shown[1], ("origin", of)];
            assert_eq!(judge(&closed, Method::POST, "/elb/x", &asked), Some(No::Site), "{of}");
        }
        let asked = [here, shown[1], ("sec-fetch-site", "cross-site")];
        assert_eq!(judge(&closed, Method::POST, "/elb/x", &asked), Some(No::Site));
        let asked = [here, shown[1], ("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")];
        assert_eq!(judge(&closed, Method::POST, "/elb/x", &asked), None);
    }
}
