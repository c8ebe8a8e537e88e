//! The inputs of the user data: everything that an instance has to know to serve.
use crate::hidden::DOTS;
use gameday_config::{CacheEngine, DatabaseEngine, Run};
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, fmt, path::PathBuf};

/// Everything that an instance has to know to serve. Values that are not known yet can be texts in parentheses.
#[derive(Clone, Debug, Serialize)]
pub struct Boot {
    pub stack: String,
    /// The service's name; its systemd unit is `gameday-NAME.service`.
    pub service: String,
    pub region: String,
    pub run: Run,
    /// `https://…`, `s3://…`, or a container image.
    pub source: String,
    pub sha256: Option<String>,
    /// The command instead of `./server`, in the working directory. For a container, the words after the image.
    pub command: Option<String>,
    /// Environment variables. Values can contain `{{ }}` expressions.
    pub env: BTreeMap<String, String>,
    /// Packages to install before the service starts.
    pub packages: Vec<String>,
    /// Names of log files beside `app_log`.
    pub log_files: Vec<String>,
    /// Processes of the service on each machine. With more than one, a proxy has `port`, and each has a port of its own.
    pub copies: u32,
    /// The requests that one of several copies gets at the same time.
    pub connections: u32,
    pub port: u16,
    pub health_path: String,
    /// The codes of a healthy answer.
    pub health_codes: String,
    /// A file that replaces the shipped `server.ini.j2`, relative to the stack file. Its name decides if it is a
    /// template.
    pub config: Option<PathBuf>,
    /// A script that replaces the shipped `user-data.sh.j2`, with the same rules.
    pub user_data: Option<PathBuf>,
    pub database: Option<Database>,
    pub cache: Option<Cache>,
    pub files: Option<Files>,
    pub logs: Option<Logs>,
    /// True if the service is allowed to use the instance metadata.
    pub metadata: bool,
    /// The ranges of the VPC, and ranges used in it.
    pub vpc: Vec<String>,
    pub limits: Limits,
    /// True for a machine that becomes an image: it installs and downloads, reads no secret, and switches itself off.
    pub bake: bool,
}

impl Boot {
    /// Returns a service without needs. The other fields are filled in with `..`.
    pub fn new(stack: &str, service: &str, source: &str) -> Self {
        Self {
            stack: stack.into(),
            service: service.into(),
            region: "us-east-1".into(),
            run: Run::Binary,
            source: source.into(),
            sha256: None,
            command: None,
            env: BTreeMap::new(),
            packages: vec![],
            log_files: vec![],
            copies: 1,
            connections: 5,
            port: 80,
            health_path: "/healthcheck".into(),
            health_codes: "200-399".into(),
            config: None,
            user_data: None,
            database: None,
            cache: None,
            files: None,
            logs: None,
            metadata: false,
            vpc: vec!["10.0.0.0/16".into()],
            limits: Limits::default(),
            bake: false,
        }
    }

    /// Returns the systemd unit of the service.
    pub fn unit(&self) -> String {
        format!("gameday-{}.service", self.service)
    }
}

/// The database and its users.
#[derive(Clone, Debug, Serialize)]
pub struct Database {
    pub engine: DatabaseEngine,
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub app_password: SecretSource,
    /// The time of the last change of that parameter. A new password changes the user data, and so reaches running
    /// machines.
    pub app_password_set: Option<String>,
    pub master_user: String,
    /// `None` for an existing database, which is only read.
    pub master_password: Option<SecretSource>,
    /// SQL files to run once after the schema: name and text. A name that ends in `.j2` is a template.
    pub sql: Vec<(String, Vec<u8>)>,
    /// Texts that no row is allowed to contain.
    pub refuse: Vec<String>,
}

/// The address of the cache.
#[derive(Clone, Debug, Serialize)]
pub struct Cache {
    pub engine: CacheEngine,
    /// The host for clients that know only one: of memcached the first node.
    pub host: String,
    pub port: u16,
    /// `host:port` of each server among which clients divide the keys, in the same order on every instance.
    pub nodes: Vec<String>,
}

impl Cache {
    /// Returns a cache with one address.
    pub fn at(engine: CacheEngine, host: &str, port: u16) -> Self {
        Self { engine, host: host.into(), port, nodes: vec![format!("{host}:{port}")] }
    }
}

/// The shared file system.
#[derive(Clone, Debug, Serialize)]
pub struct Files {
    pub file_system: String,
    /// With an access point, the EFS mount helper mounts it over TLS. Without one, NFS mounts the root.
    pub access_point: Option<String>,
    /// The mount point.
    pub path: String,
    /// Addresses by Availability Zone.
    pub mount_targets: BTreeMap<String, String>,
}

/// CloudWatch log groups. Only with an instance profile.
#[derive(Clone, Debug, Serialize)]
pub struct Logs {
    pub app_group: String,
    pub boot_group: String,
}

/// The source of a password on the machine.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The name of an SSM SecureString parameter, which the instance's role can read.
    Parameter(String),
    /// The password itself, in the user data. Only without an instance profile.
    Literal(String),
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(name) => f.debug_tuple("Parameter").field(name).finish(),
            Self::Literal(_) => f.write_str("Literal(••••••••)"),
        }
    }
}

impl Serialize for SecretSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Parameter(name) => name,
            Self::Literal(_) => DOTS,
        })
    }
}

/// Seconds after which the beacon reports a stage as failed, and between further tries.
#[derive(Clone, Debug, Serialize)]
pub struct Limits {
    pub packages: u32,
    pub files: u32,
    pub secrets: u32,
    pub fetch: u32,
    pub config: u32,
    pub database: u32,
    pub cache: u32,
    pub service: u32,
    pub agent: u32,
    pub pause: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packages: 120,
            files: 45,
            secrets: 60,
            fetch: 180,
            config: 20,
            database: 120,
            cache: 60,
            service: 60,
            agent: 120,
            pause: 10,
        }
    }
}
