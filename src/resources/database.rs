//! An RDS instance: MySQL or PostgreSQL.
use super::prelude::*;
use super::{
    db_parameter_group::DbParameterGroup,
    db_subnet_group::DbSubnetGroup,
    parameter::Parameter,
    security_group::SecurityGroup,
    version::{is_of, numbers},
};
use crate::{
    aws::words::{is, rds},
    config::DatabaseEngine,
    shell::command,
};
use aws_sdk_rds::types::DbInstance;

/// The wanted database.
pub struct Database {
    pub aws: Aws,
    /// Host and port of an existing database to use instead.
    pub existing: Option<(String, u16)>,
    pub engine: DatabaseEngine,
    /// `8.4`, or exactly `8.4.6`; `17`, or exactly `17.5`.
    pub version: String,
    pub class: String,
    /// True if RDS accepts the version only with its paid extended support.
    pub extended_support: bool,
    pub storage_gb: i32,
    /// True if a new database is encrypted at rest.
    pub encrypted: bool,
    pub multi_az: bool,
    pub backup_days: i32,
    pub deletion_protection: bool,
    /// The name of the database inside the instance.
    pub database: String,
    pub master_user: String,
    pub subnet_group: Option<Ref<DbSubnetGroup>>,
    pub parameter_group: Option<Ref<DbParameterGroup>>,
    pub groups: Vec<Ref<SecurityGroup>>,
    pub master_password: Option<Ref<Parameter>>,
}

/// The managed fields of a database.
#[derive(Serialize)]
pub struct Spec {
    /// The engine with the version's series: AWS changes only later parts of a version in place.
    engine: String,
    version: String,
    class: String,
    storage_gb: i32,
    /// Cannot be changed and does not justify a replacement, so an existing database shows the wanted value.
    encrypted: bool,
    multi_az: bool,
    backup_days: i32,
    deletion_protection: bool,
    /// True if the database is protected, wanted or not. Protection added by somebody else stays.
    #[serde(skip)]
    protected: bool,
    /// Days for which automated backups are kept. More days than wanted stay.
    #[serde(skip)]
    kept_days: i32,
    /// True if an earlier run removed the protection and noted that a final snapshot is due.
    #[serde(skip)]
    valued: bool,
    public: bool,
    port: u16,
    database: String,
    master_user: String,
    subnet_group: Option<Known<String>>,
    parameter_group: Option<Known<String>>,
    groups: Known<Vec<String>>,
    /// The time of the last change of the master password that the database received. RDS never shows the password.
    password_set: Option<Known<String>>,
    running: bool,
}

/// The values of a database that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub host: String,
    pub port: u16,
    /// Its identifier, as in metrics. Empty for an existing database outside RDS.
    pub id: String,
}

/// From this size in GiB, RDS stripes a gp3 volume, which then has at least these values [AWS 1.3].
const STRIPED: i32 = 400;
const LEAST_IOPS: i32 = 12_000;
const LEAST_THROUGHPUT: i32 = 500;
/// The name, after the prefix, of the tag that holds `password_set`.
const PASSWORD_SET: &str = "password-set";
/// The name of the tag that marks a database for a final snapshot.
const VALUED: &str = "keep";

impl Resource for Database {
    const KIND: &'static str = "database";
    const FIXED: &'static [&'static str] = &["engine", "database", "master_user", "subnet_group"];
    const LOSES: Option<&'static str> = Some("the data in it");
    const HOLDS_DATA: bool = true;
    const PATIENCE: Duration = Duration::from_secs(45 * 60);
    // RDS looks at the network with the caller's permissions. The master password's parameter has its own actions.
    const ACTIONS: &'static [&'static str] = &[
        "ec2:DescribeAccountAttributes",
        "ec2:DescribeAvailabilityZones",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcAttribute",
        "ec2:DescribeVpcs",
        "rds:DescribeDBInstances",
        "rds:CreateDBInstance",
        "rds:ModifyDBInstance",
        "rds:StartDBInstance",
        "rds:DeleteDBInstance",
        // For the snapshot of `teardown --final-snapshot`.
        "rds:CreateDBSnapshot",
        "rds:AddTagsToResource",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            engine: engine(self.engine.word(), &self.version),
            version: self.version.clone(),
            class: self.class.clone(),
            storage_gb: self.storage_gb,
            encrypted: self.encrypted,
            multi_az: self.multi_az,
            backup_days: self.backup_days,
            deletion_protection: self.deletion_protection,
            protected: self.deletion_protection,
            kept_days: self.backup_days,
            valued: false,
            public: false,
            port: self.engine.port(),
            database: self.database.clone(),
            master_user: self.master_user.clone(),
            subnet_group: self.subnet_group.as_ref().map(|g| inputs.read(g, |o| o.name.clone())),
            parameter_group: self.parameter_group.as_ref().map(|g| inputs.read(g, |o| o.name.clone())),
            groups: inputs.read_all(&self.groups, |o| o.id.clone()).map(sorted),
            password_set: self.master_password.as_ref().map(|p| inputs.read(p, |o| o.set.clone())),
            running: true,
        }
    }
    fn one_way(&self, found: &Spec, want: &Spec) -> &'static [&'static str] {
        if want.storage_gb < found.storage_gb { &["storage_gb"] } else { &[] }
    }
    fn is_protected(&self, found: &Found<Self>) -> bool {
        found.spec.protected
    }
    fn repair(&self, cx: &Cx<'_>, why: &str) -> Option<String> {
        repair(why, &cx.name())
    }
    fn given(&self) -> Option<Output> {
        let (host, port) = self.existing.clone()?;
        Some(Output { id: own_name(&host).unwrap_or_default(), host, port })
    }
    fn typical(&self) -> Typical {
        if self.multi_az { Typical::secs(280, 300, 385) } else { Typical::secs(260, 300, 150) }
    }

    fn aliases(output: &Output) -> Vec<String> {
        vec![output.host.clone(), output.id.clone()]
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        if let Some(output) = self.given() {
            return Ok(Some(Found {
                id: output.host.clone(),
                spec: self.spec(&Inputs::default()),
                output: Some(output),
                phase: Phase::Ready,
                tags: Tags::new(),
            }));
        }
        Ok(listing::database(&self.aws, &cx.name()).await?.map(|db| self.found(&db)))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let password = self.password(cx).await?;
        self.aws
            .rds
            .create_db_instance()
            .db_instance_identifier(cx.name())
            .engine(self.engine.word())
            .engine_version(&want.version)
            // A version past its support then fails, instead of costing twelve times as much [AWS 1.1], unless it was
            // requested by its number in spite of the warning.
            .engine_lifecycle_support(match self.extended_support {
                true => "open-source-rds-extended-support",
                false => "open-source-rds-extended-support-disabled",
            })
            .auto_minor_version_upgrade(false)
            .db_instance_class(&want.class)
            .allocated_storage(want.storage_gb)
            // No IOPS, because a small gp3 volume does not accept them [AWS 1.3].
            .storage_type("gp3")
            // Encrypted under `aws/rds`, whose policy allows everybody who can use RDS in the account.
            .storage_encrypted(want.encrypted)
            .multi_az(want.multi_az)
            .backup_retention_period(want.backup_days)
            .deletion_protection(want.deletion_protection)
            .publicly_accessible(want.public)
            .db_name(&want.database)
            .port(want.port.into())
            .master_username(&want.master_user)
            .master_user_password(password.reveal())
            .set_db_subnet_group_name(value(&want.subnet_group)?)
            .set_db_parameter_group_name(value(&want.parameter_group)?)
            .set_vpc_security_group_ids(Some(want.groups.get()?.clone()))
            .monitoring_interval(0)
            .copy_tags_to_snapshot(true)
            .set_tags(Some(tags::rds::to(&cx.tags().into_iter().chain(password_tag(cx, want)?).collect())))
            .send()
            .await
            .during("CreateDBInstance")?;
        Ok(())
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        if diff.touches("running") {
            let call = self.aws.rds.start_db_instance().db_instance_identifier(&found.id);
            call.send().await.during("StartDBInstance")?;
        }
        if diff.only(&["running", "tags"]) {
            return Ok(());
        }
        // A database that was just started refuses this, so the engine repeats it once the database runs.
        let on = |field: &str| diff.touches(field);
        let groups = if on("groups") { Some(want.groups.get()?.clone()) } else { None };
        let password = if on("password_set") { Some(self.password(cx).await?) } else { None };
        let parameters = if on("parameter_group") { value(&want.parameter_group)? } else { None };
        let speed = if on("storage_gb") { self.speed(cx, want).await? } else { None };
        self.aws
            .rds
            .modify_db_instance()
            .db_instance_identifier(&found.id)
            .apply_immediately(true)
            .set_iops(speed.map(|(iops, _)| iops))
            .set_storage_throughput(speed.map(|(_, throughput)| throughput))
            .set_engine_version(on("version").then(|| want.version.clone()))
            .set_db_instance_class(on("class").then(|| want.class.clone()))
            .set_allocated_storage(on("storage_gb").then_some(want.storage_gb))
            .set_multi_az(on("multi_az").then_some(want.multi_az))
            .set_backup_retention_period(on("backup_days").then_some(want.backup_days))
            .set_deletion_protection(on("deletion_protection").then_some(want.deletion_protection))
            .set_publicly_accessible(on("public").then_some(want.public))
            // A change of the port restarts the database.
            .set_db_port_number(on("port").then_some(want.port.into()))
            .set_db_parameter_group_name(parameters)
            .set_vpc_security_group_ids(groups)
            .set_master_user_password(password.as_ref().map(|p| p.reveal().to_owned()))
            .send()
            .await
            .during("ModifyDBInstance")?;
        if password.is_some() {
            self.tag(cx, found, &password_tag(cx, want)?.into_iter().collect()).await?;
        }
        Ok(())
    }

    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        // Somebody has protected the data better than the stack file asks for.
        let protected = found.spec.protected && !self.deletion_protection;
        if protected || found.spec.valued || found.spec.kept_days > self.backup_days {
            cx.env.final_snapshot.set_wanted(true);
        }
        // Another run may delete the database later.
        if protected && !found.spec.valued {
            self.tag(cx, found, &Tags::from([(cx.env.keys.other(VALUED), "final-snapshot".into())])).await?;
        }
        // Naming the id confirmed the warning about the protection. A stopped database can be deleted, but not
        // modified. A database that is being modified cannot be deleted.
        if found.spec.protected && !found.spec.running {
            let call = self.aws.rds.start_db_instance().db_instance_identifier(&found.id);
            call.send().await.during("StartDBInstance")?;
            return Err(more_later("StartDBInstance", "its protection is removed when it runs"));
        }
        if found.spec.protected {
            let call = self.aws.rds.modify_db_instance().db_instance_identifier(&found.id);
            call.deletion_protection(false).apply_immediately(true).send().await.during("ModifyDBInstance")?;
            return Err(more_later("ModifyDBInstance", "it is deleted when its protection is off"));
        }
        let call = self.aws.rds.delete_db_instance().db_instance_identifier(&found.id).delete_automated_backups(true);
        let snapshot = &cx.env.final_snapshot;
        let call = match snapshot.is_wanted() && !snapshot.name.is_empty() {
            true => call.skip_final_snapshot(false).final_db_snapshot_identifier(&snapshot.name),
            false => call.skip_final_snapshot(true),
        };
        call.send().await.or_gone("DeleteDBInstance")
    }

    async fn tag(&self, cx: &Cx<'_>, _: &Found<Self>, tags: &Tags) -> Result<()> {
        let Some(db) = listing::database(&self.aws, &cx.name()).await? else { return Ok(()) };
        tags::put_rds(&self.aws, expect_id(db.db_instance_arn(), "DescribeDBInstances")?, tags).await
    }
}

impl Database {
    /// Returns IOPS and throughput for a gp3 volume that grows.
    ///
    /// RDS requires both from 400 GiB on, and refuses them below.
    async fn speed(&self, cx: &Cx<'_>, want: &Spec) -> Result<Option<(i32, i32)>> {
        let db = listing::database(&self.aws, &cx.name()).await?;
        Ok(db.filter(|db| db.storage_type() == Some("gp3") && want.storage_gb >= STRIPED).map(|db| {
            let (iops, throughput) = (db.iops().unwrap_or_default(), db.storage_throughput().unwrap_or_default());
            (iops.max(LEAST_IOPS), throughput.max(LEAST_THROUGHPUT))
        }))
    }

    async fn password(&self, cx: &Cx<'_>) -> Result<Secret> {
        let Some(password) = &self.master_password else {
            return Err(Error::other(format!("{} has no master password", cx.key), "this is a defect of gameday"));
        };
        self.aws.secret(cx.read(password, |o| o.name.clone()).get()?).await
    }

    /// Reads AWS's answer into the spec's terms.
    fn found(&self, db: &DbInstance) -> Found<Self> {
        let tag = self.aws.keys.other(PASSWORD_SET);
        let status = db.db_instance_status().unwrap_or("creating");
        let (host, port) = db.endpoint().map(|e| (e.address(), e.port())).unwrap_or_default();
        let port = port.and_then(|p| p.try_into().ok()).unwrap_or(self.engine.port());
        let text = |s: Option<&str>| s.unwrap_or_default().to_owned();
        let version = text(db.engine_version());
        let storage = db.allocated_storage().unwrap_or_default();
        // AWS rounds a growth of less than a tenth up to a tenth.
        let rounded_up = storage > self.storage_gb && storage * 10 <= self.storage_gb * 11 + 10;
        let parameters = db.db_parameter_groups().first().and_then(|g| g.db_parameter_group_name());
        // If nothing is wanted, RDS's defaults are accepted.
        let shown = |wanted: bool, name: Option<&str>| wanted.then(|| Known::Now(text(name)));
        let groups = db.vpc_security_groups().iter().filter(|g| g.status() != Some("removing"));
        Found {
            id: text(db.db_instance_identifier()),
            spec: Spec {
                engine: engine(db.engine().unwrap_or_default(), &version),
                // A patch newer than the wanted one was installed by AWS, and cannot be reversed.
                version: match is_of(&version, &self.version) || is_later_patch(self.engine, &version, &self.version) {
                    true => self.version.clone(),
                    false => version,
                },
                class: text(db.db_instance_class()),
                storage_gb: if rounded_up { self.storage_gb } else { storage },
                encrypted: self.encrypted,
                // The standby follows later, while the database is already in use [AWS 1.4].
                multi_az: pending_multi_az(db).or(db.multi_az()).unwrap_or_default(),
                // Fewer days would delete existing backups.
                backup_days: db.backup_retention_period().unwrap_or_default().min(self.backup_days),
                kept_days: db.backup_retention_period().unwrap_or_default(),
                valued: db.tag_list().iter().any(|t| t.key() == Some(self.aws.keys.other(VALUED).as_str())),
                deletion_protection: self.deletion_protection && db.deletion_protection().unwrap_or_default(),
                protected: db.deletion_protection().unwrap_or_default(),
                public: db.publicly_accessible().unwrap_or_default(),
                port,
                database: text(db.db_name()),
                master_user: text(db.master_username()),
                subnet_group: shown(
                    self.subnet_group.is_some(),
                    db.db_subnet_group().and_then(|g| g.db_subnet_group_name()),
                ),
                parameter_group: shown(self.parameter_group.is_some(), parameters),
                groups: Known::Now(sorted(groups.filter_map(|g| g.vpc_security_group_id().map(Into::into)).collect())),
                password_set: shown(
                    self.master_password.is_some(),
                    db.tag_list().iter().find(|t| t.key() == Some(tag.as_str())).and_then(|t| t.value()),
                ),
                running: !matches!(status, "stopping" | "stopped"),
            },
            output: host.map(|host| Output {
                host: host.into(),
                // A different port is corrected before anybody reads this output.
                port: self.engine.port(),
                id: text(db.db_instance_identifier()),
            }),
            phase: phase(status, host.is_some(), db),
            tags: tags::rds::from(db.tag_list()),
        }
    }
}

fn password_tag(cx: &Cx<'_>, want: &Spec) -> Result<Option<(String, String)>> {
    Ok(value(&want.password_set)?.map(|at| (cx.env.keys.other(PASSWORD_SET), at)))
}

/// Reads the phase from RDS's status.
///
/// The database accepts connections long before it is `available` [AWS 1.4].
fn phase(status: &str, has_endpoint: bool, db: &DbInstance) -> Phase {
    match status {
        s if is(s, rds::DELETING) => Phase::Deleting,
        // Storage can be added in this state. The status stays until AWS has begun with that.
        s if is(s, rds::FULL) && has_endpoint && is_pending(db) => Phase::Busy(s.into()),
        s if is(s, rds::FULL) && has_endpoint => Phase::Ready,
        s if [rds::LOST, rds::BLOCKED, rds::FULL].iter().any(|words| is(s, words)) => Phase::Broken(s.into()),
        s if is(s, rds::STOPPED) => Phase::Ready,
        s if has_endpoint && (is(s, rds::AVAILABLE) || is(s, rds::MAINTAINED)) => Phase::Ready,
        "modifying" if has_endpoint && !is_pending(db) => Phase::Ready,
        s => Phase::Busy(s.into()),
    }
}

/// Returns how to recover the database with its data from a state that AWS does not leave by itself.
pub(crate) fn repair(status: &str, id: &str) -> Option<String> {
    let start = || command!("aws rds start-db-instance --db-instance-identifier {}", id);
    let what = match status {
        "incompatible-parameters" => format!(
            "correct `parameters` under [database], `gameday up` (it writes them), then \
             `{}`",
            command!("aws rds reboot-db-instance --db-instance-identifier {}", id)
        ),
        "incompatible-network" => format!(
            "`gameday network` repairs the subnets and the VPC; see that the private subnets have free addresses, then \
             `{}`",
            start()
        ),
        s if s.starts_with("inaccessible-encryption-credentials") => {
            format!("enable its KMS key again, then `{}`", start())
        }
        "storage-full" => "raise storage_gb under [database], then `gameday up`".into(),
        _ => return None,
    };
    Some(format!("{what}: its data stays"))
}

fn pending_multi_az(db: &DbInstance) -> Option<bool> {
    db.pending_modified_values().and_then(|p| p.multi_az())
}

/// True if a change other than the standby is still pending.
fn is_pending(db: &DbInstance) -> bool {
    let Some(pending) = db.pending_modified_values() else { return false };
    let mut rest = pending.clone();
    rest.multi_az = None;
    rest != aws_sdk_rds::types::PendingModifiedValues::builder().build()
}

/// Returns the identifier in AWS's own host name of a database.
///
/// Such a name is `id.x1y2z3.region.rds.amazonaws.com`, in China `id.x1y2z3.rds.region.amazonaws.com.cn`.
fn own_name(host: &str) -> Option<String> {
    let host = host.to_lowercase();
    let host = host.trim_end_matches('.');
    let aws = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let mut labels = aws.split('.');
    let id = labels.next()?;
    labels.any(|l| l == "rds").then(|| id.to_owned())
}

/// Returns `mysql 8.4` for every 8.4, and `postgres 17` for every 17.
fn engine(word: &str, version: &str) -> String {
    let engine = DatabaseEngine::by_word(word).unwrap_or_default();
    format!("{word} {}", engine.series_of(version))
}

/// True if the version is a later patch of the wanted one, as `8.4.9` is of `8.4.6`.
fn is_later_patch(engine: DatabaseEngine, version: &str, wanted: &str) -> bool {
    let series = engine.series_of(wanted);
    let exact = series != wanted;
    exact && engine.series_of(version) == series && numbers(version) > numbers(wanted)
}

/// Returns the databases that prevent a deletion.
pub(super) async fn holders(aws: &Aws, uses: impl Fn(&DbInstance) -> bool) -> Result<Vec<Holder>> {
    let all = listing::databases(aws).await?;
    let holder = |db: &DbInstance| Holder {
        what: format!("database {}", db.db_instance_identifier().unwrap_or_default()),
        passes: db.db_instance_status() == Some("deleting"),
    };
    Ok(all.iter().filter(|db| uses(db)).map(holder).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_rds::types::PendingModifiedValues;

    #[test]
    fn a_full_one_is_given_more_and_waited_for() {
        let pending = PendingModifiedValues::builder().allocated_storage(40).build();
        let growing = DbInstance::builder().pending_modified_values(pending).build();
        let full = DbInstance::builder().build();
        assert_eq!(phase("storage-full", true, &full), Phase::Ready);
        assert_eq!(phase("storage-full", true, &growing), Phase::Busy("storage-full".into()));
        assert_eq!(phase("storage-full", false, &full), Phase::Broken("storage-full".into()));
    }

    #[test]
    fn versions() {
        for (found, wanted) in
            [("8.4.6", "8.4"), ("8.4.6", "8.4.6"), ("8.0.46-rds.20260624", "8.0.46"), ("6.2.6", "6.2"), ("17.5", "17")]
        {
            assert!(is_of(found, wanted), "{found} is a {wanted}");
        }
        for (found, wanted) in [("8.4.10", "8.4.1"), ("8.40", "8.4"), ("8.4", "8.4.6"), ("17.5", "1")] {
            assert!(!is_of(found, wanted), "{found} is no {wanted}");
        }
        let (mysql, postgres) = (DatabaseEngine::Mysql, DatabaseEngine::Postgres);
        assert!(is_later_patch(mysql, "8.4.10", "8.4.9") && is_later_patch(mysql, "8.0.46-rds.20260624", "8.0.40"));
        assert!(!is_later_patch(mysql, "8.4.6", "8.4.9") && !is_later_patch(mysql, "8.4.6", "8.0.46"));
        assert!(is_later_patch(postgres, "17.10", "17.9") && !is_later_patch(postgres, "18.1", "17.9"));
        assert!(!is_later_patch(postgres, "17.5", "17") && !is_later_patch(postgres, "17.5", "17.6"));
    }

    #[test]
    fn aws_own_names_of_databases() {
        for host in [
            "theirs.c0ffee.eu-west-1.rds.amazonaws.com",
            "Theirs.c0ffee.us-gov-west-1.rds.amazonaws.com.",
            "theirs.c0ffee.rds.cn-north-1.amazonaws.com.cn",
            "theirs.c0ffee.rds.cn-northwest-1.amazonaws.com.cn",
        ] {
            assert_eq!(own_name(host).as_deref(), Some("theirs"), "{host}");
        }
        for host in ["db.example.com", "10.0.0.4", "rds.amazonaws.com", "x.rds.amazonaws.com.example.com", "mysql"] {
            assert_eq!(own_name(host), None, "{host}");
        }
    }

    #[test]
    fn who_can_be_repaired_is_not_replaced() {
        for status in ["incompatible-parameters", "incompatible-network", "inaccessible-encryption-credentials"] {
            let help = repair(status, "billing-main").unwrap();
            assert!(help.contains("its data stays") && !help.contains("--replace"), "{help}");
        }
        assert_eq!(repair("failed", "billing-main"), None);
    }
}
