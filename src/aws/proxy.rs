//! Selects the proxy of a request from the environment's variables.
use crate::error::{Error, Result};
use ipnet::IpNet;
use reqwest::Url;
use std::{fmt, net::IpAddr};

/// A proxy. Its URL may hold a password and is never shown.
#[derive(Clone, PartialEq)]
pub struct Proxy {
    url: Url,
    /// The variable that names it.
    variable: &'static str,
}

impl Proxy {
    /// Returns the whole URL with user and password, for the client that connects. Never shown.
    pub(crate) fn secret_url(&self) -> &str {
        self.url.as_str()
    }

    /// Returns the name of the variable.
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// True if the URL names a user.
    pub fn has_user(&self) -> bool {
        !self.url.username().is_empty()
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or(80);
        write!(f, "the proxy {}://{host}:{port} ({})", self.url.scheme(), self.variable)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The proxies of this process, and the hosts that are reached without one.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    straight: Vec<Rule>,
}

/// An entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq)]
enum Rule {
    All,
    Net(IpNet),
    /// A host and its subdomains, on one port or on all.
    Name(String, Option<u16>),
}

impl Proxies {
    /// Reads the variables of this process.
    pub fn from_env() -> Result<Self> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads the variables as boto3 does: lower case wins, even if empty. As in curl, `ALL_PROXY` fills in for those
    /// that are not set.
    pub(crate) fn from_lookup(env: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let given = |small: &'static str, big: &'static str| match (env(small), env(big)) {
            (Some(text), _) => Some((small, text.trim().to_owned())),
            (None, Some(text)) if !text.trim().is_empty() => Some((big, text.trim().to_owned())),
            _ => None,
        };
        // In a CGI script HTTP_PROXY comes from a header of the request.
        let http = match given("http_proxy", "HTTP_PROXY") {
            Some(("HTTP_PROXY", _)) if env("REQUEST_METHOD").is_some() => None,
            given => given,
        };
        let https = given("https_proxy", "HTTPS_PROXY");
        // Other AWS tools ignore it, so an unusable value is ignored.
        let all = given("all_proxy", "ALL_PROXY").and_then(|(name, text)| proxy(name, &text).ok().flatten());
        let or_all = |given: Option<(&'static str, String)>| match given {
            Some((name, text)) => proxy(name, &text),
            None => Ok(all.clone()),
        };
        let straight = given("no_proxy", "NO_PROXY").map(|(_, text)| rules(&text)).unwrap_or_default();
        Ok(Self { http: or_all(http)?, https: or_all(https)?, straight })
    }

    /// Returns the proxy for a URL, `None` for a direct connection.
    pub fn for_url(&self, url: &str) -> Option<&Proxy> {
        let url = Url::parse(url).ok()?;
        let proxy = if url.scheme() == "https" { self.https.as_ref() } else { self.http.as_ref() }?;
        let host = url.host_str()?.trim_matches(['[', ']']).trim_end_matches('.').to_lowercase();
        let port = url.port_or_known_default().unwrap_or(80);
        let straight = is_near(&host) || self.straight.iter().any(|rule| rule.takes(&host, port));
        (!straight).then_some(proxy)
    }

    /// Returns the proxy for HTTP.
    pub(crate) fn http(&self) -> Option<&Proxy> {
        self.http.as_ref()
    }

    /// Returns the proxy for HTTPS.
    pub(crate) fn https(&self) -> Option<&Proxy> {
        self.https.as_ref()
    }
}

/// True for this machine and the metadata services beside it, which are never reached by proxy.
fn is_near(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.segments()[..2] == [0xfd00, 0x0ec2],
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

fn proxy(variable: &'static str, text: &str) -> Result<Option<Proxy>> {
    if text.is_empty() {
        return Ok(None);
    }
    // The value may hold a password, so it is not shown.
    let wrong = |why: &str| {
        let form = "http://host:port, or http://user:password@host:port with special characters as %40 and the like";
        Error::other(format!("{variable} does not name a proxy that can be used: {why}"), format!("write it as {form}"))
    };
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&full).map_err(|e| wrong(&e.to_string()))?;
    match url.scheme() {
        "http" | "https" => {}
        scheme if scheme.starts_with("socks") => return Err(wrong("SOCKS is not spoken here, only HTTP")),
        _ => return Err(wrong("it begins neither with http:// nor with https://")),
    }
    // The SDK parses such a URL by other rules.
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("it has no host"));
    }
    Ok(Some(Proxy { url, variable }))
}

fn rules(text: &str) -> Vec<Rule> {
    text.split([',', ' ', '\t', '\n']).filter_map(rule).collect()
}

fn rule(text: &str) -> Option<Rule> {
    let text = text.trim().to_lowercase();
    if text.is_empty() {
        return None;
    }
    if text == "*" {
        return Some(Rule::All);
    }
    let bare = text.trim_matches(['[', ']']);
    if let Ok(net) = bare.parse::<IpNet>() {
        return Some(Rule::Net(net));
    }
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Some(Rule::Net(ip.into()));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
        _ => (text.as_str(), None),
    };
    let host = host.trim_matches(['[', ']']).trim_start_matches('*').trim_matches('.');
    (!host.is_empty()).then(|| Rule::Name(host.into(), port))
}

impl Rule {
    fn takes(&self, host: &str, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Net(net) => host.parse::<IpAddr>().is_ok_and(|ip| net.contains(&ip)),
            Self::Name(name, only) => {
                let below = || host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                only.is_none_or(|only| only == port) && (host == name || below())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Help as _;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies> {
        Proxies::from_lookup(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    fn to(variables: &[(&str, &str)], url: &str) -> Option<String> {
        proxies(variables).unwrap().for_url(url).map(ToString::to_string)
    }

    const EC2: &str = "https://ec2.eu-west-1.amazonaws.com/";

    #[test]
    fn the_variables_are_read_as_boto3_reads_them() {
        let said = |name: &str| Some(format!("the proxy http://p:3128 ({name})"));
        assert_eq!(to(&[], EC2), None);
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            for value in ["http://p:3128", "p:3128", "http://p:3128/", "http://me:secret@p:3128", " p:3128\n"] {
                assert_eq!(to(&[(name, value)], EC2), said(name), "{name}={value}");
            }
        }
        assert_eq!(to(&[("HTTP_PROXY", "p:3128")], EC2), None, "of the other scheme");
        assert_eq!(to(&[("HTTP_PROXY", "p:3128")], "http://b.example.com/x"), said("HTTP_PROXY"));
        assert_eq!(to(&[("HTTP_PROXY", "p:3128"), ("REQUEST_METHOD", "GET")], "http://b.example.com/x"), None);
        assert_eq!(to(&[("HTTPS_PROXY", "other:1"), ("https_proxy", "p:3128")], EC2), said("https_proxy"));
        assert_eq!(to(&[("HTTPS_PROXY", "other:1"), ("https_proxy", "")], EC2), None);
        assert_eq!(to(&[("ALL_PROXY", "other:1"), ("HTTPS_PROXY", "p:3128")], EC2), said("HTTPS_PROXY"));
        assert_eq!(to(&[("ALL_PROXY", "socks5h://s:1080")], EC2), None);
        assert_eq!(to(&[("HTTPS_PROXY", "")], EC2), None);
    }

    #[test]
    fn no_proxy_takes_hosts_suffixes_ports_and_ranges() {
        let both =
            |rules: &str, url: &str| to(&[("HTTPS_PROXY", "p:1"), ("HTTP_PROXY", "p:1"), ("NO_PROXY", rules)], url);
        for (rules, url) in [
            ("*", EC2),
            ("amazonaws.com", EC2),
            (".amazonaws.com", EC2),
            ("*.amazonaws.com", EC2),
            ("x.org, EC2.eu-west-1.amazonaws.com", EC2),
            ("ec2.eu-west-1.amazonaws.com:443", EC2),
            ("x.org .amazonaws.com", EC2),
            ("10.0.0.0/8", "http://10.1.2.3/x"),
            ("10.1.2.3", "https://10.1.2.3:8443/x"),
            ("10.1.2.3:8443", "https://10.1.2.3:8443/x"),
            ("fd12::/16", "http://[fd12::1]/x"),
            ("", "http://localhost:5000/"),
            ("", "http://127.0.0.1:5000/"),
            ("", "http://[::1]:5000/"),
            ("", "http://169.254.169.254/latest"),
            ("", "http://sandbox.localhost:5000/"),
        ] {
            assert_eq!(both(rules, url), None, "NO_PROXY={rules} {url}");
        }
        for (rules, url) in [
            ("aws.com", EC2),
            ("ec2.eu-west-1.amazonaws.com:80", EC2),
            ("10.0.0.0/8", "http://11.1.2.3/x"),
            ("sts.eu-west-1.amazonaws.com", EC2),
            ("", EC2),
            (",", EC2),
        ] {
            assert!(both(rules, url).is_some(), "NO_PROXY={rules} {url}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_said_without_its_password() {
        for value in
            ["socks5://me:secret@p:1080", "ftp://me:secret@p", "http://", "http://me:sec#ret@p:1", "http://p:port"]
        {
            let said = proxies(&[("HTTPS_PROXY", value)]).unwrap_err();
            assert!(said.to_string().contains("HTTPS_PROXY"), "{said}");
            assert!(!format!("{said} {:?} {:?}", said.help(), said).contains("secret"), "{said}");
        }
        let proxies = proxies(&[("HTTPS_PROXY", "http://me:secret@p:1")]).unwrap();
        assert!(!format!("{proxies:?}").contains("secret"), "{proxies:?}");
    }
}
