//! How requests leave this machine: proxies, trusted certificates, and messages for network failures. The same for
//! every call and for the probe.
use super::{
    proxy::{Proxies, Proxy},
    trust::Trust,
};
use crate::error::Result;
use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// Proxies and trusted certificates of this process.
#[derive(Clone, Debug, Default)]
pub struct Network {
    pub proxies: Proxies,
    pub trust: Trust,
    /// A certificate that gameday has made, and the host that shows it.
    pub(crate) own: Arc<OnceLock<(String, reqwest::Certificate)>>,
}

impl Network {
    /// Reads the environment and the profile. `ca_bundle` is the profile's, with its place.
    pub fn load(ca_bundle: Option<(&str, String)>) -> Result<Self> {
        Ok(Self { proxies: Proxies::from_env()?, trust: Trust::load(ca_bundle)?, own: Arc::default() })
    }

    /// Returns the HTTP client of all SDK clients.
    pub fn client(&self) -> SharedHttpClient {
        let tls = self.tls();
        let straight = client(tls.clone(), ProxyConfig::disabled());
        let through = |proxy: Option<&Proxy>| {
            let proxy = ProxyConfig::all(proxy?.secret_url()).ok()?;
            Some(client(tls.clone(), proxy))
        };
        let (http, https) = (through(self.proxies.http()), through(self.proxies.https()));
        SharedHttpClient::new(Client { network: Arc::new(self.clone()), straight, http, https })
    }

    fn tls(&self) -> TlsContext {
        let mut store = TrustStore::empty();
        match self.trust.certificates() {
            Some(all) => {
                for certificate in all {
                    store.add_pem_certificate(pem(certificate));
                }
            }
            None => store = TrustStore::default(),
        }
        TlsContext::builder().with_trust_store(store).build().unwrap_or_default()
    }

    /// True if [`Self::trust_own`] was called.
    pub(crate) fn trusts_own(&self) -> bool {
        self.own.get().is_some()
    }

    /// Lets requests to a host accept this certificate, and no other one.
    pub(crate) fn trust_own(&self, host: &str, pem: &str) {
        if let Ok(certificate) = reqwest::Certificate::from_pem(pem.as_bytes()) {
            // Another look can have read the same one.
            _ = self.own.set((host.to_owned(), certificate));
        }
    }

    /// Prepares a client for requests to `url` with the same proxies. It trusts this machine's certificates and those
    /// of the bundle.
    pub fn asks(&self, url: &str, client: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
        // reqwest needs a TLS provider for the whole process. A second installation fails, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = match self.proxies.for_url(url).and_then(|p| reqwest::Proxy::all(p.secret_url()).ok()) {
            Some(proxy) => client.proxy(proxy),
            None => client.no_proxy(),
        };
        let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
        if let Some((_, own)) = self.own.get().filter(|(of, _)| host.is_some_and(|h| h.eq_ignore_ascii_case(of))) {
            // It is for another name, and no other certificate is accepted.
            return client.tls_certs_only([own.clone()]).tls_danger_accept_invalid_hostnames(true);
        }
        let certificates = self.trust.certificates().unwrap_or_default();
        client.tls_certs_merge(certificates.iter().filter_map(|c| reqwest::Certificate::from_der(c).ok()))
    }
}

fn pem(der: &[u8]) -> Vec<u8> {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|l| std::str::from_utf8(l).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n")).into_bytes()
}

fn client(tls: TlsContext, proxy: ProxyConfig) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls.clone()).build()
    })
}

/// A client that selects the proxy by URL.
#[derive(Debug)]
struct Client {
    network: Arc<Network>,
    straight: SharedHttpClient,
    http: Option<SharedHttpClient>,
    https: Option<SharedHttpClient>,
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, parts: &RuntimeComponents) -> SharedHttpConnector {
        let of = |client: &Option<SharedHttpClient>| client.as_ref().map(|c| c.http_connector(settings, parts));
        SharedHttpConnector::new(Crossing {
            network: self.network.clone(),
            straight: self.straight.http_connector(settings, parts),
            http: of(&self.http),
            https: of(&self.https),
        })
    }
}

#[derive(Debug)]
struct Crossing {
    network: Arc<Network>,
    straight: SharedHttpConnector,
    http: Option<SharedHttpConnector>,
    https: Option<SharedHttpConnector>,
}

impl HttpConnector for Crossing {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let asked = Destination::new(&request);
        let proxy = self.network.proxies.for_url(request.uri()).cloned();
        let secure = request.uri().starts_with("https:");
        let through = if secure { &self.https } else { &self.http };
        let connector = if proxy.is_some() { through.as_ref().unwrap_or(&self.straight) } else { &self.straight };
        let answer = connector.call(request);
        let network = self.network.clone();
        HttpConnectorFuture::new(async move {
            match (answer.await, &proxy) {
                (Ok(answer), Some(proxy)) if answer.status().as_u16() == 407 => {
                    Err(Unreachable::wants_a_user(proxy, "HTTP 407".into()).into())
                }
                (Ok(mut answer), _) => {
                    answer.add_extension(asked);
                    Ok(answer)
                }
                (Err(e), _) => Err(told(e, &asked, proxy.as_ref(), &network.trust)),
            }
        })
    }
}

/// The host and region of a request, which an answer alone does not show.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Destination {
    pub host: String,
    /// The region of the signature.
    pub region: Option<String>,
}

impl Destination {
    fn new(request: &HttpRequest) -> Self {
        let uri = request.uri();
        let host = uri.split_once("://").map_or(uri, |(_, rest)| rest).split(['/', '?']).next().unwrap_or_default();
        // `AWS4-HMAC-SHA256 Credential=AKID/20261129/eu-west-1/ec2/aws4_request, …`
        let scope = request.headers().get("authorization").and_then(|a| a.split_once("Credential="));
        let region = scope.and_then(|(_, scope)| scope.split('/').nth(2)).map(str::to_owned);
        Self { host: host.into(), region }
    }

    /// Returns the destination that was noted in an answer.
    pub(super) fn of_answer(answer: &HttpResponse) -> Option<&Self> {
        answer.extension()
    }
}

/// Why there was no answer, in words that name the cause. It is deep inside the SDK's error.
#[derive(Debug)]
pub(super) struct Unreachable {
    pub what: String,
    pub help: String,
    /// True if the same call may succeed a little later.
    pub passes: bool,
    timeout: bool,
    source: BoxError,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Unreachable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

impl From<Unreachable> for ConnectorError {
    fn from(e: Unreachable) -> Self {
        match e.passes {
            true if e.timeout => Self::timeout(e.into()),
            true => Self::io(e.into()),
            // What does not pass is not sent again.
            false => Self::other(e.into(), None),
        }
    }
}

impl Unreachable {
    fn wants_a_user(proxy: &Proxy, source: BoxError) -> Self {
        let what = match proxy.has_user() {
            true => format!("{proxy} rejects this user name and password (HTTP 407)"),
            false => format!("{proxy} requires a user name and a password (HTTP 407)"),
        };
        let help = format!(
            "set {}=http://user:password@host:port, with special characters as %40 and the like",
            proxy.variable()
        );
        Self { what, help, passes: false, timeout: false, source }
    }
}

/// Wraps an error in a message that names the cause, if it can be determined.
fn told(e: ConnectorError, asked: &Destination, proxy: Option<&Proxy>, trust: &Trust) -> ConnectorError {
    let timeout = e.is_timeout();
    let said = chain(&e);
    let last = said.last().cloned().unwrap_or_default();
    let has = |text: &str| said.iter().any(|s| s.contains(text));
    let host = &asked.host;
    // An invalid request, or a connection that was lost in the middle, has no other cause.
    let lost = has("IncompleteMessage") || has("connection closed") || has("connection reset") || e.is_user();
    let (what, help, passes) = if lost && proxy.is_none() {
        return e;
    } else if has("invalid peer certificate") {
        let (what, help) = distrusted(&said, host, trust);
        (what, help, false)
    } else if let Some(proxy) = proxy {
        if has("proxy authorization required") {
            return Unreachable::wants_a_user(proxy, e.into_source()).into();
        }
        let help = format!("correct {}, or take {host} out of it with NO_PROXY", proxy.variable());
        let refused = has("tunnel error: unsuccessful");
        let what = match () {
            () if refused => format!("{proxy} refuses to connect to {host}"),
            () if has("tunnel error: unexpected end") => format!("{proxy} ends the connection to {host}"),
            () if timeout => format!("{proxy} does not answer for {host}"),
            () => format!("{proxy} cannot be reached: {last}"),
        };
        (what, if refused { format!("have the proxy allow {host}, or add {host} to NO_PROXY") } else { help }, true)
    } else {
        let (what, help) = silent(&last, has("dns error") || has("failed to lookup address"), asked);
        (what, help, true)
    };
    Unreachable { what, help, passes, timeout, source: e.into_source() }.into()
}

/// Explains that the endpoint itself does not answer.
fn silent(last: &str, unresolved: bool, asked: &Destination) -> (String, String) {
    let Destination { host, region } = asked;
    let fails = if unresolved { "does not resolve" } else { "does not answer" };
    let region = region.as_deref().unwrap_or("this region");
    let lacks = |kind: &str, variable: &str, key: &str| {
        let what = format!("{host} {fails} ({last}): has the service a {kind} endpoint in {region}?");
        (
            what,
            format!("without {variable} (or {key} in the profile) the usual endpoint is asked; else check the network"),
        )
    };
    if host.contains("-fips.") {
        lacks("FIPS", "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint")
    } else if host.ends_with(".api.aws") {
        lacks("dual-stack", "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")
    } else {
        let help = "check the network (behind a proxy: HTTPS_PROXY) and run the same command again: it resumes where it stopped";
        (format!("{host} {fails}: {last}"), help.into())
    }
}

fn distrusted(said: &[String], host: &str, trust: &Trust) -> (String, String) {
    let is = |text: &str| said.iter().any(|s| s.contains(text));
    let clock = "set this machine's clock, if it is wrong; else tell those who run the endpoint";
    if is("UnknownIssuer") {
        let what = |by: &str| {
            format!("the certificate of {host} is signed by an authority that {by} does not trust (UnknownIssuer)")
        };
        return match trust.from() {
            Some(from) => (what(from), format!("add the certificate of the CA that signed it to {from}")),
            None => (
                what("this machine"),
                "behind a firewall that looks into TLS name its CA: AWS_CA_BUNDLE=/path/to/ca.pem, or `ca_bundle` in the \
                 profile"
                    .into(),
            ),
        };
    }
    if is("Expired") || is("expired") {
        return (format!("the certificate of {host} has expired"), clock.into());
    }
    if is("NotValidYet") || is("not valid yet") {
        return (format!("the certificate of {host} is not valid yet"), clock.into());
    }
    let last = said.last().cloned().unwrap_or_default();
    (
        format!("the certificate of {host} is not accepted: {last}"),
        "check the endpoint and what is in front of it".into(),
    )
}

/// Returns the messages of an error and its causes.
fn chain(e: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut all = vec![];
    let mut next = Some(e);
    while let Some(e) = next {
        all.push(e.to_string());
        // An I/O error prints the text of what it wraps, and its source is that one's source.
        next = match e.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref()) {
            Some(inner) => Some(inner),
            None => e.source(),
        };
    }
    all
}
