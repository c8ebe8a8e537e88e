//! The model of `gameday.toml`.
//!
//! The JSON schema, the check of names and types, and the typed values come from these structs. What types cannot
//! express is in `rules`.
use crate::Identities;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Objects that the command line assigns to the stack, whatever their tags and names are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// The id or name of the object to adopt, by step.
    pub adopt: BTreeMap<String, String>,
    /// Ids and names of objects to delete with the stack.
    pub delete: BTreeSet<String>,
}

/// One stack: a web service on AWS and everything it needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The stack's name. Part of every AWS name, and the value of the tag `gameday:stack`.
    pub name: String,
    /// The AWS region everything is built in. Without it AWS_REGION, the profile or us-east-1 decides.
    #[serde(default = "default::region")]
    pub region: String,
    /// Availability Zones by name. Empty: the first two that offer the instance class.
    #[serde(default)]
    pub zones: Vec<String>,
    /// When the first request comes: a time today such as "10:00" (local time), or an RFC 3339 date-time.
    #[serde(default)]
    pub traffic_at: Option<String>,
    /// Extra tags for everything gameday creates.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// What the keys of gameday's own tags begin with: `gameday:stack`, `gameday:step`. Change it if your organisation
    /// forbids the colon or prescribes another prefix, such as `event-`.
    #[serde(default = "default::tag_prefix")]
    pub tag_prefix: String,
    /// Exact names that the event prescribes, by step: `"database/main" = "apdev-rds-instance"`.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// Objects assigned on the command line. Not a key of the file.
    #[serde(skip)]
    pub given: Claims,
    /// The names in the keys of the services' existing steps. Not a key of the file.
    #[serde(skip)]
    pub identities: Identities,
    /// The VPC and its subnets.
    #[serde(default)]
    pub network: Network,
    /// Who is allowed to reach what from outside.
    #[serde(default)]
    pub access: Access,
    /// The load balancer.
    #[serde(default)]
    pub balancer: Balancer,
    /// The RDS instance.
    #[serde(default)]
    pub database: Database,
    /// The ElastiCache cache.
    #[serde(default)]
    pub cache: Cache,
    /// The EFS file system that the instances share.
    #[serde(default)]
    pub files: Files,
    /// The CloudFront distribution before the load balancer.
    #[serde(default)]
    pub cdn: Cdn,
    /// The name of the service. Without it the load balancer's own name is its address.
    #[serde(default)]
    pub dns: Option<Dns>,
    /// Where the database passwords are kept.
    #[serde(default)]
    pub secrets: Secrets,
    /// The instance profile.
    #[serde(default)]
    pub iam: Iam,
    /// Alarms, dashboard, logs.
    #[serde(default)]
    pub monitoring: Monitoring,
    /// The services, by name, behind one load balancer.
    #[serde(default)]
    pub service: BTreeMap<String, Service>,
}

/// The way in which gameday handles a group of the stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// gameday creates it, keeps it as described and deletes it at teardown.
    #[default]
    Create,
    /// It exists already: gameday reads it, but never changes or deletes it.
    Use,
    /// The stack does without it.
    Off,
}

/// The way in which gameday handles a group that no stack can do without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// gameday creates it, keeps it as described and deletes it at teardown.
    #[default]
    Create,
    /// It exists already: gameday reads it, but never changes or deletes it.
    Use,
}

/// The VPC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Create it, or use one that exists.
    pub mode: Origin,
    /// With `mode = "use"`: the id of an existing VPC, or `default` for the account's default VPC.
    pub vpc: Option<String>,
    /// The VPC's IPv4 range, /16 to /24 (with `mode = "create"`).
    pub cidr: String,
    /// Ranges of the public subnets, one per zone. Empty: cut from `cidr`, a /24 each where there is room.
    pub public: Vec<String>,
    /// Ranges of the private subnets for data (no route to the internet), one per zone. Empty: cut from `cidr`.
    pub private: Vec<String>,
    /// Whether the instances have public addresses.
    pub instances: Instances,
    /// How instances without public addresses reach out (with `mode = "create"`).
    pub egress: Egress,
    /// Ranges of the subnets of instances without public addresses, one per zone. Empty: cut from `cidr`.
    pub app: Vec<String>,
}

/// The place of the instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Instances {
    /// In public subnets, each with a public address.
    #[default]
    Public,
    /// In subnets of their own, without public addresses.
    Private,
}

/// The way out of the VPC for instances without public addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Egress {
    /// One NAT gateway, in the first zone.
    #[default]
    Nat,
    /// A NAT gateway in each zone, so that a lost zone cuts off no other one.
    NatPerZone,
    /// No way to the internet: only to the AWS services that the instances need.
    Endpoints,
}

/// Who is allowed to reach what from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Who is allowed to reach the load balancer: CIDRs, and prefix lists by id (`pl-…`) or by AWS's name. The default
    /// of an internal balancer is the VPC's range.
    pub http: Vec<String>,
    /// CIDRs and prefix lists that are allowed to reach port 22 of the instances. Empty: nobody.
    pub ssh: Vec<String>,
    /// The name of an existing EC2 key pair for the instances.
    pub key_pair: Option<String>,
}

/// The load balancer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Balancer {
    /// Who can reach it: everybody on the internet, or only the VPC and the networks connected to it.
    pub scheme: Scheme,
    /// Requests that are answered with 403 before any service sees them: those that meet all conditions of an entry.
    pub block: Vec<Block>,
    /// HTTPS on port 443, with a certificate. Without it there is only HTTP on port 80.
    pub tls: Option<Tls>,
}

/// HTTPS at the load balancer. Exactly one of `certificate`, `domain` and `self_signed` has to be given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The ARN of an existing ACM certificate. It is used, and never changed or deleted.
    pub certificate: Option<String>,
    /// A domain (`app.example.com`, `*.example.com`) for which gameday requests a certificate from ACM. The domain's zone
    /// has to be a public hosted zone of the account: a record in it proves the domain, and ACM renews the certificate
    /// as long as the record stands.
    pub domain: Option<String>,
    /// The id (`Z…`) of that hosted zone, if several have the same name. Empty: the nearest one that has the domain.
    pub zone: Option<String>,
    /// A certificate that gameday makes and imports into ACM, for events without a domain. Clients have to skip the
    /// check of the certificate. It is renewed by `up` within 30 days of its end.
    pub self_signed: bool,
    /// Requests on port 80 are redirected to HTTPS. Otherwise they are answered there, too.
    pub redirect: bool,
}

/// The name of the service: an alias record in a hosted zone of the account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// The host name that points at the load balancer, such as `app.example.com`.
    pub name: String,
    /// The id (`Z…`) of the hosted zone, if several have the same name. Empty: the nearest one that has the name; of an
    /// internal balancer a private one of its VPC comes first.
    #[serde(default)]
    pub zone: Option<String>,
}

/// The scheme of the load balancer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// With public addresses.
    #[default]
    Public,
    /// With private addresses only.
    Internal,
}

/// Requests that the load balancer refuses. A request has to meet every condition that is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Block {
    /// A pattern of the path, case-sensitive: `/admin/*`. `*` is any text, `?` any one character.
    pub path: Option<String>,
    /// A pattern of a query value under any key, `*DROP TABLE*`, or of a key and its value, `debug=*`. Case does not
    /// matter. The load balancer decodes nothing: `%44ROP` is another text than `DROP`.
    pub query: Option<String>,
    /// The name of a header and a pattern of its value, whose case does not matter: `User-Agent: *sqlmap*`.
    pub header: Option<String>,
}

/// The RDS instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// Create it, use one that exists, or go without.
    pub mode: Mode,
    /// With `mode = "use"`: `host:port` of a server of the engine.
    pub endpoint: Option<String>,
    /// `mysql`, or `postgres`. It is decided at creation: another engine is another database.
    pub engine: DatabaseEngine,
    /// Engine version: `8.4` for mysql takes the newest 8.4, `17` for postgres the newest 17.
    pub version: Option<String>,
    /// DB instance class.
    pub class: String,
    /// Allocated gp3 storage in GiB, 20 to 65536.
    #[schemars(range(min = 20, max = 65536), extend("x-reason" = "RDS takes 20 to 65536 GiB of gp3 storage"))]
    pub storage_gb: u32,
    /// Encrypted at rest under AWS's own key. It is decided at creation: an existing one stays as it is.
    pub encrypted: bool,
    /// A standby in a second zone. Usable a little later, available much later, costs twice.
    pub multi_az: bool,
    /// Days of automated backups, 0 to 35. 0 is quickest; turning it on later is an outage. A longer period set by hand
    /// stays, because a shorter one deletes backups.
    #[schemars(range(min = 0, max = 35), extend("x-reason" = "RDS keeps automated backups for 0 to 35 days"))]
    pub backup_days: u32,
    /// Refuse deletion through any tool until this is turned off.
    pub deletion_protection: bool,
    /// The database the service uses.
    pub database: String,
    /// The user the service connects as. Not the master user.
    pub user: String,
    /// The master user; creates `database` and `user`. With `mode = "use"`: the user whose password is given in
    /// `secrets`.
    pub master_user: String,
    /// More SQL files, run in order after the schema by the first instance that boots.
    pub sql: Vec<String>,
    /// Texts that no row is allowed to contain, in any column: the database itself refuses such rows, and existing ones
    /// are deleted. It holds for the tables of the schema and of `sql`.
    pub refuse: Vec<String>,
    /// Parameters of the DB parameter group, in addition to those that let old clients log in (whose values can be
    /// changed).
    pub parameters: BTreeMap<String, String>,
}

/// The engine of the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "docs of these variants would change the form of the schema")]
pub enum DatabaseEngine {
    #[default]
    Mysql,
    Postgres,
}

/// The ElastiCache cache: a replication group of Redis or Valkey, or a cluster of memcached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Create it, use one that exists, or go without.
    pub mode: Mode,
    /// With `mode = "use"`: `host:port` of a server that speaks the engine's protocol.
    pub endpoint: Option<String>,
    /// `redis`, `valkey` (same protocol, a fifth cheaper), or `memcached`.
    pub engine: CacheEngine,
    /// Engine version: `7.1` for redis, `8.2` for valkey, `1.6.22` for memcached.
    pub version: Option<String>,
    /// Cache node type.
    pub class: String,
    /// Encrypted at rest under AWS's own key. It is decided at creation: an existing one stays as it is. memcached has
    /// nothing at rest.
    pub encrypted: bool,
    /// 1, or 2 for a node in another zone: a replica with automatic failover. With memcached each of the two has half of
    /// the keys, and a change of the number moves keys, so that answers are computed again.
    #[schemars(range(min = 1, max = 2), extend("x-reason" = "the event counts more than two nodes as an inefficient deployment"))]
    pub nodes: u32,
}

/// The engine of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "docs of these variants would change the form of the schema")]
pub enum CacheEngine {
    #[default]
    Redis,
    /// Same protocol, a fifth cheaper.
    Valkey,
    /// Another protocol: no replica, and each node has its own keys.
    Memcached,
}

/// The EFS file system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    /// Create it, use one that exists, or go without.
    pub mode: Mode,
    /// With `mode = "use"`: the id of an existing file system (`fs-…`) with a mount target in every zone.
    pub file_system: Option<String>,
    /// How throughput is paid for.
    pub throughput: Throughput,
    /// Encrypted at rest under AWS's own key. It is decided at creation: an existing one stays as it is.
    pub encrypted: bool,
    /// Where the instances mount it.
    pub path: String,
}

/// The throughput mode of the file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Throughput {
    /// Pay per GB moved; no burst credits to run out of.
    #[default]
    Elastic,
    /// 50 KB/s per GB stored, plus burst credits.
    Bursting,
}

/// The CloudFront distribution before the load balancer: a cache of answers on a name of its own, with HTTPS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cdn {
    /// Create it, or go without.
    pub mode: Switch,
    /// The most seconds for which CloudFront keeps an answer, and the usual number. A `Cache-Control` of the service can
    /// shorten it.
    #[schemars(range(min = 1, max = 86400), extend("x-reason" = "an answer is kept for a second at least, and longer than a day helps no event"))]
    pub ttl_seconds: u32,
    /// Query parameters that distinguish answers. `["*"]`: all of them. Empty: none, and the service does not see them.
    pub query: Vec<String>,
    /// Request headers that distinguish answers.
    pub headers: Vec<String>,
    /// Where CloudFront answers from: `100` is North America and Europe, `200` adds Asia and Africa.
    pub price_class: PriceClass,
    /// Whether the distribution's name is the address of the stack, which `up` waits for and `status` asks.
    pub endpoint: bool,
    /// Closes the load balancer to everybody but CloudFront and the ranges in `access.http`. The default range there,
    /// `0.0.0.0/0`, does not count then. Without such ranges, the load balancer answers only requests with a secret
    /// header that the stack's own distribution sends.
    pub close_balancer: bool,
    /// The requests in a hundred that are expected to repeat an earlier one within `ttl_seconds`. An assumption: only
    /// the plan counts with it.
    #[schemars(range(min = 0, max = 100), extend("x-reason" = "it is a percentage"))]
    pub repeated_percent: u32,
}

/// The places from which CloudFront answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PriceClass {
    /// North America and Europe.
    #[default]
    #[serde(rename = "100")]
    Class100,
    /// The same, Asia and Africa.
    #[serde(rename = "200")]
    Class200,
    /// All places.
    #[serde(rename = "all")]
    All,
}

/// Where the database passwords are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Secrets {
    /// `create`: generated, kept as SSM SecureString parameters. `use`: existing parameters. There is no `off`: any
    /// teammate must be able to find them again.
    pub mode: Origin,
    /// With `mode = "use"`: the name of the SSM parameter with the master password.
    pub master_password: Option<String>,
    /// With `mode = "use"`: the name of the SSM parameter with the application user's password.
    pub app_password: Option<String>,
}

/// The instance profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Iam {
    /// `create`: a role that reads its own parameters and writes its own log groups, nothing else. `use`: an existing
    /// profile. `off`: none; the user data then contains the passwords.
    pub mode: Mode,
    /// With `mode = "use"`: the name of an existing instance profile.
    pub instance_profile: Option<String>,
    /// With `mode = "use"`: the name of the role in that profile, if it differs from the profile's.
    pub role: Option<String>,
    /// More S3 objects or prefixes that the instances are allowed to read: `arn:aws:s3:::bucket/prefix/*`.
    pub read_objects: Vec<String>,
    /// KMS keys that encrypt the S3 objects, or the existing passwords: `arn:aws:kms:…:key/…`.
    pub kms_keys: Vec<String>,
    /// Lets Session Manager open a shell on the instances.
    pub ssm: bool,
    /// Whether the service itself is allowed to use the role, through the instance metadata. Default: only if
    /// `read_objects` or `policies` is given.
    pub metadata: Option<bool>,
    /// More managed policies for the role: `arn:aws:iam::aws:policy/…`.
    pub policies: Vec<String>,
    /// The managed policy that bounds the role, if an organisation requires one: `arn:aws:iam::…:policy/…`.
    pub permissions_boundary: Option<String>,
    /// The path of role and profile, if an organisation prescribes one: `/event/`.
    pub path: String,
}

/// Alarms, dashboard, logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Monitoring {
    /// Create them, or go without.
    pub mode: Switch,
    /// ARNs of SNS topics that the alarms notify. At most 5.
    pub notify: Vec<String>,
    /// Days to keep logs: 1, 3, 5, 7, 14, 30, 60, 90. A longer period set by hand stays.
    #[schemars(range(min = 1, max = 3653), extend("x-reason" = "CloudWatch keeps logs for 1 to 3653 days"))]
    pub log_days: u32,
    /// Seconds of target response time (p90) above which the alarm triggers.
    pub slow_seconds: f64,
    /// One CloudWatch dashboard of the request path.
    pub dashboard: bool,
}

/// The way in which gameday handles a group that can only be created or left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "docs of these variants would change the form of the schema")]
pub enum Switch {
    #[default]
    Create,
    Off,
}

/// One service: what runs on the instances, how many of them, and how it is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// How `source` is run.
    #[serde(default)]
    pub run: Run,
    /// What to run: the URL (`https://` or `s3://`) of a static x86-64 binary or of an archive that tar takes, or a container image.
    pub source: String,
    /// SHA-256 of the binary or archive; checked at boot when given.
    #[serde(default)]
    pub sha256: Option<String>,
    /// The start command if it is not `./server`: a command line of bash that stays in the foreground (binary,
    /// archive), or the arguments after the image (container).
    #[serde(default)]
    pub command: Option<String>,
    /// Environment variables. `{{ }}` expressions work as in templates; `{% raw %}…{% endraw %}` is left unchanged.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The configuration file, written unchanged beside the binary; a name that ends in `.j2` makes it a template.
    /// Empty: the shipped `server.ini`.
    #[serde(default)]
    pub config: Option<String>,
    /// Replaces the shipped boot script: anything that cloud-init accepts, unchanged; a name that ends in `.j2` makes
    /// it a template.
    #[serde(default)]
    pub user_data: Option<String>,
    /// Packages of the instances' distribution that the boot script installs before the service starts, such as
    /// `nodejs`.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Names of more log files of the service, beside `app_log`: `access_log`. Each is looked for in `{{ log_dir }}` and in
    /// the service's own folder, and has a log stream of its own.
    #[serde(default)]
    pub logs: Vec<String>,
    /// Copies of the service on each instance, 1 to 16, behind a proxy on `port`: for a server that answers few requests
    /// at the same time. Each copy listens on a port of its own, which `{{ port }}` and the variable PORT name.
    #[serde(default = "default::one")]
    #[schemars(range(min = 1, max = 16), extend("x-reason" = "a proxy needs at least one copy; more than 16 are surely a slip"))]
    pub copies: u32,
    /// With `copies`: the requests that one copy gets at the same time; the others wait in the proxy.
    #[serde(default = "default::connections")]
    #[schemars(range(min = 1, max = 1000), extend("x-reason" = "a copy needs at least one request; more than 1000 are no limit"))]
    pub connections: u32,
    /// TCP port the service listens on.
    #[serde(default = "default::port")]
    #[schemars(range(min = 1, max = 65535), extend("x-reason" = "TCP ports go from 1 to 65535"))]
    pub port: u16,
    /// Path the load balancer asks for health.
    #[serde(default = "default::health_path")]
    pub health_path: String,
    /// HTTP codes that mean healthy, within 200-499.
    #[serde(default = "default::health_codes")]
    pub health_codes: String,
    /// Seconds between health checks, 5 to 300.
    #[serde(default = "default::health_interval")]
    #[schemars(range(min = 5, max = 300), extend("x-reason" = "a load balancer checks every 5 to 300 seconds"))]
    pub health_interval: u32,
    /// Path patterns that reach the service, with `*` and `?`. One service can go without `routes` and `hosts`: it gets
    /// all other requests. If none does, they are answered with 404.
    #[serde(default)]
    pub routes: Vec<String>,
    /// Host names that reach the service, with `*` and `?`: `api.example.com`. With `routes`, both have to match.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The stores that the service uses: `database`, `cache`, `files`. Without: all that the stack has.
    #[serde(default)]
    pub needs: Option<Vec<Need>>,
    /// Image id (`ami-…`). Empty: the newest Amazon Linux 2023, resolved once from its public SSM parameter.
    #[serde(default)]
    pub image: Option<String>,
    /// EC2 instance type.
    #[serde(default = "default::instance_type")]
    pub instance_type: String,
    /// The least number of instances.
    #[serde(default = "default::two")]
    #[schemars(range(min = 1, max = 50), extend("x-reason" = "a service needs at least one instance; more than 50 is surely a slip"))]
    pub min: u32,
    /// The initial number of instances.
    #[serde(default = "default::two")]
    #[schemars(range(min = 1, max = 50), extend("x-reason" = "a service needs at least one instance; more than 50 is surely a slip"))]
    pub desired: u32,
    /// The largest number of instances: what the game allows you to pay for.
    #[serde(default = "default::four")]
    #[schemars(range(min = 1, max = 50), extend("x-reason" = "every instance costs; more than 50 is surely a slip"))]
    pub max: u32,
    /// When to scale.
    #[serde(default)]
    pub scale: Scale,
    /// Seconds from launch during which a failed health check does not replace an instance.
    #[serde(default = "default::grace")]
    #[schemars(range(min = 0, max = 7200), extend("x-reason" = "an instance that needs two hours to boot is broken"))]
    pub grace_seconds: u32,
    /// Seconds until a new instance counts in the scaling metrics.
    #[serde(default = "default::warmup")]
    #[schemars(range(min = 0, max = 3600), extend("x-reason" = "longer than an hour and scaling never sees the instance"))]
    pub warmup_seconds: u32,
    /// Some instances from the Spot market.
    #[serde(default)]
    pub spot: Option<Spot>,
}

/// A store of the stack that a service can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "docs of these variants would change the form of the schema")]
pub enum Need {
    Database,
    Cache,
    Files,
}

/// The way in which a service is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Run {
    /// A static x86-64 ELF, run by systemd.
    #[default]
    Binary,
    /// A container image, run by Docker under systemd.
    Container,
    /// Anything that tar unpacks (.tar.gz, .tar, .tar.xz, …); `command` is run by systemd.
    Archive,
}

/// Target tracking: the policy that asks for more instances wins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Scale {
    /// Requests per target per minute. 0: do not scale on requests.
    #[serde(deserialize_with = "zero_is_off")]
    #[schemars(range(min = 0), extend("x-reason" = "a target of requests cannot be negative"))]
    pub requests_per_target: Option<f64>,
    /// Average CPU utilization in percent. 0: do not scale on CPU.
    #[serde(deserialize_with = "zero_is_off")]
    #[schemars(range(min = 0, max = 100), extend("x-reason" = "it is a percentage"))]
    pub cpu: Option<f64>,
}

/// A mixed instances policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Spot {
    /// Instances that are always on demand.
    #[schemars(range(min = 0, max = 50), extend("x-reason" = "it cannot be more than the instances there are"))]
    pub on_demand_base: u32,
    /// Percent of the rest that is on demand.
    #[schemars(range(min = 0, max = 100), extend("x-reason" = "it is a percentage"))]
    pub on_demand_percent: u32,
    /// Other instance types to take if the first is not available.
    pub types: Vec<String>,
}

/// Reads a target, where 0 means none because TOML has no null.
fn zero_is_off<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    Ok(Option::<f64>::deserialize(from)?.filter(|target| *target != 0.0))
}

pub(crate) mod default {
    pub(crate) fn tag_prefix() -> String {
        "gameday:".into()
    }
    pub(crate) fn region() -> String {
        "us-east-1".into()
    }
    pub(crate) fn port() -> u16 {
        80
    }
    pub(crate) fn health_path() -> String {
        "/healthcheck".into()
    }
    pub(crate) fn health_codes() -> String {
        "200-399".into()
    }
    pub(crate) fn health_interval() -> u32 {
        10
    }
    pub(crate) fn instance_type() -> String {
        "t3.micro".into()
    }
    pub(crate) fn one() -> u32 {
        1
    }
    pub(crate) fn connections() -> u32 {
        5
    }
    pub(crate) fn two() -> u32 {
        2
    }
    pub(crate) fn four() -> u32 {
        4
    }
    pub(crate) fn grace() -> u32 {
        240
    }
    pub(crate) fn warmup() -> u32 {
        60
    }
}

impl Default for Network {
    fn default() -> Self {
        Self {
            mode: Origin::Create,
            vpc: None,
            cidr: "10.0.0.0/16".into(),
            public: vec![],
            private: vec![],
            instances: Instances::Public,
            egress: Egress::Nat,
            app: vec![],
        }
    }
}
impl Default for Tls {
    fn default() -> Self {
        Self { certificate: None, domain: None, zone: None, self_signed: false, redirect: true }
    }
}
impl Default for Access {
    fn default() -> Self {
        Self { http: vec!["0.0.0.0/0".into()], ssh: vec![], key_pair: None }
    }
}
impl Default for Database {
    fn default() -> Self {
        Self {
            mode: Mode::Create,
            endpoint: None,
            engine: DatabaseEngine::Mysql,
            version: None,
            class: "db.t3.micro".into(),
            storage_gb: 20,
            encrypted: true,
            multi_az: false,
            backup_days: 0,
            deletion_protection: false,
            database: "unicorndb".into(),
            user: "gdapp".into(),
            master_user: "gdadmin".into(),
            sql: vec![],
            refuse: vec![],
            parameters: BTreeMap::new(),
        }
    }
}
impl Default for Cache {
    fn default() -> Self {
        Self {
            mode: Mode::Create,
            endpoint: None,
            engine: CacheEngine::Redis,
            version: None,
            class: "cache.t3.micro".into(),
            encrypted: true,
            nodes: 1,
        }
    }
}
impl Default for Files {
    fn default() -> Self {
        Self {
            mode: Mode::Create,
            file_system: None,
            throughput: Throughput::Elastic,
            encrypted: true,
            path: "/mnt/efs".into(),
        }
    }
}
impl Default for Cdn {
    fn default() -> Self {
        Self {
            mode: Switch::Off,
            ttl_seconds: 60,
            query: vec!["*".into()],
            headers: vec![],
            price_class: PriceClass::Class100,
            endpoint: true,
            close_balancer: true,
            repeated_percent: 50,
        }
    }
}
impl Default for Secrets {
    fn default() -> Self {
        Self { mode: Origin::Create, master_password: None, app_password: None }
    }
}
impl Default for Iam {
    fn default() -> Self {
        Self {
            mode: Mode::Create,
            instance_profile: None,
            role: None,
            read_objects: vec![],
            kms_keys: vec![],
            ssm: false,
            metadata: None,
            policies: vec![],
            permissions_boundary: None,
            path: "/".into(),
        }
    }
}
impl Default for Monitoring {
    fn default() -> Self {
        Self { mode: Switch::Create, notify: vec![], log_days: 3, slow_seconds: 4.0, dashboard: true }
    }
}
impl Default for Scale {
    fn default() -> Self {
        Self { requests_per_target: Some(45.0), cpu: None }
    }
}
impl Default for Spot {
    fn default() -> Self {
        Self { on_demand_base: 2, on_demand_percent: 0, types: vec!["t3a.micro".into(), "t2.micro".into()] }
    }
}

/// Writes AWS's word for the engine.
impl std::fmt::Display for CacheEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
            Self::Memcached => "memcached",
        })
    }
}

/// Writes AWS's word for the price class.
impl std::fmt::Display for PriceClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Class100 => "PriceClass_100",
            Self::Class200 => "PriceClass_200",
            Self::All => "PriceClass_All",
        })
    }
}

/// Writes the value of the stack file.
impl std::fmt::Display for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nat => "nat",
            Self::NatPerZone => "nat-per-zone",
            Self::Endpoints => "endpoints",
        })
    }
}

/// Writes AWS's word for the throughput mode.
impl std::fmt::Display for Throughput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Elastic => "elastic",
            Self::Bursting => "bursting",
        })
    }
}
