//! Law 10 for the kinds that hold data: absent, create, none, change, update, none, delete, absent.

use super::data_support::World;
use aws_sdk_elasticache::types::TransitEncryptionMode;
use aws_sdk_ssm::types::{ParameterType, ResourceTypeForTagging};
use gameday::{
    config::DatabaseEngine,
    engine::*,
    resources::{
        access_point::AccessPoint, cache::Cache, cache_cluster::CacheCluster, cache_subnet_group::CacheSubnetGroup,
        database::Database, db_parameter_group::DbParameterGroup, db_subnet_group::DbSubnetGroup,
        file_system::FileSystem, log_group::LogGroup, mount_target::MountTarget, parameter::Parameter,
        security_group::SecurityGroup, subnet::Subnet, vpc::Vpc,
    },
};
use std::collections::BTreeMap;

fn parameter(w: &World) -> Graph {
    let mut g = Graph::default();
    let path = format!("/gameday/{}/secret", w.env.stack);
    g.add("secret", Parameter { aws: w.aws.clone(), path, existing: false, reveal: false });
    g
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_parameter_keeps_its_value() {
    let mut w = World::new("p1").await;
    let g = parameter(&w);
    assert_eq!(w.plan(&g).await, ["parameter/secret create"]);
    w.settle(&g).await;
    let secret = w.aws.secret("/gameday/p1/secret").await.unwrap();
    assert_eq!(secret.reveal().len(), 32);
    assert!(secret.reveal().chars().all(|c| c.is_ascii_alphanumeric()));
    let output = w.output(&g, "parameter/secret").await;
    assert!(output["arn"].as_str().unwrap().ends_with(":parameter/gameday/p1/secret"), "{output}");
    assert!(!output.to_string().contains(secret.reveal()));

    w.env.tags.insert("team".into(), "blue".into());
    assert_eq!(w.plan(&g).await, ["parameter/secret update tags.team"]);
    w.settle(&g).await;
    assert_eq!(w.aws.secret("/gameday/p1/secret").await.unwrap(), secret);
    w.end(&g).await;
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_parameter_that_is_not_ours_is_left_alone() {
    let w = World::new("p2").await;
    let g = parameter(&w);
    let put = w.aws.ssm.put_parameter().name("/gameday/p2/secret").r#type(ParameterType::String).value("theirs");
    put.send().await.unwrap();
    let n = g.get("parameter/secret").unwrap();
    assert!(matches!(n.preview(&w.env).await, Err(Error::NotOurs { .. })));
    assert!(!n.remove(&w.env).await.unwrap());
    assert!(matches!(n.reconcile(&w.env).await, Err(Error::NotOurs { .. })));
    assert_eq!(w.aws.secret("/gameday/p2/secret").await.unwrap().reveal(), "theirs");

    // As an existing parameter it is found. A plain one of the stack's own cannot become a secret in place.
    let mut used = Graph::default();
    used.add_used(
        "secret",
        Parameter { aws: w.aws.clone(), path: "/gameday/p2/secret".into(), existing: true, reveal: false },
    );
    assert_eq!(w.plan(&used).await, ["parameter/secret none"]);
    assert_eq!(w.down(&used).await, [false]);
    let tag = aws_sdk_ssm::types::Tag::builder().key(w.aws.keys.stack()).value("p2").build().unwrap();
    let call = w.aws.ssm.add_tags_to_resource().resource_type(ResourceTypeForTagging::Parameter);
    call.resource_id("/gameday/p2/secret").tags(tag).send().await.unwrap();
    assert_eq!(w.plan(&g).await, ["parameter/secret refuse type,tags.Name,tags.gameday:step"]);
}

fn log_group(w: &World, days: i32) -> Graph {
    let mut g = Graph::default();
    g.add("app", LogGroup { aws: w.aws.clone(), path: format!("/gameday/{}/app", w.env.stack), days });
    g
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_log_group_keeps_lines_for_so_long() {
    let w = World::new("l1").await;
    let logs = &w.aws.logs;
    // A neighbour whose name begins with this one's.
    logs.create_log_group().log_group_name("/gameday/l1/app2").send().await.unwrap();
    let g = log_group(&w, 3);
    assert_eq!(w.plan(&g).await, ["log-group/app create"]);
    w.settle(&g).await;
    let output = w.output(&g, "log-group/app").await;
    assert!(output["arn"].as_str().unwrap().ends_with(":log-group:/gameday/l1/app"), "{output}");
    let g = log_group(&w, 7);
    assert_eq!(w.plan(&g).await, ["log-group/app update days"]);
    w.settle(&g).await;
    // Drift.
    logs.delete_retention_policy().log_group_name("/gameday/l1/app").send().await.unwrap();
    let arn = output["arn"].as_str().unwrap();
    logs.untag_resource().resource_arn(arn).tag_keys("Name").send().await.unwrap();
    assert_eq!(w.plan(&g).await, ["log-group/app update days,tags.Name"]);
    w.settle(&g).await;
    w.end(&g).await;
    let left = logs.describe_log_groups().log_group_name_prefix("/gameday/l1").send().await.unwrap();
    assert_eq!(left.log_groups().len(), 1);
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_log_group_that_is_not_ours_is_left_alone() {
    let w = World::new("l2").await;
    w.aws.logs.create_log_group().log_group_name("/gameday/l2/app").send().await.unwrap();
    let g = log_group(&w, 3);
    let n = g.get("log-group/app").unwrap();
    assert!(matches!(n.reconcile(&w.env).await, Err(Error::NotOurs { .. })));
    assert!(!n.remove(&w.env).await.unwrap());
}

fn db_parameters(w: &World, family: &str, all: &[(&str, &str)]) -> Graph {
    let mut g = Graph::default();
    let parameters: BTreeMap<_, _> = all.iter().map(|&(k, v)| (k.into(), v.into())).collect();
    g.add("main", DbParameterGroup { aws: w.aws.clone(), family: family.into(), parameters });
    g
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_db_parameter_group_has_what_is_wanted_and_nothing_else() {
    let w = World::new("dp").await;
    let g = db_parameters(&w, "mysql8.4", &[("authentication_policy", "*:mysql_native_password")]);
    assert_eq!(w.plan(&g).await, ["db-parameter-group/main create"]);
    w.settle(&g).await;
    let g = db_parameters(&w, "mysql8.4", &[("max_connections", "200"), ("wait_timeout", "60")]);
    assert_eq!(
        w.plan(&g).await,
        [
            "db-parameter-group/main update parameters.authentication_policy,parameters.max_connections,parameters.wait_timeout"
        ]
    );
    w.settle(&g).await;
    // Drift: an unwanted parameter.
    let more = aws_sdk_rds::types::Parameter::builder().parameter_name("long_query_time").parameter_value("1");
    let more = more.apply_method(aws_sdk_rds::types::ApplyMethod::Immediate).build();
    let call = w.aws.rds.modify_db_parameter_group().db_parameter_group_name("dp-main").parameters(more);
    call.send().await.unwrap();
    assert_eq!(w.plan(&g).await, ["db-parameter-group/main update parameters.long_query_time"]);
    w.settle(&g).await;
    let other = db_parameters(&w, "mysql8.0", &[("max_connections", "200"), ("wait_timeout", "60")]);
    assert_eq!(w.plan(&other).await, ["db-parameter-group/main refuse family"]);
    w.end(&g).await;
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn more_parameters_than_fit_into_one_call_are_set() {
    let w = World::new("dpn").await;
    let names = [
        "max_connections",
        "wait_timeout",
        "long_query_time",
        "slow_query_log",
        "general_log",
        "interactive_timeout",
        "net_read_timeout",
        "net_write_timeout",
        "connect_timeout",
        "lock_wait_timeout",
        "max_allowed_packet",
        "table_open_cache",
        "thread_cache_size",
        "tmp_table_size",
        "max_heap_table_size",
        "sort_buffer_size",
        "join_buffer_size",
        "read_buffer_size",
        "read_rnd_buffer_size",
        "innodb_lock_wait_timeout",
        "max_connect_errors",
        "back_log",
        "event_scheduler",
    ];
    let all: Vec<_> = names.iter().map(|&n| (n, "1")).collect();
    let g = db_parameters(&w, "mysql8.4", &all);
    w.settle(&g).await;
    w.end(&g).await;
}

/// A network with subnets and security groups.
struct Net {
    subnets: Vec<Ref<Subnet>>,
    groups: Vec<Ref<SecurityGroup>>,
}

fn net(w: &World, g: &mut Graph) -> Net {
    let aws = w.aws.clone();
    let vpc = g.add("main", Vpc { aws: aws.clone(), cidr: "10.0.0.0/16".into(), existing: None });
    let subnet = |(i, zone): (usize, &str)| {
        let (cidr, zone) = (format!("10.0.{i}.0/24"), format!("eu-west-1{zone}"));
        let subnet = Subnet { aws: aws.clone(), vpc: vpc.clone(), cidr, zone, public: false, existing: None };
        g.add(&format!("data-{i}"), subnet)
    };
    let subnets = ["a", "b", "c"].into_iter().enumerate().map(subnet).collect();
    let group = |name: &&str| {
        let group = SecurityGroup { aws: aws.clone(), vpc: vpc.clone(), description: "test".into() };
        g.add(name, group)
    };
    let groups = ["data", "other"].iter().map(group).collect();
    Net { subnets, groups }
}

fn files(w: &World, throughput: &str, uid: u32, other_group: bool) -> Graph {
    let mut g = Graph::default();
    let aws = || w.aws.clone();
    let net = net(w, &mut g);
    let fs = g.add("main", FileSystem { aws: aws(), existing: None, throughput: throughput.into(), encrypted: true });
    let groups = vec![net.groups[usize::from(other_group)].clone()];
    for (i, zone) in ["a", "b"].into_iter().enumerate() {
        let (file_system, subnet, zone) = (fs.clone(), net.subnets[i].clone(), format!("eu-west-1{zone}"));
        let target = MountTarget { aws: aws(), file_system, subnet, groups: groups.clone(), zone, existing: false };
        g.add(&format!("main-{i}"), target);
    }
    let path = "/files".into();
    g.add("main", AccessPoint { aws: aws(), file_system: fs, uid, gid: 1000, path });
    g
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_file_system_with_its_doors() {
    let w = World::new("fs").await;
    let efs = &w.aws.efs;
    let theirs = efs.create_file_system().creation_token("theirs").send().await.unwrap();
    let g = files(&w, "bursting", 1000, false);
    assert!(w.plan(&g).await.iter().all(|w| w.ends_with(" create")));
    w.settle(&g).await;
    let target = w.output(&g, "mount-target/main-1").await;
    assert_eq!(target["zone"], "eu-west-1b");
    assert!(target["ip"].as_str().unwrap().starts_with("10.0.1."), "{target}");

    let g = files(&w, "elastic", 1000, true);
    assert_eq!(
        w.diff(&g).await,
        [
            "file-system/main update throughput",
            "mount-target/main-0 update groups",
            "mount-target/main-1 update groups"
        ]
    );
    w.settle(&g).await;
    let g2 = files(&w, "elastic", 1001, true);
    assert_eq!(w.diff(&g2).await, ["access-point/main refuse uid"]);

    // Drift: a mount target is gone, another has the wrong group, tags are lost.
    let id = |key| {
        let (w, g) = (&w, &g);
        async move { w.output(g, key).await["id"].as_str().unwrap().to_owned() }
    };
    efs.delete_mount_target().mount_target_id(id("mount-target/main-0").await).send().await.unwrap();
    let data = id("security-group/data").await;
    let call = efs.modify_mount_target_security_groups().mount_target_id(id("mount-target/main-1").await);
    call.security_groups(data).send().await.unwrap();
    for key in ["file-system/main", "access-point/main"] {
        efs.untag_resource().resource_id(id(key).await).tag_keys("Name").send().await.unwrap();
    }
    assert_eq!(
        w.diff(&g).await,
        [
            "file-system/main update tags.Name",
            "mount-target/main-0 create",
            "mount-target/main-1 update groups",
            "access-point/main update tags.Name"
        ]
    );
    w.settle(&g).await;

    // An existing file system is used as it is.
    let mut used = Graph::default();
    let existing = Some(id("file-system/main").await);
    used.add_used("main", FileSystem { aws: w.aws.clone(), existing, throughput: "bursting".into(), encrypted: true });
    assert_eq!(w.plan(&used).await, ["file-system/main none"]);

    // The deletion fails with what holds the file system, and does not wait for what remains.
    let n = g.get("file-system/main").unwrap();
    let Err(Error::Blocked { by, .. }) = n.remove(&w.env).await else { panic!("it has mount targets") };
    assert_eq!(by.len(), 2);
    w.end(&g).await;
    let left = efs.describe_file_systems().file_system_id(theirs.file_system_id()).send().await.unwrap();
    assert_eq!(left.file_systems().len(), 1);
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_file_system_that_lost_its_tags_is_left_alone() {
    let w = World::new("fs2").await;
    let mut g = Graph::default();
    g.add("main", FileSystem { aws: w.aws.clone(), existing: None, throughput: "bursting".into(), encrypted: true });
    w.settle(&g).await;
    let id = w.output(&g, "file-system/main").await["id"].as_str().unwrap().to_owned();
    w.aws.efs.untag_resource().resource_id(&id).tag_keys(w.aws.keys.stack()).send().await.unwrap();
    let n = g.get("file-system/main").unwrap();
    assert!(matches!(n.reconcile(&w.env).await, Err(Error::NotOurs { .. })));
    assert!(!n.remove(&w.env).await.unwrap());
    let tag = aws_sdk_efs::types::Tag::builder().key(w.aws.keys.stack()).value("fs2").build().unwrap();
    w.aws.efs.tag_resource().resource_id(&id).tags(tag).send().await.unwrap();
    w.end(&g).await;
}

/// The settings of the database that the tests change.
#[derive(Clone)]
struct Db {
    engine: DatabaseEngine,
    version: &'static str,
    class: &'static str,
    storage_gb: i32,
    encrypted: bool,
    multi_az: bool,
    backup_days: i32,
    protected: bool,
    other_group: bool,
    name: &'static str,
    subnets: usize,
}

const DB: Db = Db {
    engine: DatabaseEngine::Mysql,
    version: "8.4",
    class: "db.t3.micro",
    storage_gb: 20,
    encrypted: true,
    multi_az: false,
    backup_days: 1,
    protected: false,
    other_group: false,
    name: "unicorndb",
    subnets: 2,
};

const POSTGRES: Db = Db { engine: DatabaseEngine::Postgres, version: "17", ..DB };

fn database(w: &World, db: &Db) -> Graph {
    let mut g = Graph::default();
    let aws = || w.aws.clone();
    let net = net(w, &mut g);
    let path = format!("/gameday/{}/db-master-password", w.env.stack);
    let password = g.add("db-master-password", Parameter { aws: aws(), path, existing: false, reveal: false });
    let subnets = net.subnets[..db.subnets].to_vec();
    let subnet_group = g.add("main", DbSubnetGroup { aws: aws(), subnets });
    let parameters = BTreeMap::from([("max_connections".into(), "200".into())]);
    let parameter_group =
        g.add("main", DbParameterGroup { aws: aws(), family: db.engine.family(db.version), parameters });
    g.add(
        "main",
        Database {
            aws: aws(),
            existing: None,
            engine: db.engine,
            version: db.version.into(),
            extended_support: false,
            class: db.class.into(),
            storage_gb: db.storage_gb,
            encrypted: db.encrypted,
            multi_az: db.multi_az,
            backup_days: db.backup_days,
            deletion_protection: db.protected,
            database: db.name.into(),
            master_user: "gdadmin".into(),
            subnet_group: Some(subnet_group),
            parameter_group: Some(parameter_group),
            groups: vec![net.groups[usize::from(db.other_group)].clone()],
            master_password: Some(password),
        },
    );
    g
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_database() {
    let mut w = World::new("db").await;
    let rds = &w.aws.rds;
    let g = database(&w, &DB);
    assert!(w.plan(&g).await.iter().all(|w| w.ends_with(" create")));
    w.settle(&g).await;
    let output = w.output(&g, "database/main").await;
    assert_eq!((&output["port"], &output["id"]), (&3306.into(), &"db-main".into()));
    assert!(output["host"].as_str().unwrap().starts_with("db-main."), "{output}");

    let changed = Db {
        class: "db.t3.small",
        storage_gb: 30,
        multi_az: true,
        backup_days: 7,
        protected: true,
        other_group: true,
        subnets: 3,
        ..DB
    };
    let g = database(&w, &changed);
    assert_eq!(
        w.diff(&g).await,
        [
            "db-subnet-group/main update subnets",
            "database/main update backup_days,class,deletion_protection,groups,multi_az,storage_gb"
        ]
    );
    w.settle(&g).await;

    // Fields that AWS cannot change are refused.
    let family = "db-parameter-group/main refuse family";
    for (fixed, refused) in [
        (Db { version: "8.0", ..changed.clone() }, &[family, "database/main refuse engine,version"][..]),
        (Db { name: "other", ..changed.clone() }, &["database/main refuse database"]),
    ] {
        assert_eq!(w.diff(&database(&w, &fixed)).await, refused);
    }
    let smaller = database(&w, &Db { storage_gb: 20, ..changed.clone() });
    w.plan(&smaller).await;
    let refused = smaller.get("database/main").unwrap().reconcile(&w.env).await.unwrap_err();
    assert!(refused.to_string().contains("cannot change storage_gb in place"), "{refused}");

    // Drift: stopped, public, and on another port.
    let call = rds.modify_db_instance().db_instance_identifier("db-main").publicly_accessible(true);
    call.db_port_number(3307).send().await.unwrap();
    rds.stop_db_instance().db_instance_identifier("db-main").send().await.unwrap();
    let drift = w.diff(&g).await;
    assert!(drift == ["database/main update port,public,running"], "{drift:?}");
    w.settle(&g).await;

    // The database is protected, whatever the stack file now says, until its id is given. Groups in use name the
    // database.
    let n = g.get("database/main").unwrap();
    assert!(n.remove(&w.env).await.unwrap_err().to_string().contains("protected"));
    for key in ["db-subnet-group/main", "db-parameter-group/main"] {
        let Err(Error::Blocked { by, .. }) = g.get(key).unwrap().remove(&w.env).await else {
            panic!("{key} is in use")
        };
        assert_eq!(by, ["database db-main"]);
    }
    let open = database(&w, &Db { protected: false, ..changed });
    assert_eq!(w.diff(&open).await, [""; 0], "what somebody has put on is no drift");
    assert!(open.get("database/main").unwrap().remove(&w.env).await.unwrap_err().to_string().contains("protected"));
    w.env.consent.delete.insert("db-main".into());
    // The protection of a stopped database cannot be removed.
    rds.stop_db_instance().db_instance_identifier("db-main").send().await.unwrap();
    w.end(&open).await;
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn an_exact_version_of_a_database_is_changed_in_place() {
    let w = World::new("dv").await;
    let g = database(&w, &Db { version: "8.4.8", ..DB });
    w.settle(&g).await;
    // Any 8.4 is accepted if the stack file wants 8.4.
    assert_eq!(w.diff(&database(&w, &DB)).await, [""; 0]);
    let g = database(&w, &Db { version: "8.4.9", ..DB });
    assert_eq!(w.diff(&g).await, ["database/main update version"]);
    w.settle(&g).await;
    // An upgrade by AWS cannot be reverted, and is no drift.
    assert_eq!(w.diff(&database(&w, &Db { version: "8.4.6", ..DB })).await, [""; 0]);
    w.end(&g).await;
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_database_of_the_other_engine() {
    let w = World::new("pg").await;
    let g = database(&w, &POSTGRES);
    w.settle(&g).await;
    let output = w.output(&g, "database/main").await;
    assert_eq!((&output["port"], &output["id"]), (&5432.into(), &"pg-main".into()));
    // A look knows the family of the parameter group by the database that uses it.
    assert_eq!(w.diff(&database(&w, &POSTGRES)).await, [""; 0]);

    let changed = Db { class: "db.t3.small", storage_gb: 30, multi_az: true, backup_days: 7, ..POSTGRES };
    assert_eq!(w.diff(&database(&w, &changed)).await, ["database/main update backup_days,class,multi_az,storage_gb"]);
    w.settle(&database(&w, &changed)).await;

    // 17 takes every 17, an exact version is changed upwards only, and another series or engine is another database.
    let found = w.aws.rds.describe_db_instances().db_instance_identifier("pg-main").send().await.unwrap();
    assert_eq!(found.db_instances()[0].engine_version(), Some("17.6"));
    let exact = |version| database(&w, &Db { version, ..changed.clone() });
    assert_eq!(w.diff(&exact("17.9")).await, ["database/main update version"]);
    assert_eq!(w.diff(&exact("17.5")).await, [""; 0], "a later patch cannot be taken back");
    let refused = ["db-parameter-group/main refuse family", "database/main refuse engine,version"];
    assert_eq!(w.diff(&exact("16")).await, refused);
    let mysql = Db { engine: DatabaseEngine::Mysql, version: "8.4", ..changed.clone() };
    let refused = ["db-parameter-group/main refuse family", "database/main refuse engine,port,version"];
    assert_eq!(w.diff(&database(&w, &mysql)).await, refused);
    w.settle(&exact("17.9")).await;
    w.end(&exact("17.9")).await;
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_large_database_is_told_its_iops() {
    let w = World::new("dl").await;
    w.settle(&database(&w, &DB)).await;
    let g = database(&w, &Db { storage_gb: 400, ..DB });
    assert_eq!(w.diff(&g).await, ["database/main update storage_gb"]);
    w.settle(&g).await;
    w.settle(&database(&w, &Db { storage_gb: 500, ..DB })).await;
    w.end(&g).await;
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_database_that_is_not_ours_is_left_alone() {
    let w = World::new("dn").await;
    let call = w.aws.rds.create_db_instance().db_instance_identifier("dn-main").engine("mysql");
    let call = call.engine_version("8.4.8").db_instance_class("db.t3.micro").allocated_storage(20);
    call.master_username("x").master_user_password("password1").send().await.unwrap();
    let g = database(&w, &DB);
    let plan = w.plan(&g).await;
    assert!(plan.last().unwrap().contains("carries no tag of stack `dn`"), "{plan:?}");
    let n = g.get("database/main").unwrap();
    assert!(!n.remove(&w.env).await.unwrap());
}

fn cache(w: &World, nodes: i32, class: &str, version: &str, engine: &str, other_group: bool) -> Graph {
    let zones = vec!["eu-west-1a".into(), "eu-west-1b".into()];
    cache_in(w, zones, nodes, class, version, engine, other_group)
}

fn cache_in(
    w: &World,
    zones: Vec<String>,
    nodes: i32,
    class: &str,
    version: &str,
    engine: &str,
    other_group: bool,
) -> Graph {
    let mut g = Graph::default();
    let aws = || w.aws.clone();
    let net = net(w, &mut g);
    let subnet_group = g.add("main", CacheSubnetGroup { aws: aws(), subnets: net.subnets.clone() });
    g.add(
        "main",
        Cache {
            aws: aws(),
            existing: None,
            engine: engine.into(),
            version: version.into(),
            class: class.into(),
            encrypted: true,
            nodes,
            zones,
            subnet_group: Some(subnet_group),
            groups: vec![net.groups[usize::from(other_group)].clone()],
        },
    );
    g
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_cache_grows_and_shrinks() {
    let w = World::new("ca").await;
    let one = cache_in(&w, vec!["eu-west-1b".into()], 1, "cache.t3.micro", "8.1", "valkey", false);
    assert!(w.plan(&one).await.iter().all(|w| w.ends_with(" create")));
    w.settle(&one).await;
    let output = w.output(&one, "cache/main").await;
    assert_eq!((&output["port"], &output["id"]), (&6379.into(), &"ca-main".into()));
    assert_eq!(output["members"].as_array().unwrap().len(), 1, "{output}");
    assert!(output["host"].as_str().unwrap().contains("ca-main"), "{output}");

    let two = cache(&w, 2, "cache.t3.small", "8.2", "valkey", true);
    assert_eq!(w.diff(&two).await, ["cache/main update class,failover,groups,nodes,version"]);
    w.settle(&two).await;
    assert_eq!(w.output(&two, "cache/main").await["members"].as_array().unwrap().len(), 2);
    let group = w.aws.elasticache.describe_replication_groups().replication_group_id("ca-main").send().await.unwrap();
    let nodes = group.replication_groups()[0].node_groups()[0].node_group_members();
    let zones: Vec<_> = nodes.iter().filter_map(|m| m.preferred_availability_zone()).collect();
    assert_eq!(zones, ["eu-west-1b", "eu-west-1a"], "the replica is not where the primary is");
    let redis = cache(&w, 2, "cache.t3.small", "7.1", "redis", true);
    assert_eq!(w.diff(&redis).await, ["cache/main refuse engine,version"]);
    let older = cache(&w, 2, "cache.t3.small", "8.1", "valkey", true);
    assert_eq!(w.diff(&older).await, ["cache/main refuse version"]);

    // Drift: failover is off, a tag is gone.
    let ec = &w.aws.elasticache;
    let call = ec.modify_replication_group().replication_group_id("ca-main").apply_immediately(true);
    call.automatic_failover_enabled(false).multi_az_enabled(false).send().await.unwrap();
    let arn = ec.describe_replication_groups().replication_group_id("ca-main").send().await.unwrap();
    let arn = arn.replication_groups()[0].arn().unwrap().to_owned();
    w.up(&cache(&w, 2, "cache.t3.small", "8.2", "valkey", true)).await;
    assert_eq!(w.diff(&two).await, [""; 0]);
    let call = ec.modify_replication_group().replication_group_id("ca-main").apply_immediately(true);
    call.transit_encryption_enabled(true)
        .transit_encryption_mode(TransitEncryptionMode::Preferred)
        .send()
        .await
        .unwrap();
    assert_eq!(w.diff(&two).await, [""; 0]);
    let call = ec.modify_replication_group().replication_group_id("ca-main").apply_immediately(true);
    call.transit_encryption_mode(TransitEncryptionMode::Required).send().await.unwrap();
    assert_eq!(w.diff(&two).await, ["cache/main refuse tls"]);
    let call = ec.modify_replication_group().replication_group_id("ca-main").apply_immediately(true);
    call.transit_encryption_enabled(false).send().await.unwrap();
    ec.remove_tags_from_resource().resource_name(&arn).tag_keys("Name").send().await.unwrap();
    assert_eq!(w.diff(&two).await, ["cache/main update tags.Name"]);
    w.settle(&two).await;

    let one = cache(&w, 1, "cache.t3.small", "8.2", "valkey", true);
    assert_eq!(w.diff(&one).await, ["cache/main update failover,nodes"]);
    w.settle(&one).await;
    let n = one.get("cache-subnet-group/main").unwrap();
    let Err(Error::Blocked { by, .. }) = n.remove(&w.env).await else { panic!("it is in use") };
    assert_eq!(by, ["cache node ca-main-001"]);
    w.end(&one).await;
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_cache_is_made_with_two_nodes() {
    let w = World::new("cb").await;
    let g = cache(&w, 2, "cache.t3.micro", "8.2", "valkey", false);
    w.settle(&g).await;
    w.end(&g).await;
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_cache_that_is_not_ours_is_left_alone() {
    let w = World::new("cn").await;
    let call = w.aws.elasticache.create_replication_group().replication_group_id("cn-main");
    let call = call.replication_group_description("theirs").engine("valkey").cache_node_type("cache.t3.micro");
    call.transit_encryption_enabled(false).send().await.unwrap();
    let g = cache(&w, 1, "cache.t3.micro", "8.2", "valkey", false);
    let plan = w.plan(&g).await;
    assert!(plan.last().unwrap().contains("carries no tag of stack `cn`"), "{plan:?}");
    let n = g.get("cache/main").unwrap();
    assert!(!n.remove(&w.env).await.unwrap());
}

fn cluster(w: &World, zones: &[&str], nodes: i32, class: &str, version: &str, other_group: bool) -> Graph {
    let mut g = Graph::default();
    let aws = || w.aws.clone();
    let net = net(w, &mut g);
    let subnet_group = g.add("main", CacheSubnetGroup { aws: aws(), subnets: net.subnets.clone() });
    let cluster = CacheCluster {
        aws: aws(),
        existing: None,
        version: version.into(),
        class: class.into(),
        nodes,
        zones: zones.iter().map(|zone| (*zone).to_owned()).collect(),
        subnet_group: Some(subnet_group),
        groups: vec![net.groups[usize::from(other_group)].clone()],
    };
    g.add("main", cluster);
    g
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_cluster_of_memcached_grows_and_shrinks() {
    let (w, zones) = (World::new("mc").await, ["eu-west-1b", "eu-west-1a"]);
    let one = cluster(&w, &zones, 1, "cache.t3.micro", "1.5.16", false);
    assert!(w.plan(&one).await.iter().all(|w| w.ends_with(" create")));
    w.settle(&one).await;
    let output = w.output(&one, "cache-cluster/main").await;
    let first = output["host"].clone();
    assert_eq!((&output["port"], &output["id"]), (&11211.into(), &"mc-main".into()));
    assert_eq!(output["nodes"], serde_json::json!([first]));
    assert!(output["discovery"].as_str().unwrap().contains(".cfg."), "{output}");

    // Nodes, class, version with its parameter group, and security group, in two steps.
    let two = cluster(&w, &zones, 2, "cache.t3.small", "1.6.22", true);
    assert_eq!(w.diff(&two).await, ["cache-cluster/main update class,groups,nodes,version"]);
    w.settle(&two).await;
    let output = w.output(&two, "cache-cluster/main").await;
    let nodes: Vec<&str> = output["nodes"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    assert_eq!(nodes.len(), 2);
    assert!(nodes.is_sorted_by_key(|host| host.split('.').nth(2)), "in the order of their ids: {nodes:?}");
    assert_eq!(output["host"], first, "the first node stays");
    let ec = &w.aws.elasticache;
    let call = ec.describe_cache_clusters().cache_cluster_id("mc-main").show_cache_node_info(true);
    let seen = call.send().await.unwrap();
    let zones_of = seen.cache_clusters()[0].cache_nodes().iter().filter_map(|n| n.customer_availability_zone());
    assert_eq!(zones_of.collect::<Vec<_>>(), zones, "each node has a zone of its own");
    let parameters = seen.cache_clusters()[0].cache_parameter_group().and_then(|g| g.cache_parameter_group_name());
    assert_eq!(parameters, Some("default.memcached1.6"));

    let older = cluster(&w, &zones, 2, "cache.t3.small", "1.6.17", true);
    assert_eq!(w.diff(&older).await, ["cache-cluster/main refuse version"]);
    let arn = seen.cache_clusters()[0].arn().unwrap();
    ec.remove_tags_from_resource().resource_name(arn).tag_keys("Name").send().await.unwrap();
    assert_eq!(w.diff(&two).await, ["cache-cluster/main update tags.Name"]);
    w.settle(&two).await;

    let one = cluster(&w, &zones, 1, "cache.t3.small", "1.6.22", true);
    assert_eq!(w.diff(&one).await, ["cache-cluster/main update nodes"]);
    w.settle(&one).await;
    assert_eq!(w.output(&one, "cache-cluster/main").await["nodes"], serde_json::json!([first]));
    let n = one.get("cache-subnet-group/main").unwrap();
    let Err(Error::Blocked { by, .. }) = n.remove(&w.env).await else { panic!("it is in use") };
    assert_eq!(by, ["cache node mc-main"]);
    w.end(&one).await;
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_cluster_of_memcached_is_made_with_two_nodes() {
    let w = World::new("md").await;
    let g = cluster(&w, &["eu-west-1a", "eu-west-1b"], 2, "cache.t3.micro", "1.6.22", false);
    w.settle(&g).await;
    w.end(&g).await;
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_cluster_of_memcached_that_speaks_tls_is_replaced_on_request_only() {
    let w = World::new("mt").await;
    let g = cluster(&w, &["eu-west-1a"], 1, "cache.t3.micro", "1.6.22", false);
    w.settle(&g).await;
    let ec = &w.aws.elasticache;
    let seen = ec.describe_cache_clusters().cache_cluster_id("mt-main").send().await.unwrap();
    let old = &seen.cache_clusters()[0];
    let tags = ec.list_tags_for_resource().resource_name(old.arn().unwrap()).send().await.unwrap();
    ec.delete_cache_cluster().cache_cluster_id("mt-main").send().await.unwrap();
    let groups = old.security_groups().iter().filter_map(|g| g.security_group_id().map(Into::into)).collect();
    let call = ec.create_cache_cluster().cache_cluster_id("mt-main").engine("memcached").num_cache_nodes(1);
    let call = call.engine_version("1.6.22").cache_node_type("cache.t3.micro").transit_encryption_enabled(true);
    let call = call.cache_subnet_group_name("mt-main").set_security_group_ids(Some(groups));
    call.set_tags(Some(tags.tag_list().to_vec())).send().await.unwrap();
    assert_eq!(w.diff(&g).await, ["cache-cluster/main refuse tls"]);
    w.end(&g).await;
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_cluster_of_memcached_that_is_not_ours_is_left_alone() {
    let w = World::new("mn").await;
    let call = w.aws.elasticache.create_cache_cluster().cache_cluster_id("mn-main").engine("memcached");
    call.cache_node_type("cache.t3.micro").num_cache_nodes(1).send().await.unwrap();
    let g = cluster(&w, &["eu-west-1a"], 1, "cache.t3.micro", "1.6.22", false);
    let plan = w.plan(&g).await;
    assert!(plan.last().unwrap().contains("carries no tag of stack `mn`"), "{plan:?}");
    let n = g.get("cache-cluster/main").unwrap();
    assert!(!n.remove(&w.env).await.unwrap());
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_cluster_of_memcached_that_lost_its_tags_is_taken_over_once_it_is_named() {
    let mut w = World::new("ma").await;
    let g = cluster(&w, &["eu-west-1a"], 1, "cache.t3.micro", "1.6.22", false);
    w.settle(&g).await;
    let described = w.aws.elasticache.describe_cache_clusters().cache_cluster_id("ma-main").send().await.unwrap();
    let arn = described.cache_clusters()[0].arn().unwrap();
    let keys = ["Name".to_owned(), w.aws.keys.stack().into(), w.aws.keys.step().into()];
    let call = w.aws.elasticache.remove_tags_from_resource().resource_name(arn);
    call.set_tag_keys(Some(keys.into())).send().await.unwrap();
    let plan = w.diff(&g).await;
    assert!(plan.len() == 1 && plan[0].contains("carries no tag of stack `ma`"), "{plan:?}");
    w.env.consent.adopt.insert("cache-cluster/main".into(), "ma-main".into());
    assert_eq!(w.diff(&g).await, ["cache-cluster/main update tags.Name,tags.gameday:stack,tags.gameday:step"]);
    w.settle(&g).await;
    w.env.consent.adopt.clear();
    assert_eq!(w.diff(&g).await, [""; 0]);
    w.end(&g).await;
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn what_exists_elsewhere_is_only_used() {
    let w = World::new("us").await;
    let mut g = Graph::default();
    let aws = || w.aws.clone();
    g.add_used(
        "main",
        Database {
            aws: aws(),
            existing: Some(("theirs.c1x2.eu-west-1.rds.amazonaws.com".into(), 3307)),
            engine: DatabaseEngine::Mysql,
            version: "8.4".into(),
            extended_support: false,
            class: String::new(),
            storage_gb: 0,
            encrypted: true,
            multi_az: false,
            backup_days: 0,
            deletion_protection: false,
            database: "x".into(),
            master_user: "x".into(),
            subnet_group: None,
            parameter_group: None,
            groups: vec![],
            master_password: None,
        },
    );
    g.add_used(
        "main",
        Cache {
            aws: aws(),
            existing: Some(("localhost".into(), 6380)),
            engine: "valkey".into(),
            version: "8.2".into(),
            class: String::new(),
            encrypted: true,
            nodes: 1,
            zones: vec![],
            subnet_group: None,
            groups: vec![],
        },
    );
    assert_eq!(w.plan(&g).await, ["database/main none", "cache/main none"]);
    let db = w.output(&g, "database/main").await;
    assert_eq!((&db["id"], &db["port"]), (&"theirs".into(), &3307.into()));
    assert_eq!(w.aws.calls.reads() + w.aws.calls.writes(), 0);
}

/// Returns a graph with a database, a cache and a file system.
fn kept(w: &World, encrypted: bool) -> Graph {
    let mut g = database(w, &Db { encrypted, ..DB });
    let aws = || w.aws.clone();
    let throughput = "bursting".into();
    g.add("main", FileSystem { aws: aws(), existing: None, throughput, encrypted });
    g.add(
        "main",
        Cache {
            aws: aws(),
            existing: None,
            engine: "redis".into(),
            version: "7.1".into(),
            class: "cache.t3.micro".into(),
            encrypted,
            nodes: 1,
            zones: vec![],
            subnet_group: None,
            groups: vec![],
        },
    );
    g
}

/// Returns for each of them whether AWS reports it as encrypted.
async fn encrypted(w: &World) -> [bool; 3] {
    let name = format!("{}-main", w.env.stack);
    let db = w.aws.rds.describe_db_instances().db_instance_identifier(&name).send().await.unwrap();
    let cache = w.aws.elasticache.describe_replication_groups().replication_group_id(&name).send().await.unwrap();
    let files = w.aws.efs.describe_file_systems().send().await.unwrap();
    let ours = files.file_systems().iter().find(|f| f.name() == Some(name.as_str()));
    [
        db.db_instances()[0].storage_encrypted() == Some(true),
        cache.replication_groups()[0].at_rest_encryption_enabled() == Some(true),
        ours.expect("it is named").encrypted() == Some(true),
    ]
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn what_keeps_data_is_encrypted_when_it_is_made_and_left_as_it_is() {
    for (stack, made) in [("ey", true), ("en", false)] {
        let w = World::new(stack).await;
        w.settle(&kept(&w, made)).await;
        assert_eq!(encrypted(&w).await, [made; 3], "{stack}");
        // A new setting in the file causes neither a change nor a refusal.
        let other = kept(&w, !made);
        assert_eq!(w.diff(&other).await, [""; 0], "{stack}");
        w.settle(&other).await;
        assert_eq!(encrypted(&w).await, [made; 3], "{stack}");
        w.end(&other).await;
    }
}
