//! The user data of an instance, rendered from the outputs of other steps.
use super::Data;
use crate::{
    aws::partition,
    config::{Config, Loaded, Mode, Need, Origin, Run, Service, ServiceScope, include::Includes},
    engine::{Inputs, Known, Ref},
    facts::Facts,
    parts::{Builder, cache, database::Passwords},
    resources::{
        access_point::AccessPoint, database::Database, file_system::FileSystem, instance_profile::InstanceProfile,
        launch_template::UserData, log_group::LogGroup, mount_target::MountTarget, parameter::Parameter,
    },
    userdata::{self, Boot, Rendered, SecretSource},
};
use sha2::{Digest, Sha256};
use std::{cell::RefCell, collections::BTreeSet, path::PathBuf};

/// The inputs of a service's user data: handles of steps, and texts that are known already.
pub struct UserDataInputs {
    config: Config,
    /// The name of the service.
    service: String,
    /// The folders that contain templates and SQL files.
    base: Includes,
    /// The SQL files, by name.
    sql: Vec<(String, Vec<u8>)>,
    /// The ranges of the VPC, and the addresses outside it that the instances use.
    vpc: Vec<String>,
    database: Option<Ref<Database>>,
    cache: Option<cache::Address>,
    files: Option<Files>,
    passwords: Option<Passwords>,
    /// The log groups of the service and of its boot, in this order.
    logs: Option<Vec<Ref<LogGroup>>>,
    /// The instance profile. Without one, the user data contains the passwords.
    profile: Option<Ref<InstanceProfile>>,
}

/// The file system with its mount targets, and the access point of one service.
struct Files {
    system: Ref<FileSystem>,
    targets: Vec<Ref<MountTarget>>,
    access_point: Option<Ref<AccessPoint>>,
}

impl UserDataInputs {
    /// Gathers the inputs for a service; `data` are the stores that it uses.
    ///
    /// # Errors
    /// A template does not render. The error has to be known now, not only when the database is ready.
    pub(super) fn new(
        b: &Builder<'_>,
        service: &str,
        data: &Data,
        logs: Option<Vec<Ref<LogGroup>>>,
        profile: Option<Ref<InstanceProfile>>,
    ) -> userdata::Result<Self> {
        let base = b.loaded.includes.clone();
        let read = |file: &String| Ok((file.clone(), userdata::read(&base, file)?));
        let sql = b.config.database.sql.iter().map(read).collect::<userdata::Result<_>>()?;
        let files = data.files.as_ref().map(|files| Files {
            system: files.system.clone(),
            targets: files.targets.clone(),
            access_point: files.access_points.get(service).cloned(),
        });
        let inputs = Self {
            config: b.config.clone(),
            service: service.to_owned(),
            base,
            sql,
            vpc: ranges(b.config, b.facts),
            database: data.database.clone(),
            cache: data.cache.clone(),
            files,
            passwords: data.passwords.clone(),
            logs,
            profile,
        };
        inputs.rendered()?;
        Ok(inputs)
    }

    /// Returns the user data as far as it is known now, with texts in parentheses for the rest.
    pub fn rendered(&self) -> userdata::Result<Rendered> {
        userdata::render(&self.boot(&Inputs::default()).0, self.base.clone())
    }

    /// Returns the user data of an instance that becomes an image, without the password of any store.
    pub fn baking(&self) -> userdata::Result<Rendered> {
        let boot = Boot { bake: true, ..self.boot(&Inputs::default()).0 };
        userdata::render(&boot, self.base.clone())
    }

    /// Returns the user data once all its inputs are known.
    pub(super) fn user_data(&self, inputs: &Inputs) -> Known<UserData> {
        let (boot, missing) = self.boot(inputs);
        if let Some(key) = missing {
            return Known::After(key);
        }
        Known::Now(match userdata::render(&boot, self.base.clone()) {
            Ok(r) => UserData {
                secrets: self.profile.is_none() && boot.database.is_some(),
                encoded: Ok(r.encoded),
                shown: r.user_data,
            },
            Err(e) => UserData { encoded: Err(e.to_string()), shown: String::new(), secrets: false },
        })
    }

    /// Returns the boot settings, and the first step that has to exist before all of them are known.
    fn boot(&self, inputs: &Inputs) -> (Boot, Option<crate::engine::Key>) {
        let (name, service): (&str, &Service) = (&self.service, &self.config.service[&self.service]);
        let missing = RefCell::new(None);
        let text = |k: Known<String>| {
            if let Known::After(key) = &k {
                missing.borrow_mut().get_or_insert_with(|| key.clone());
            }
            k.to_string()
        };
        let secret = |p: &Ref<Parameter>| match &self.profile {
            Some(_) => SecretSource::Parameter(text(inputs.read(p, |o| o.name.clone()))),
            None => {
                let value = inputs.read(p, |o| o.value.clone());
                SecretSource::Literal(match value {
                    Known::Now(Some(v)) => v.reveal().to_owned(),
                    Known::Now(None) => text(Known::After(p.key().clone())),
                    Known::After(key) => text(Known::After(key)),
                })
            }
        };
        let boot = Boot {
            region: self.config.region.clone(),
            run: service.run,
            sha256: service.sha256.clone(),
            command: service.command.clone(),
            env: service.env.clone(),
            packages: service.packages.clone(),
            log_files: service.logs.clone(),
            copies: service.copies,
            connections: service.connections,
            health_codes: service.health_codes.clone(),
            port: service.port,
            health_path: service.health_path.clone(),
            config: service.config.clone().map(PathBuf::from),
            user_data: service.user_data.clone().map(PathBuf::from),
            database: self.database.as_ref().zip(self.passwords.as_ref()).and_then(|(db, passwords)| {
                let d = &self.config.database;
                Some(userdata::Database {
                    engine: d.engine,
                    host: text(inputs.read(db, |o| o.host.clone())),
                    port: inputs.read(db, |o| o.port).now().unwrap_or(d.engine.port()),
                    database: d.database.clone(),
                    user: d.user.clone(),
                    app_password: secret(passwords.app.as_ref()?),
                    // Without a profile, the user data contains the password itself and changes with it.
                    app_password_set: self
                        .profile
                        .as_ref()
                        .zip(passwords.app.as_ref())
                        .map(|(_, p)| text(inputs.read(p, |o| o.set.clone()))),
                    master_user: d.master_user.clone(),
                    master_password: passwords.master.as_ref().map(secret),
                    sql: self.sql.clone(),
                    refuse: d.refuse.clone(),
                })
            }),
            cache: self.cache.as_ref().map(|c| {
                let engine = self.config.cache.engine;
                let port = c.port.read(inputs).now().unwrap_or(engine.port());
                let nodes = match c.nodes.read(inputs) {
                    Known::Now(hosts) => hosts.iter().map(|host| format!("{host}:{port}")).collect(),
                    Known::After(key) => vec![text(Known::After(key))],
                };
                userdata::Cache { engine, host: text(c.host.read(inputs)), port, nodes }
            }),
            files: self.files.as_ref().map(|f| userdata::Files {
                file_system: text(inputs.read(&f.system, |o| o.id.clone())),
                access_point: f.access_point.as_ref().map(|a| text(inputs.read(a, |o| o.id.clone()))),
                path: self.config.files.path.clone(),
                mount_targets: f
                    .targets
                    .iter()
                    .map(|t| {
                        let zone = inputs.read(t, |o| o.zone.clone());
                        let zone = zone.now().unwrap_or_else(|| t.key().name().to_owned());
                        (zone, text(inputs.read(t, |o| o.ip.clone())))
                    })
                    .collect(),
            }),
            logs: self.logs.as_ref().and_then(|groups| {
                let [app, boot] = groups.as_slice() else { return None };
                Some(userdata::Logs {
                    app_group: text(inputs.read(app, |o| o.name.clone())),
                    boot_group: text(inputs.read(boot, |o| o.name.clone())),
                })
            }),
            metadata: self.config.has_metadata(),
            vpc: self.vpc.clone(),
            ..Boot::new(&self.config.name, name, &service.source)
        };
        // The profile has to exist before an instance can use it, though nothing of it is rendered.
        if let Some(p) = &self.profile {
            text(inputs.read(p, |o| o.name.clone()));
        }
        (boot, missing.into_inner())
    }
}

/// Returns a text that identifies the database set-up of the boot.
///
/// The text is the same for the same stack file and the same SQL files.
pub(super) fn set_up_id(loaded: &Loaded) -> userdata::Result<String> {
    let d = &loaded.config.database;
    let read = |file: &String| {
        let text = userdata::read(&loaded.includes, file)?;
        Ok((file.clone(), Sha256::digest(text).to_vec()))
    };
    let sql = d.sql.iter().map(read).collect::<userdata::Result<Vec<_>>>()?;
    let id = format!("{:?}", (&d.database, &d.user, &d.master_user, userdata::schema(d.engine), sql));
    // Without such texts the id is that of earlier versions, so that no database counts as changed.
    Ok(if d.refuse.is_empty() { id } else { format!("{id}{:?}", d.refuse) })
}

/// Returns the AWS services that an instance can need, each with true if it does need it.
///
/// A service is named by the last part of its endpoint's name.
pub(crate) fn aws_services(config: &Config) -> [(&'static str, bool); 8] {
    let has_profile = config.iam.mode != Mode::Off;
    let has_agent = config.has_logs();
    let has_registry = config.services().any(|service| repository(service).is_some());
    let has_sessions = has_profile && config.iam.ssm;
    [
        ("ssm", has_sessions || has_profile && config.is_needed(Need::Database)),
        ("ssmmessages", has_sessions),
        ("ec2messages", has_sessions),
        ("logs", has_agent),
        ("monitoring", has_agent),
        // The agent asks for the tag that names its Auto Scaling group.
        ("ec2", has_agent),
        ("ecr.api", has_registry),
        ("ecr.dkr", has_registry),
    ]
}

/// Returns the ranges that an instance has to reach: the VPC with its subnets, and servers that are used by address.
pub(super) fn ranges(config: &Config, facts: &Facts) -> Vec<String> {
    let mut all = match &facts.network {
        None => vec![config.network.cidr.clone()],
        Some(there) => {
            let subnets = there.public.iter().chain(&there.private).chain(&there.instances).map(|s| s.cidr.clone());
            there.cidrs.iter().cloned().chain(subnets).collect()
        }
    };
    let used = [config.database.endpoint(), config.cache.endpoint()].into_iter().flatten();
    all.extend(used.filter_map(|(host, _)| host.parse::<std::net::Ipv4Addr>().ok()).map(|ip| format!("{ip}/32")));
    all
}

/// Returns the AWS services that an instance needs.
pub fn endpoint_services(config: &Config) -> Vec<&'static str> {
    aws_services(config).into_iter().filter(|(_, needed)| *needed).map(|(service, _)| service).collect()
}

/// Returns the ARNs of the S3 objects that an instance reads: those listed, and the binary if its URL is an S3 one.
pub(super) fn readable_objects(config: &Config, service: ServiceScope<'_>) -> Vec<String> {
    let partition = partition(&config.region);
    // In a policy these three characters form wildcards and variables, but in a key they are literal.
    let literal = |c: char| if "*?$".contains(c) { format!("${{{c}}}") } else { c.to_string() };
    let own = service.source.strip_prefix("s3://").map(|path| path.chars().map(literal).collect::<String>());
    let own = own.map(|path| format!("arn:{partition}:s3:::{path}"));
    let mut all: Vec<String> = config.iam.read_objects.iter().cloned().chain(own).collect();
    all.sort();
    all.dedup();
    debug_assert!(config.iam.mode == Mode::Create, "only a role of ours is given rights");
    all
}

/// Returns the services through which the instances are allowed to use the KMS keys of the stack file.
///
/// These services are S3 in the region of each key, and SSM if the stack uses existing passwords.
pub(super) fn keys_via(config: &Config) -> Vec<String> {
    let suffix = if partition(&config.region) == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let regions = config.iam.kms_keys.iter().filter_map(|arn| arn.split(':').nth(3));
    let s3 = regions.map(|region| format!("s3.{region}.{suffix}"));
    let ssm = (config.secrets.mode == Origin::Use).then(|| format!("ssm.{}.{suffix}", config.region));
    s3.chain(ssm).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Returns the ARN of the ECR repository of the service's image, if it is a private one.
pub(super) fn repository(service: ServiceScope<'_>) -> Option<String> {
    let (registry, image) = service.source.split_once('/').filter(|_| service.run == Run::Container)?;
    // 123456789012.dkr.ecr.us-east-1.amazonaws.com; in China followed by .cn
    let parts: Vec<&str> = registry.split('.').collect();
    let [account, "dkr", "ecr", region, "amazonaws", ..] = parts[..] else { return None };
    let name = image.split([':', '@']).next().unwrap_or_default();
    Some(format!("arn:{}:ecr:{region}:{account}:repository/{name}", partition(region)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(head: &str, service: &str) -> Config {
        let text = format!("name = \"billing\"\n{head}\n[service.api]\n{service}\n");
        crate::config::parse("gameday.toml", &text).expect("a sound stack file").config
    }

    fn only(config: &Config) -> ServiceScope<'_> {
        config.services().next().expect("it has one")
    }

    #[test]
    fn only_a_private_ecr_image_has_a_repository_of_the_account() {
        let of = |image: &str| {
            let config = config("", &format!("run = \"container\"\nsource = \"{image}\""));
            repository(only(&config))
        };
        let ecr = "210987654321.dkr.ecr.eu-west-1.amazonaws.com";
        let arn = "arn:aws:ecr:eu-west-1:210987654321:repository/team/shop";
        assert_eq!(of(&format!("{ecr}/team/shop:1.2")).as_deref(), Some(arn));
        assert_eq!(of(&format!("{ecr}/team/shop:1.2@sha256:{}", "0".repeat(64))).as_deref(), Some(arn));
        assert_eq!(
            of("210987654321.dkr.ecr.cn-north-1.amazonaws.com.cn/shop:1").as_deref(),
            Some("arn:aws-cn:ecr:cn-north-1:210987654321:repository/shop")
        );
        for public in ["public.ecr.aws/docker/library/httpd:2.4", "nginx:1.27", "registry.example.com/team/api:1"] {
            assert_eq!(of(public), None, "{public}");
        }
        let binary = format!("source = \"https://{ecr}/server\"");
        assert_eq!(repository(only(&config("", &binary))), None);
    }

    #[test]
    fn an_object_is_named_as_it_is_written() {
        for (source, object) in [
            ("s3://bucket/dir with space/server", "bucket/dir with space/server"),
            ("S3://bucket/a?b*c$d", "bucket/a${?}b${*}c${$}d"),
            ("s3://bucket/한글/ü#1", "bucket/한글/ü#1"),
        ] {
            let config = config("", &format!("source = \"{source}\""));
            assert_eq!(readable_objects(&config, only(&config)), [format!("arn:aws:s3:::{object}")]);
        }
    }

    #[test]
    fn what_has_to_be_reached_is_known_by_its_range() {
        let config = config(
            "[network]\ncidr = \"172.17.0.0/16\"\n[cache]\nmode = \"use\"\nendpoint = \"192.168.241.9:6379\"",
            "source = \"https://a/b\"",
        );
        assert_eq!(ranges(&config, &Facts::offline(&config)), ["172.17.0.0/16", "192.168.241.9/32"]);
    }

    #[test]
    fn an_object_is_named_in_the_partition_of_the_region() {
        for (region, arn) in [
            ("us-east-1", "arn:aws:s3:::bucket/server"),
            ("cn-north-1", "arn:aws-cn:s3:::bucket/server"),
            ("us-gov-west-1", "arn:aws-us-gov:s3:::bucket/server"),
        ] {
            let config = config(&format!("region = \"{region}\""), "source = \"s3://bucket/server\"");
            assert_eq!(readable_objects(&config, only(&config)), [arn]);
        }
    }
}
