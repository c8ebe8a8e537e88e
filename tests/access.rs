//! Credentials, proxies and the region, as every AWS tool takes them: the real binary against small local servers.
//!
//! Each server records its requests, and refuses them unless a test says otherwise.
mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/access/ca.pem");
const OTHER_CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/access/other.pem");
const STACK: &str = "name = \"billing\"\n[service.api]\nsource = \"https://bucket.s3.amazonaws.com/server\"\n";

/// A folder with a stack file that names no region, and the user's AWS files.
struct Home(tempfile::TempDir);

impl Home {
    fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("min.toml"), STACK).expect("a file");
        std::fs::write(folder.path().join("config"), config).expect("a file");
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), text).expect("a file");
        self.path(name)
    }

    /// Returns a command that runs `gameday` without the user's settings and without keys. No server listens at the
    /// endpoint.
    fn gameday(&self, args: &[&str]) -> Command {
        let mut command = support::gameday();
        for (name, _) in std::env::vars() {
            let upper = name.to_uppercase();
            if ["SSL_", "REQUESTS_"].iter().any(|p| upper.starts_with(p)) || upper.ends_with("_PROXY") {
                command.env_remove(name);
            }
        }
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command.current_dir(self.0.path()).env("HOME", self.0.path()).env("COLUMNS", "300");
        command
            .env("AWS_CONFIG_FILE", self.path("config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.path("credentials"));
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
        command.args(["-c", "min.toml"]).args(args);
        command
    }

    /// Returns the same command with keys in the environment.
    fn with_keys(&self, args: &[&str]) -> Command {
        let mut command = self.gameday(args);
        command.env("AWS_ACCESS_KEY_ID", "AKIDOFSHELL").env("AWS_SECRET_ACCESS_KEY", "topsecret");
        command
    }
}

/// Runs a command, asserts its exit code, and returns what it printed. The output never contains a secret of these
/// tests.
#[track_caller]
fn said(command: &mut Command, code: i32) -> String {
    let output = command.output().expect("gameday starts");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).expect("it prints UTF-8");
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(!text.contains("topsecret") && !text.contains("panicked") && !text.contains("already taken"), "{text}");
    text
}

#[track_caller]
fn has(text: &str, all: &[&str]) {
    for part in all {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

/// The answer to a request, which is its first line, its headers and its body, as they came.
type Answer = dyn Fn(&str) -> String + Send + Sync;

/// A server, in a thread that ends with the test.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// Returns an error in the form of the service that was asked: EC2 has its own.
fn error(asked: &str, status: &str, code: &str, message: &str) -> String {
    dated(asked, status, code, message, "")
}

fn dated(asked: &str, status: &str, code: &str, message: &str, headers: &str) -> String {
    let inner = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    let xml = match asked.contains("Version=2016-11-15") {
        true => format!("<Response><Errors>{inner}</Errors><RequestID>r-1</RequestID></Response>"),
        false => format!("<ErrorResponse>{inner}<RequestId>r-1</RequestId></ErrorResponse>"),
    };
    reply(status, &format!("Content-Type: text/xml\r\n{headers}"), &xml)
}

fn refused(asked: &str) -> String {
    error(asked, "403 Forbidden", "AccessDenied", "the server of the test refuses")
}

fn request(stream: &mut impl Read) -> Option<String> {
    let mut lines = BufReader::new(stream);
    let mut all = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
        all += &line;
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    Some(format!("{all}\n{}", String::from_utf8_lossy(&body)))
}

impl Server {
    fn start(tls: bool, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        // Listen on all addresses of this machine, because one of them is not in the certificate.
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(vec![]));
        let (answer, noted): (Arc<Answer>, _) = (Arc::new(answer), asked.clone());
        let tls = tls.then(config_of_the_server);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, noted, tls) = (answer.clone(), noted.clone(), tls.clone());
                std::thread::spawn(move || match tls {
                    Some(tls) => _ = secure(stream, tls, &noted, &*answer),
                    None => _ = plain(stream, &noted, &*answer),
                });
            }
        });
        Self { port, asked }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panicked in it").clone()
    }
}

fn plain(mut stream: TcpStream, noted: &Mutex<Vec<String>>, answer: &Answer) -> Option<()> {
    let asked = request(&mut stream)?;
    noted.lock().ok()?.push(asked.clone());
    let said = answer(&asked);
    stream.write_all(said.as_bytes()).ok()?;
    // A tunnel always ends at this server, whichever host was asked for.
    if asked.starts_with("CONNECT") && said.contains(" 200 ") {
        secure(stream, config_of_the_server(), noted, &refused);
    }
    Some(())
}

fn secure(
    mut stream: TcpStream,
    tls: Arc<rustls::ServerConfig>,
    noted: &Mutex<Vec<String>>,
    answer: &Answer,
) -> Option<()> {
    let mut connection = rustls::ServerConnection::new(tls).ok()?;
    let mut inside = rustls::Stream::new(&mut connection, &mut stream);
    let asked = request(&mut inside)?;
    noted.lock().ok()?.push(format!("tls {asked}"));
    inside.write_all(answer(&asked).as_bytes()).ok()?;
    inside.conn.send_close_notify();
    inside.flush().ok()
}

fn config_of_the_server() -> Arc<rustls::ServerConfig> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let file = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/access").join(name);
    let certificate = CertificateDer::from_pem_file(file("server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(file("server.key")).expect("a key");
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
    Arc::new(builder.with_single_cert(vec![certificate], key).expect("they belong together"))
}

#[test]
fn calls_go_through_the_proxy_of_the_environment() {
    let home = Home::new("");
    // For a plain endpoint the proxy is asked for the whole URL, with the user's name and password.
    let proxy = Server::start(false, refused);
    let url = format!("http://me:topsecret@127.0.0.1:{}", proxy.port);
    let plain = || {
        let mut command = home.with_keys(&["plan"]);
        command.env("AWS_ENDPOINT_URL", "http://aws.example.test").env("HTTP_PROXY", &url);
        command
    };
    has(&said(&mut plain(), 1), &["the server of the test refuses"]);
    let asked = proxy.asked();
    assert!(!asked.is_empty(), "the proxy was asked");
    for request in &asked {
        has(&request.to_lowercase(), &["http://aws.example.test/", "proxy-authorization: basic bwu6dg9wc2vjcmv0"]);
    }
    // A host in NO_PROXY is asked directly; here no such host exists.
    let before = proxy.asked().len();
    has(&said(plain().env("NO_PROXY", "x.org,.example.test"), 1), &["aws.example.test does not "]);
    assert_eq!(proxy.asked().len(), before);
    // AWS itself is asked through a tunnel, with the certificate of a box that inspects the traffic.
    let tunnel = Server::start(false, |_| "HTTP/1.1 200 Connection established\r\n\r\n".into());
    let through = |name: &str| {
        let mut command = home.with_keys(&["plan"]);
        command.env_remove("AWS_ENDPOINT_URL").env(name, format!("127.0.0.1:{}", tunnel.port)).env("AWS_CA_BUNDLE", CA);
        command
    };
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        has(&said(&mut through(name), 1), &["the server of the test refuses"]);
    }
    let asked = tunnel.asked();
    assert!(asked.iter().any(|a| a.starts_with("CONNECT sts.us-east-1.amazonaws.com:443")), "{asked:?}");
    assert!(asked.iter().any(|a| a.starts_with("tls POST / ") && a.contains("AKIDOFSHELL")), "{asked:?}");
    // Calls to the sandbox and other servers on this machine never go through the proxy.
    let near = Server::start(false, refused);
    let before = proxy.asked().len();
    has(
        &said(home.with_keys(&["plan"]).env("AWS_ENDPOINT_URL", near.url()).env("HTTP_PROXY", &url), 1),
        &["the server of the test refuses"],
    );
    assert_eq!(proxy.asked().len(), before);
}

#[test]
fn a_proxy_that_refuses_is_named() {
    let home = Home::new("");
    let plan = |url: &str| {
        let mut command = home.with_keys(&["plan"]);
        command.env_remove("AWS_ENDPOINT_URL").env("HTTPS_PROXY", url);
        command
    };
    let refuses = |status: &'static str| Server::start(false, move |_| reply(status, "", "no"));
    let wants = refuses("407 Proxy Authentication Required");
    let text = said(&mut plan(&wants.url()), 1);
    has(&text, &["the proxy http://127.0.0.1:", "(HTTPS_PROXY)", "requires a user name and a password", "407"]);
    let text = said(&mut plan(&format!("http://me:topsecret@127.0.0.1:{}", wants.port)), 1);
    has(&text, &["rejects this user name and password"]);
    for status in ["403 Forbidden", "502 Bad Gateway"] {
        let text = said(&mut plan(&refuses(status).url()), 1);
        has(&text, &["the proxy http://127.0.0.1:", "refuses to connect to", "NO_PROXY"]);
    }
    let text = said(&mut plan("http://127.0.0.1:9"), 1);
    has(&text, &["the proxy http://127.0.0.1:9 (HTTPS_PROXY) cannot be reached", "refused"]);
    for (url, why) in [("socks5://me:topsecret@p:1", "SOCKS"), ("http://me:topsecret@", "HTTPS_PROXY does not name")] {
        has(&said(&mut plan(url), 1), &["HTTPS_PROXY", why]);
    }
    // Rendering needs no proxy.
    said(home.gameday(&["render"]).env("HTTPS_PROXY", "socks5://p:1"), 0);
}

#[test]
fn certificates_are_trusted_as_the_bundle_says() {
    let server = Server::start(true, refused);
    let url = format!("https://localhost:{}", server.port);
    let home = Home::new(&format!("[default]\nca_bundle = {CA}\n[profile other]\nregion = eu-west-1\n"));
    let plain = Home::new("");
    let plan = |home: &Home| {
        let mut command = home.with_keys(&["plan"]);
        command.env("AWS_ENDPOINT_URL", &url);
        command
    };
    let trusted = "the server of the test refuses";
    for name in ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"] {
        has(&said(plan(&plain).env(name, CA), 1), &[trusted]);
    }
    has(&said(&mut plan(&home), 1), &[trusted]);
    has(&said(plan(&plain).env("AWS_CA_BUNDLE", CA).env("REQUESTS_CA_BUNDLE", "/nowhere"), 1), &[trusted]);
    let text = said(&mut plan(&plain), 1);
    has(&text, &["UnknownIssuer", "localhost:", "AWS_CA_BUNDLE=/path/to/ca.pem", "ca_bundle"]);
    let text = said(plan(&plain).env("AWS_CA_BUNDLE", OTHER_CA), 1);
    has(&text, &["UnknownIssuer", "AWS_CA_BUNDLE (", "other.pem"]);
    for (text, why) in [("", "is empty"), ("hello", "no certificate in PEM form")] {
        let file = plain.file("bad.pem", text);
        has(&said(plan(&plain).env("AWS_CA_BUNDLE", &file), 1), &["AWS_CA_BUNDLE", &file, why]);
    }
    for name in ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"] {
        has(&said(plan(&plain).env(name, "/nowhere/ca.pem"), 1), &[name, "/nowhere/ca.pem", "is not there"]);
    }
    let wrong = Home::new("[default]\nregion = us-east-1\nca_bundle = /nowhere/ca.pem\n");
    has(&said(&mut plan(&wrong), 1), &["ca_bundle", "config, line 3", "is not there"]);
    // The certificate is for another name. Only Linux has several local addresses.
    if cfg!(target_os = "linux") {
        let other = url.replace("localhost", "127.0.0.2");
        let text = said(plan(&plain).env("AWS_ENDPOINT_URL", other).env("AWS_CA_BUNDLE", CA), 1);
        has(&text, &["the certificate of 127.0.0.2:"]);
    }
}

/// Profiles with a mistake, and the parts of the error: always with file and line.
const MISTAKES: &[(&str, &str, &[&str])] = &[
    (
        "a1",
        "role_arn = arn:aws:iam::111122223333:role/Admin\nsource_profile = gone",
        &["source_profile gone", "does not exist", "line 3"],
    ),
    (
        "a2",
        "role_arn = arn:aws:iam::111122223333:role/Admin",
        &["nothing to assume the role with", "source_profile", "line 2"],
    ),
    ("a3", "aws_access_key_id = AKIABASE", &["no aws_secret_access_key", "line 2"]),
    (
        "a4",
        "sso_session = nowhere\nsso_account_id = 111122223333\nsso_role_name = Admin",
        &["sso_session nowhere", "does not exist", "line 2"],
    ),
    (
        "a5",
        "role_arn = arn:aws:iam::111122223333:role/A\nsource_profile = a6\n[profile a6]\nrole_arn = arn:aws:iam::111122223333:role/A\nsource_profile = a5",
        &["circle", "a5 -> a6 -> a5", "line 6"],
    ),
    (
        "a7",
        "sso_start_url = https://example.awsapps.com/start\nsso_region = eu-west-1\nsso_account_id = 111122223333",
        &["sso_role_name", "line 1"],
    ),
    (
        "a9",
        "role_arn = arn:aws:iam::111122223333:role/Admin\ncredential_source = EcsContainers",
        &["EcsContainers is not a credential_source", "did you mean EcsContainer?", "line 3"],
    ),
    ("b1", "role_arn = arn:aws:iam::111122223333:role/Admin\nsource_profile = b1", &["circle", "b1 -> b1", "line 3"]),
    (
        "b2",
        "role_arn = arn:aws:iam::111122223333:role/Admin\nsource_profile = x\ncredential_source = Environment",
        &["both source_profile", "line 3", "line 4"],
    ),
    ("b3", "aws_secret_access_key = topsecret", &["no aws_access_key_id", "line 2"]),
    (
        "b4",
        "role_arn = arn:aws:iam::111122223333:role/Admin\nsource_profile = b5\n[profile b5]\nregion = eu-west-1",
        &["source_profile b5", "no credentials", "line 4"],
    ),
    (
        "b6",
        "role_arn = arn:aws:iam::111122223333:role/Admin\nweb_identity_token_file = /nowhere/token",
        &["web_identity_token_file", "/nowhere/token", "is not there", "line 3"],
    ),
    ("b7", "credential_process = false", &["credential_process", "fails", "exit status: 1", "line 2"]),
    ("b8", "credential_process = echo hello", &["credential_process", "prints no credentials as JSON", "line 2"]),
    ("b9", "credential_process = /nowhere/tool --key topsecret 2>/dev/null", &["credential_process", "127", "line 2"]),
    ("c1", "aws_access_key_id =\naws_secret_access_key = topsecret", &["aws_access_key_id", "is empty", "line 2"]),
    (
        "c2",
        "aws_access_key_id = \"AKIABASE\"\naws_secret_access_key = y",
        &["aws_access_key_id", "a quotation mark", "line 2"],
    ),
    ("c3", "aws_access_key_id = AKIABASE\n  aws_secret_access_key = topsecret", &["indented", "line 3"]),
    ("c4", "this is no property\naws_access_key_id = AKIABASE", &["line 2", "neither"]),
    (
        "c5",
        "aws_access_key_id = AKIABASE\naws_secret_access_key = y\nservices = nowhere",
        &["services nowhere", "line 4"],
    ),
    ("c6", "role_arn = Admin\nsource_profile = x", &["not the ARN of a role", "line 2"]),
    ("c7", "role_arn =\nsource_profile = x", &["role_arn", "is empty", "line 2"]),
    ("c8", "source_profile = x", &["no role_arn", "line 2"]),
    (
        "c9",
        "sso_session = s\nsso_account_id = 1\nsso_role_name = A\n[sso-session s]\nsso_region = eu-west-1",
        &["its sso-session", "sso_start_url", "line 5"],
    ),
    (
        "d1",
        "role_arn = arn:aws:iam::111122223333:role/Admin\ncredential_source = Environment",
        &["AWS_ACCESS_KEY_ID is not set", "line 3"],
    ),
    (
        "d2",
        "role_arn = arn:aws:iam::111122223333:role/A\nsource_profile = x\nduration_seconds = 1h",
        &["duration_seconds", "line 4"],
    ),
    ("d3", "aws_access_key_id = A\naws_access_key_id = B\naws_secret_access_key = y", &["line 3", "already"]),
    ("d4", "login_session =", &["login_session", "is empty", "line 2"]),
    (
        "d5",
        "login_session = arn:aws:iam::111122223333:user/anna",
        &[
            "login_session",
            "line 2",
            "`aws login --profile d5`",
            "aws configure export-credentials --profile d5 --format env",
        ],
    ),
    (
        "d6",
        "sso_session = s\nsso_account_id = 111122223333\nsso_role_name = A\n[sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://x.awsapps.com/start",
        &["SSO", "nobody is logged in", "`aws sso login --profile d6`", "line 1"],
    ),
    ("d7", "region = eu-west-1", &["the profile d7 in", "has no credentials"]),
];

#[test]
fn a_mistake_in_a_profile_is_one_sentence_with_its_place() {
    for (name, text, parts) in MISTAKES {
        let home = Home::new(&format!("[profile {name}]\n{text}\n"));
        let text = said(&mut home.gameday(&["--profile", name, "plan"]), 1);
        has(&text, parts);
        has(&text, &[name, "help:"]);
        if parts.iter().any(|p| p.starts_with("line ")) {
            has(&text, &["config, line "]);
        }
        assert_eq!(text.matches("error").count(), 1, "{name}: once\n{text}");
        // `AWS_PROFILE` gives the same error, and so does a profile that has this one as its source.
        has(&said(home.gameday(&["plan"]).env("AWS_PROFILE", name), 1), parts);
    }
}

#[test]
fn files_are_read_as_boto3_reads_them() {
    for (what, profile, text) in [
        ("spaces", "team", "[profile team]\n aws_access_key_id = AKIDOFFILE\n aws_secret_access_key = topsecret\n"),
        ("tabs", "team", "[profile team]\n\taws_access_key_id = AKIDOFFILE\n\taws_secret_access_key = topsecret\n"),
        (
            "blank",
            "team",
            "[profile team]\n\u{a0}\naws_access_key_id = AKIDOFFILE\naws_secret_access_key = topsecret\n",
        ),
        ("BOM", "default", "\u{feff}[default]\naws_access_key_id = AKIDOFFILE\naws_secret_access_key = topsecret\n"),
        ("CRLF", "team", "[profile team]\r\naws_access_key_id = AKIDOFFILE\r\naws_secret_access_key = topsecret\r\n"),
        (
            "bad line",
            "team",
            "[profile x]\nthis is no property\n[profile team]\naws_access_key_id = AKIDOFFILE\naws_secret_access_key = topsecret \n",
        ),
        (
            "quotes",
            "My MacBook Pro",
            "[profile 'My MacBook Pro']\naws_access_key_id = AKIDOFFILE\naws_secret_access_key = topsecret\n",
        ),
        (
            "double quotes",
            "My MacBook Pro",
            "[profile \"My MacBook Pro\"]\naws_access_key_id = AKIDOFFILE\naws_secret_access_key = topsecret\n",
        ),
        ("accents", "équipe", "[profile équipe]\naws_access_key_id = AKIDOFFILE\naws_secret_access_key = topsecret\n"),
        ("case", "team", "[profile team]\nAWS_ACCESS_KEY_ID: AKIDOFFILE\nAws_Secret_Access_Key: topsecret\n"),
        (
            "services",
            "team",
            "[profile team]\naws_access_key_id = AKIDOFFILE\naws_secret_access_key = topsecret\nservices = s\n[services s]\ns3 =\n  endpoint_url = http://localhost:1\n",
        ),
        (
            "process",
            "team",
            "[profile team]\ncredential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"AKIDOFFILE\", \"SecretAccessKey\": \"topsecret\"}'\n",
        ),
    ] {
        let server = Server::start(false, refused);
        let home = Home::new(text);
        said(home.gameday(&["--profile", profile, "plan"]).env("AWS_ENDPOINT_URL", server.url()), 1);
        let asked = server.asked();
        assert!(!asked.is_empty() && asked.iter().all(|a| a.contains("Credential=AKIDOFFILE/")), "{what}: {asked:?}");
    }
    let odd = Home::new("[team]\nregion = eu-west-1\n[profile My Mac]\nregion = eu-west-1\n");
    has(
        &said(&mut odd.gameday(&["--profile", "team", "plan"]), 1),
        &["write [profile team] instead of [team]", "line 1"],
    );
    has(&said(&mut odd.gameday(&["--profile", "A Mac", "plan"]), 1), &["there is no profile A Mac", "My Mac"]);
    let none = Home::new("");
    has(&said(&mut none.gameday(&["--profile", "A Mac", "plan"]), 1), &["`aws configure --profile 'A Mac'`"]);
    let latin = Home::new("");
    latin.file("config", b"[profile team]\nregion = \xe9\n");
    has(&said(&mut latin.gameday(&["--profile", "team", "plan"]), 1), &["is not UTF-8 text (line 2)"]);
    // Keys in the environment need no file. A profile that is named has to exist.
    let broken = Home::new("[profile x\nthis is no property\n");
    let server = Server::start(false, refused);
    has(
        &said(broken.with_keys(&["plan"]).env("AWS_ENDPOINT_URL", server.url()), 1),
        &["the server of the test refuses"],
    );
    has(&said(none.with_keys(&["plan"]).env("AWS_PROFILE", "nope"), 1), &["there is no profile nope"]);
    said(broken.gameday(&["render"]).env("AWS_PROFILE", "nope"), 0);
}

#[test]
fn half_of_the_environment_is_told_by_its_names() {
    let home = Home::new("");
    for (variables, parts) in [
        (&[("AWS_ACCESS_KEY_ID", "x")][..], &["AWS_SECRET_ACCESS_KEY is not"][..]),
        (&[("AWS_SECRET_ACCESS_KEY", "topsecret")], &["AWS_ACCESS_KEY_ID is not"]),
        (
            &[("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "'topsecret'")],
            &["AWS_SECRET_ACCESS_KEY has a quotation mark"],
        ),
        (
            &[("AWS_ACCESS_KEY_ID", "x\u{a0}"), ("AWS_SECRET_ACCESS_KEY", "y")],
            &["AWS_ACCESS_KEY_ID has a no-break space"],
        ),
        (
            &[("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/t")],
            &["AWS_WEB_IDENTITY_TOKEN_FILE names /nowhere/t", "is not there"],
        ),
        (&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/t")], &["AWS_ROLE_ARN is not"]),
        (&[], &["no AWS credentials found", "--profile", "aws sso login", "AWS_ACCESS_KEY_ID"]),
    ] {
        let mut command = home.gameday(&["plan"]);
        command.envs(variables.iter().copied());
        has(&said(&mut command, 1), parts);
    }
    // Whitespace around a copied key is removed.
    let server = Server::start(false, refused);
    let mut command = home.gameday(&["plan"]);
    command.env("AWS_ACCESS_KEY_ID", " AKIDOFSHELL\r\n").env("AWS_SECRET_ACCESS_KEY", "topsecret \n");
    has(&said(command.env("AWS_ENDPOINT_URL", server.url()), 1), &["the server of the test refuses"]);
    assert!(server.asked().iter().all(|a| a.contains("Credential=AKIDOFSHELL/")));
}

const MFA: &str = "[profile base]\naws_access_key_id = AKIDOFBASE\naws_secret_access_key = topsecret\n\
                   [profile mfa]\nrole_arn = arn:aws:iam::111122223333:role/Admin\nsource_profile = base\n\
                   mfa_serial = arn:aws:iam::111122223333:mfa/anna\nexternal_id = ext-1\n";

/// Answers AssumeRole for every role, and refuses all other calls.
fn sts(asked: &str) -> String {
    if !asked.contains("Action=AssumeRole&") {
        return refused(asked);
    }
    let xml = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKIDOFROLE</AccessKeyId><SecretAccessKey>topsecret\
               </SecretAccessKey><SessionToken>topsecret</SessionToken><Expiration>2126-01-01T00:00:00Z</Expiration></Credentials>\
               </AssumeRoleResult></AssumeRoleResponse>";
    reply("200 OK", "Content-Type: text/xml\r\n", xml)
}

#[test]
fn a_role_that_wants_mfa_gets_the_code_that_is_typed() {
    let (home, server) = (Home::new(MFA), Server::start(false, sts));
    let text = said(home.gameday(&["--profile", "mfa", "plan"]).env("AWS_ENDPOINT_URL", server.url()), 1);
    has(
        &text,
        &[
            "arn:aws:iam::111122223333:mfa/anna",
            "no terminal to ask on",
            "aws configure export-credentials --profile mfa --format env",
        ],
    );
    assert!(server.asked().is_empty(), "nothing was asked of AWS");

    let (mut terminal, inside) = pty_process::blocking::open().expect("a terminal");
    let plan = home.gameday(&["--profile", "mfa", "plan"]);
    let mut command = pty_process::blocking::Command::new(plan.get_program()).args(plan.get_args());
    command = command.current_dir(home.0.path()).env_remove("CI");
    for (name, value) in plan.get_envs() {
        command = match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child = command.env("AWS_ENDPOINT_URL", server.url()).spawn(inside).expect("gameday starts");
    let mut seen = vec![];
    let mut typed = false;
    let mut buffer = [0; 1024];
    // The terminal closes when the process ends.
    while let Ok(n @ 1..) = terminal.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..n]);
        if !typed && String::from_utf8_lossy(&seen).contains("MFA code of arn:aws:iam::111122223333:mfa/anna") {
            typed = true;
            terminal.write_all(b"123 456\n").expect("it is typed");
        }
    }
    child.wait().expect("it ends");
    let seen = String::from_utf8_lossy(&seen);
    has(&seen, &["the server of the test refuses"]);
    assert_eq!(seen.matches("MFA code of").count(), 1, "asked once: {seen}");
    let asked = server.asked();
    let assumed: Vec<&String> = asked.iter().filter(|a| a.contains("Action=AssumeRole&")).collect();
    assert_eq!(assumed.len(), 1, "{asked:?}");
    has(
        assumed[0],
        &[
            "TokenCode=123456",
            "SerialNumber=arn%3Aaws%3Aiam%3A%3A111122223333%3Amfa%2Fanna",
            "ExternalId=ext-1",
            "AKIDOFBASE",
        ],
    );
    assert!(
        asked.len() > 1 && asked.iter().filter(|a| a.contains("Credential=AKIDOFROLE/")).count() == asked.len() - 1
    );
}

#[test]
fn roles_are_assumed_along_their_chain() {
    let chain = "[profile base]\naws_access_key_id = AKIDOFBASE\naws_secret_access_key = topsecret\n\
                 [profile mid]\nrole_arn = arn:aws:iam::111122223333:role/Mid\nsource_profile = base\nrole_session_name = me\n\
                 [profile top]\nrole_arn = arn:aws:iam::111122223333:role/Top\nsource_profile = mid\nduration_seconds = 1800\n\
                 [profile self]\nrole_arn = arn:aws:iam::111122223333:role/Self\nsource_profile = self\naws_access_key_id = AKIDOFBASE\n\
                 aws_secret_access_key = topsecret\n";
    let (home, server) = (Home::new(chain), Server::start(false, sts));
    said(home.gameday(&["--profile", "top", "plan"]).env("AWS_ENDPOINT_URL", server.url()), 1);
    let asked = server.asked();
    has(&asked[0], &["role%2FMid", "RoleSessionName=me", "AKIDOFBASE"]);
    has(&asked[1], &["role%2FTop", "DurationSeconds=1800", "AKIDOFROLE"]);
    said(home.gameday(&["plan"]).env("AWS_PROFILE", "self").env("AWS_ENDPOINT_URL", server.url()), 1);
    has(&server.asked()[asked.len()], &["role%2FSelf", "AKIDOFBASE"]);
    // A refusal names the role, its profile and its line.
    let no = Server::start(false, |asked| {
        error(asked, "403 Forbidden", "AccessDenied", "User x is not authorized to perform: sts:AssumeRole")
    });
    let text = said(home.gameday(&["--profile", "mid", "plan"]).env("AWS_ENDPOINT_URL", no.url()), 1);
    has(&text, &["AssumeRole failed", "role/Mid", "the profile mid", "line 5", "mfa_serial"]);
    assert_eq!(no.asked().len(), 1, "asked once");
}

#[test]
fn a_login_is_used_as_long_as_it_is_good() {
    let session = "arn:aws:iam::111122223333:user/anna";
    let home = Home::new(&format!("[profile team]\nlogin_session = {session}\n"));
    std::fs::create_dir_all(home.path("cache")).expect("a folder");
    // AWS names the file by the SHA-256 of the session's name.
    let hash = {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(session);
        digest.iter().map(|b| format!("{b:02x}")).collect::<String>()
    };
    let token = |end: &str| {
        format!(
            r#"{{"accessToken": {{"accessKeyId": "AKIDOFLOGIN", "secretAccessKey": "topsecret", "sessionToken": "topsecret", "accountId": "111122223333", "expiresAt": "{end}"}}, "refreshToken": "topsecret"}}"#
        )
    };
    let run = |end: &str| {
        home.file(&format!("cache/{hash}.json"), token(end));
        let server = Server::start(false, refused);
        let mut command = home.gameday(&["--profile", "team", "plan"]);
        command
            .env("AWS_LOGIN_CACHE_DIRECTORY", home.path("cache"))
            .env("AWS_ENDPOINT_URL", server.url())
            .env("PATH", "/usr/bin:/bin");
        (said(&mut command, 1), server.asked())
    };
    let (_, asked) = run("2126-01-01T00:00:00Z");
    assert!(!asked.is_empty() && asked.iter().all(|a| a.contains("Credential=AKIDOFLOGIN/")), "{asked:?}");
    let (text, asked) = run("2020-01-01T00:00:00Z");
    has(&text, &["has ended", "`aws login --profile team`"]);
    assert!(asked.is_empty());
}

#[test]
fn a_clock_a_closed_region_and_wrong_keys_are_told_apart() {
    let home = Home::new("");
    let run = |status: &'static str, code: &'static str, message: &'static str, region: &str| {
        let server = Server::start(false, move |asked| error(asked, status, code, message));
        said(home.with_keys(&["--region", region, "plan"]).env("AWS_ENDPOINT_URL", server.url()), 1)
    };
    let behind =
        "Signature expired: 20261129T100000Z is now earlier than 20261129T131500Z (20261129T133000Z - 15 min.)";
    for (status, code) in [("403 Forbidden", "SignatureDoesNotMatch"), ("400 Bad Request", "InvalidSignatureException")]
    {
        has(&run(status, code, behind, "us-east-1"), &["3 h 30 min behind AWS's", "timedatectl"]);
    }
    let skewed = run(
        "403 Forbidden",
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
        "us-east-1",
    );
    has(&skewed, &["clock"]);
    let wrong = run(
        "403 Forbidden",
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match",
        "us-east-1",
    );
    has(&wrong, &["secret key"]);
    assert!(!wrong.contains("clock"), "{wrong}");
    for (region, code) in [
        ("ap-east-1", "InvalidClientTokenId"),
        ("eu-south-2", "UnrecognizedClientException"),
        ("me-central-1", "AuthFailure"),
        ("il-central-1", "OptInRequired"),
    ] {
        let text = run("403 Forbidden", code, "The security token included in the request is invalid.", region);
        has(&text, &[&format!("aws account enable-region --region-name {region}`")]);
    }
    assert!(!run("403 Forbidden", "InvalidClientTokenId", "invalid", "eu-west-1").contains("enable-region"));
    // The SDK corrects the clock by the Date of an answer. If that does not help, the clock is still the cause.
    let server = Server::start(false, |asked| {
        let date = "Date: Wed, 01 Jan 2020 00:00:00 GMT\r\n";
        dated(asked, "401 Unauthorized", "AuthFailure", "AWS was not able to validate", date)
    });
    has(&said(home.with_keys(&["plan"]).env("AWS_ENDPOINT_URL", server.url()), 1), &["days ahead of AWS's"]);
}

#[test]
fn fips_and_dual_stack_are_passed_on_but_not_to_an_endpoint_of_one_s_own() {
    let home = Home::new("[default]\nuse_fips_endpoint = true\n[profile dual]\nuse_dualstack_endpoint = true\n");
    let plain = Home::new("");
    let server = Server::start(false, refused);
    for name in ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"] {
        has(
            &said(plain.with_keys(&["plan"]).env(name, "true").env("AWS_ENDPOINT_URL", server.url()), 1),
            &["the server of the test refuses"],
        );
    }
    has(&said(home.with_keys(&["plan"]).env("AWS_ENDPOINT_URL", server.url()), 1), &["the server of the test refuses"]);
    let proxy = Server::start(false, |_| reply("403 Forbidden", "", "no"));
    let asks = |command: &mut Command, host: &str| {
        let before = proxy.asked().len();
        said(command.env_remove("AWS_ENDPOINT_URL").env("HTTPS_PROXY", proxy.url()), 1);
        let asked = proxy.asked();
        assert!(asked[before..].iter().any(|a| a.contains(&format!("CONNECT {host}:443"))), "{host}: {asked:?}");
    };
    asks(plain.with_keys(&["plan"]).env("AWS_USE_FIPS_ENDPOINT", "true"), "sts-fips.us-east-1.amazonaws.com");
    asks(&mut home.with_keys(&["plan"]), "sts-fips.us-east-1.amazonaws.com");
    asks(home.with_keys(&["plan"]).env("AWS_PROFILE", "dual"), "sts.us-east-1.api.aws");
    // Names do not resolve here, and this region has no such endpoint.
    let text = said(
        plain
            .with_keys(&["--region", "eu-west-1", "plan"])
            .env("AWS_USE_FIPS_ENDPOINT", "true")
            .env_remove("AWS_ENDPOINT_URL")
            .env("NO_PROXY", "*"),
        1,
    );
    has(&text, &["-fips.eu-west-1.amazonaws.com does not ", "a FIPS endpoint in eu-west-1", "AWS_USE_FIPS_ENDPOINT"]);
}

#[test]
fn the_region_is_the_file_s_or_that_of_other_aws_tools() {
    let home = Home::new("[default]\nregion = sa-east-1\n[profile seoul]\nregion = ap-northeast-2\n");
    let none = Home::new("");
    let region = |command: &mut Command| {
        let text = said(command.args(["render", "user-data"]), 0);
        let told = text.split("export AWS_REGION=").nth(1).and_then(|rest| rest.split_whitespace().next());
        told.expect("the instances are told").to_owned()
    };
    assert_eq!(region(&mut none.gameday(&[])), "us-east-1");
    assert_eq!(region(&mut home.gameday(&[])), "sa-east-1");
    assert_eq!(region(&mut home.gameday(&["--profile", "seoul"])), "ap-northeast-2");
    assert_eq!(region(home.gameday(&[]).env("AWS_PROFILE", "seoul")), "ap-northeast-2");
    let both = |command: &mut Command| {
        let command =
            command.env("AWS_REGION", "eu-west-3").env("AWS_DEFAULT_REGION", "eu-north-1").env("AWS_PROFILE", "seoul");
        region(command)
    };
    assert_eq!(both(&mut home.gameday(&[])), "eu-west-3");
    assert_eq!(both(&mut home.gameday(&["--sandbox"])), "eu-west-3", "the sandbox is no exception");
    assert_eq!(region(home.gameday(&[]).env("AWS_DEFAULT_REGION", "eu-north-1")), "eu-north-1");
    assert_eq!(region(home.gameday(&[]).env("AWS_REGION", "").env("AWS_DEFAULT_REGION", "eu-north-1")), "eu-north-1");
    assert_eq!(both(&mut home.gameday(&["--region", "us-west-2"])), "us-west-2");
    // The file's region wins, with a warning.
    home.file("min.toml", format!("region = \"ca-central-1\"\n{STACK}"));
    assert_eq!(both(&mut home.gameday(&[])), "ca-central-1");
    let warned = said(home.gameday(&["render"]).env("AWS_REGION", "eu-west-3"), 0);
    has(&warned, &["region_elsewhere", "ca-central-1", "AWS_REGION has \"eu-west-3\"", "the stack file has priority"]);
    has(&said(&mut home.gameday(&["--profile", "seoul", "render"]), 0), &["profile seoul has \"ap-northeast-2\""]);
    for args in [&["--region", "eu-west-3", "render"][..], &["--region", "us-west-2", "render"]] {
        assert!(
            !said(home.gameday(args).env("AWS_REGION", "eu-west-3"), 0).contains("region_elsewhere"),
            "it was typed"
        );
    }
    let same =
        said(home.gameday(&["render"]).env("AWS_REGION", "ca-central-1").env("AWS_DEFAULT_REGION", "eu-west-1"), 0);
    assert!(!same.contains("region_elsewhere"), "{same}");
    // A region that does not exist is reported before any call.
    let wrong = said(none.with_keys(&["plan"]).env("AWS_REGION", "us-esat-1"), 2);
    has(&wrong, &["AWS_REGION: \"us-esat-1\" is not an AWS region", "did you mean \"us-east-1\"?"]);
    has(&said(&mut none.with_keys(&["--region", "eu-wset-1", "plan"]), 2), &["--region: \"eu-wset-1\""]);
}
