//! An RDS for MySQL instance.
use super::prelude::*;
use super::{
    db_parameter_group::DbParameterGroup, db_subnet_group::DbSubnetGroup, parameter::Parameter,
    security_group::SecurityGroup,
};
use crate::{
    aws::words::{is, rds},
    error::AwsError,
    shell::command,
};
use aws_sdk_rds::types::DbInstance;

pub struct Database {
    pub aws: Aws,
    /// Host and port of an existing one to use, instead of ours.
    pub existing: Option<(String, u16)>,
    /// `8.4`, or exactly `8.4.6`
    pub version: String,
    pub class: String,
    /// Whether the version is one that RDS creates only when told to bill for its extended support.
    pub extended_support: bool,
    pub storage_gb: i32,
    /// At rest, when it is made.
    pub encrypted: bool,
    pub multi_az: bool,
    pub backup_days: i32,
    pub deletion_protection: bool,
    /// The name of the database inside.
    pub database: String,
    pub master_user: String,
    pub subnet_group: Option<Ref<DbSubnetGroup>>,
    pub parameter_group: Option<Ref<DbParameterGroup>>,
    pub groups: Vec<Ref<SecurityGroup>>,
    pub master_password: Option<Ref<Parameter>>,
}

#[derive(Serialize)]
pub struct Spec {
    /// With the version's series: AWS changes only what comes after it in place.
    engine: String,
    version: String,
    class: String,
    storage_gb: i32,
    /// Cannot be changed, and is no reason to replace it: one that stands is as it is wanted.
    encrypted: bool,
    multi_az: bool,
    backup_days: i32,
    deletion_protection: bool,
    /// Whether it is protected, wanted or not: what somebody has put on stays on.
    #[serde(skip)]
    protected: bool,
    /// For how many days its automated backups are kept: more than are wanted stay.
    #[serde(skip)]
    kept_days: i32,
    /// Whether a run that took its protection off has noted that it leaves a snapshot.
    #[serde(skip)]
    valued: bool,
    public: bool,
    port: u16,
    database: String,
    master_user: String,
    subnet_group: Option<Known<String>>,
    parameter_group: Option<Known<String>>,
    groups: Known<Vec<String>>,
    /// When the master password was set that it was given last: RDS shows the password to nobody.
    password_set: Option<Known<String>>,
    running: bool,
}

#[derive(Clone, Serialize)]
pub struct Output {
    pub host: String,
    pub port: u16,
    /// Its identifier, as in metrics; empty for an existing one that is not RDS.
    pub id: String,
}

const PORT: u16 = 3306;
/// From this size in GiB on RDS stripes a gp3 volume, which then has these at the least [AWS 1.3].
const STRIPED: i32 = 400;
const LEAST_IOPS: i32 = 12_000;
const LEAST_THROUGHPUT: i32 = 500;
/// What the tag that holds `password_set` is called after the prefix.
const PASSWORD_SET: &str = "password-set";
/// What the tag is called that says that the database leaves a snapshot.
const VALUED: &str = "keep";

impl Resource for Database {
    const KIND: &'static str = "database";
    const FIXED: &'static [&'static str] = &["engine", "database", "master_user", "subnet_group"];
    const LOSES: Option<&'static str> = Some("the data in it");
    const HOLDS_DATA: bool = true;
    const PATIENCE: Duration = Duration::from_secs(45 * 60);
    // It looks at the network in the caller's name. The master password's parameter has its own.
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
        // Of the snapshot that `teardown --final-snapshot` leaves.
        "rds:CreateDBSnapshot",
        "rds:AddTagsToResource",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            engine: engine(&self.version),
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
            port: PORT,
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
    fn typical(&self) -> Typical {
        if self.multi_az { Typical::secs(280, 300, 385) } else { Typical::secs(260, 300, 150) }
    }

    fn aliases(output: &Output) -> Vec<String> {
        vec![output.host.clone(), output.id.clone()]
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        if let Some((host, port)) = &self.existing {
            let id = own_name(host);
            return Ok(Some(Found {
                id: host.clone(),
                spec: self.spec(&Inputs::default()),
                output: Some(Output { host: host.clone(), port: *port, id: id.unwrap_or_default() }),
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
            .engine("mysql")
            .engine_version(&want.version)
            // A version past its support fails then, instead of costing twelve times as much [AWS 1.1]; but for
            // one that was asked for by its number, in spite of the warning.
            .engine_lifecycle_support(match self.extended_support {
                true => "open-source-rds-extended-support",
                false => "open-source-rds-extended-support-disabled",
            })
            .auto_minor_version_upgrade(false)
            .db_instance_class(&want.class)
            .allocated_storage(want.storage_gb)
            // No IOPS: they cannot be given for a small gp3 volume [AWS 1.3].
            .storage_type("gp3")
            // Under `aws/rds`, whose policy lets in all that may use RDS in the account.
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
        // One that was just started refuses this; the engine begins again when it runs.
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
            // It restarts for this.
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
        // Somebody has valued its data higher than the stack file does.
        let protected = found.spec.protected && !self.deletion_protection;
        if protected || found.spec.valued || found.spec.kept_days > self.backup_days {
            cx.env.final_snapshot.set_wanted(true);
        }
        // The run that deletes it may be another one.
        if protected && !found.spec.valued {
            self.tag(cx, found, &Tags::from([(cx.env.keys.other(VALUED), "final-snapshot".into())])).await?;
        }
        // Whoever named its id has been told that it is protected. One that is stopped can be deleted, but not modified; one that is being modified cannot be deleted.
        if found.spec.protected && !found.spec.running {
            let call = self.aws.rds.start_db_instance().db_instance_identifier(&found.id);
            call.send().await.during("StartDBInstance")?;
            return Err(more_later("StartDBInstance", "its protection is taken off when it runs"));
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
        tags::put_rds(&self.aws, db.db_instance_arn().unwrap_or_default(), tags).await
    }
}

impl Database {
    /// IOPS and throughput of a gp3 volume that grows: to be given from 400 GiB on, not to be given below.
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

    /// What AWS shows, in the words of the spec.
    fn found(&self, db: &DbInstance) -> Found<Self> {
        let tag = self.aws.keys.other(PASSWORD_SET);
        let status = db.db_instance_status().unwrap_or("creating");
        let (host, port) = db.endpoint().map(|e| (e.address(), e.port())).unwrap_or_default();
        let port = port.and_then(|p| p.try_into().ok()).unwrap_or(PORT);
        let text = |s: Option<&str>| s.unwrap_or_default().to_owned();
        let version = text(db.engine_version());
        let storage = db.allocated_storage().unwrap_or_default();
        // A growth by less than a tenth is rounded up to a tenth.
        let rounded_up = storage > self.storage_gb && storage * 10 <= self.storage_gb * 11 + 10;
        let parameters = db.db_parameter_groups().first().and_then(|g| g.db_parameter_group_name());
        // Nothing wanted: RDS's defaults are as good as any.
        let shown = |wanted: bool, name: Option<&str>| wanted.then(|| Known::Now(text(name)));
        let groups = db.vpc_security_groups().iter().filter(|g| g.status() != Some("removing"));
        Found {
            id: text(db.db_instance_identifier()),
            spec: Spec {
                engine: engine(&version),
                // A newer patch than the one wanted is AWS's own doing, and nobody can take it back.
                version: match is_of(&version, &self.version) || is_later_patch(&version, &self.version) {
                    true => self.version.clone(),
                    false => version,
                },
                class: text(db.db_instance_class()),
                storage_gb: if rounded_up { self.storage_gb } else { storage },
                encrypted: self.encrypted,
                // The standby comes later, while the database is in use already [AWS 1.4].
                multi_az: pending_multi_az(db).or(db.multi_az()).unwrap_or_default(),
                // Fewer would delete those that there are.
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
                // Another one is put right before anybody reads this.
                port: PORT,
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

/// It takes connections long before it is `available` [AWS 1.4].
fn phase(status: &str, has_endpoint: bool, db: &DbInstance) -> Phase {
    match status {
        s if is(s, rds::DELETING) => Phase::Deleting,
        // More storage is put into it as it is; until AWS has begun with that, it goes on saying this.
        s if is(s, rds::FULL) && has_endpoint && is_pending(db) => Phase::Busy(s.into()),
        s if is(s, rds::FULL) && has_endpoint => Phase::Ready,
        s if [rds::LOST, rds::BLOCKED, rds::FULL].iter().any(|words| is(s, words)) => Phase::Broken(s.into()),
        s if is(s, rds::STOPPED) => Phase::Ready,
        s if has_endpoint && (is(s, rds::AVAILABLE) || is(s, rds::MAINTAINED)) => Phase::Ready,
        "modifying" if has_endpoint && !is_pending(db) => Phase::Ready,
        s => Phase::Busy(s.into()),
    }
}

/// What brings it back with its data from a state that AWS does not leave by itself.
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

/// Whether a change is still to come, other than the standby.
fn is_pending(db: &DbInstance) -> bool {
    let Some(pending) = db.pending_modified_values() else { return false };
    let mut rest = pending.clone();
    rest.multi_az = None;
    rest != aws_sdk_rds::types::PendingModifiedValues::builder().build()
}

/// The identifier in AWS's own name of a database: `id.x1y2z3.region.rds.amazonaws.com`, in China
/// `id.x1y2z3.rds.region.amazonaws.com.cn`.
fn own_name(host: &str) -> Option<String> {
    let host = host.to_lowercase();
    let host = host.trim_end_matches('.');
    let aws = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let mut labels = aws.split('.');
    let id = labels.next()?;
    labels.any(|l| l == "rds").then(|| id.to_owned())
}

/// `mysql 8.4` for every 8.4.
fn engine(version: &str) -> String {
    let series: Vec<_> = version.split('.').take(2).collect();
    format!("mysql {}", series.join("."))
}

/// Whether `8.4.6` is an `8.4`, and `8.0.46-rds.20260624` an `8.0.46`.
pub(super) fn is_of(version: &str, wanted: &str) -> bool {
    version.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
}

/// `8.4.6` in numbers, so that 8.4.10 comes after 8.4.9.
pub(super) fn numbers(version: &str) -> Vec<u64> {
    version.split(['.', '-']).map_while(|part| part.parse().ok()).collect()
}

/// Whether `8.4.9` is what became of an `8.4.6`.
fn is_later_patch(version: &str, wanted: &str) -> bool {
    let exact = wanted.split('.').count() > 2;
    exact && engine(version) == engine(wanted) && numbers(version) > numbers(wanted)
}

/// What a field says, if anything.
pub(super) fn value(field: &Option<Known<String>>) -> Result<Option<String>> {
    field.as_ref().map(|f| f.get().cloned()).transpose()
}

/// There is more to do, which AWS would refuse now: the engine waits and looks again.
pub(super) fn more_later(call: &'static str, why: &str) -> Error {
    Error::Aws(Box::new(AwsError::new(call, Class::WrongState, why)))
}

/// The databases that keep something from being deleted.
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
            [("8.4.6", "8.4"), ("8.4.6", "8.4.6"), ("8.0.46-rds.20260624", "8.0.46"), ("6.2.6", "6.2")]
        {
            assert!(is_of(found, wanted), "{found} is a {wanted}");
        }
        for (found, wanted) in [("8.4.10", "8.4.1"), ("8.40", "8.4"), ("8.4", "8.4.6")] {
            assert!(!is_of(found, wanted), "{found} is no {wanted}");
        }
        assert!(is_later_patch("8.4.10", "8.4.9") && is_later_patch("8.0.46-rds.20260624", "8.0.40"));
        assert!(!is_later_patch("8.4.6", "8.4.9") && !is_later_patch("8.4.6", "8.0.46"));
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
