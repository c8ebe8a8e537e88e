//! The emulator's stack, broken through the SDK in one way after the other: `why` names the cause first, its command
//! repairs it, and then there are no findings.

use crate::tools::emulator::Emulator;
use aws_sdk_cloudfront::types::{DistributionConfig, Origin};
use aws_sdk_ec2::types as ec2;
use aws_sdk_elasticloadbalancingv2::types as elb;
use futures::future::LocalBoxFuture;
use gameday::{
    aws::{Aws, Target},
    config::{self, CacheEngine, Loaded, Switch},
    diagnose::{self, Finding},
    engine::{Direction, Env, Events, Names, Node, Pace, handover, walk},
    facts::Facts,
    snapshot::{self, Asking, Expected, Snapshot, Whose},
    stack,
};
use std::{path::Path, time::Duration};

struct Game {
    aws: Aws,
    loaded: Loaded,
    _emulator: Emulator,
}

impl Game {
    /// Starts a stack: with what the example has, or with `others`, which are memcached and a distribution.
    async fn new(others: bool) -> Self {
        let emulator = Emulator::start("instant");
        let endpoint = emulator.endpoint();
        let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/billing-api.toml"));
        let mut loaded = config::load(file).unwrap_or_else(|e| panic!("{}", e.render(false, 100)));
        if others {
            loaded.config.cdn.mode = Switch::Create;
            (loaded.config.cache.engine, loaded.config.cache.nodes) = (CacheEngine::Memcached, 2);
        }
        let aws = Aws::connect(&Target { region: loaded.config.region.clone(), endpoint, ..Target::default() }).await;
        aws.reads.set_mode(gameday::aws::reads::Mode::Building { keep: std::time::Duration::ZERO });
        Self { aws, loaded, _emulator: emulator }
    }

    async fn up(&self) -> Result<(), String> {
        let facts = Facts::gather(&self.aws, &self.loaded.config).await.map_err(|e| e.to_string())?;
        let stack = stack::wire(&self.loaded, &facts, &self.aws).map_err(|e| e.to_string())?;
        let mut env = Env::new(&self.loaded.config.name, Events::new(|_| {}));
        env.pace = Pace { scale: 0.02, jitter: false };
        env.names = Names::default().with_ends(self.loaded.config.name_ends());
        let mut report =
            walk(&stack.graph, Direction::Forward, &env, async |n: &dyn Node| n.reconcile(&env).await).await;
        if report.all_done() {
            handover::finish(&stack.graph, &env, &mut report).await;
        }
        let failed: Vec<String> = report.failed().map(|(key, e)| format!("{key}: {e}")).collect();
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }

    async fn look(&self) -> Snapshot {
        let facts = Facts::gather(&self.aws, &self.loaded.config).await.unwrap();
        let stack = stack::wire(&self.loaded, &facts, &self.aws).unwrap();
        let steps = stack.graph.nodes().map(|n| n.key().to_string()).collect();
        let service = self.loaded.config.services().next().expect("it has a service");
        let expected = Expected::new(&self.loaded.config, service, &facts, steps);
        let whose = Whose {
            stack: self.loaded.config.name.clone(),
            service: service.name.into(),
            account: facts.account.clone(),
            region: facts.region.clone(),
            ..Whose::default()
        };
        let asking = Asking::Nothing { at: expected.path(), why: "an emulator".into() };
        snapshot::gather(&self.aws, whose, expected, &asking, snapshot::Depth::Events).await
    }

    /// Looks until the findings are as wanted, because the emulator takes a few looks to replace an instance. Also
    /// returns whether they became so.
    async fn until(&self, wanted: impl Fn(&[Finding]) -> bool) -> (Snapshot, Vec<Finding>, bool) {
        let mut looks = 0;
        loop {
            let s = self.look().await;
            let findings = diagnose::why(&s);
            looks += 1;
            let so = wanted(&findings);
            if so || looks == 20 {
                return (s, findings, so);
            }
            tokio::time::sleep(Duration::from_millis(50 * looks)).await;
        }
    }
}

type Break = for<'a> fn(&'a Aws, &'a Snapshot) -> LocalBoxFuture<'a, ()>;

/// A table of breakages: the name, the rule that has to come first, and the calls.
macro_rules! rows {
    ($(($name:literal, $first:literal, |$aws:ident, $s:ident| $body:block)),* $(,)?) => {
        &[$(($name, $first, {
            fn how<'a>($aws: &'a Aws, $s: &'a Snapshot) -> LocalBoxFuture<'a, ()> {
                Box::pin(async move { $body })
            }
            how as Break
        })),*]
    };
}
type Row = (&'static str, &'static str, Break);

fn sg<'a>(s: &'a Snapshot, name: &str) -> &'a str {
    // The service's own group has the service's name in its key.
    let name = if name == "app" { &s.expected.own.security_group } else { name };
    let step = format!("security-group/{name}");
    &s.security_groups.iter().find(|g| g.step.as_deref() == Some(&step)).unwrap().id
}
fn default_group(s: &Snapshot) -> &str {
    &s.security_groups.iter().find(|g| g.name == "default").unwrap().id
}
fn table(s: &Snapshot) -> &str {
    &s.route_tables.iter().find(|t| t.step.as_deref() == Some("route-table/public")).unwrap().id
}
fn private(s: &Snapshot) -> Vec<String> {
    let all = s.subnets.iter().filter(|n| n.step.as_deref().is_some_and(|k| k.starts_with("subnet/private")));
    all.map(|n| n.id.clone()).collect()
}
fn group_name(s: &Snapshot) -> &str {
    &s.auto_scaling_group.as_ref().unwrap().name
}
fn fixed(code: &str) -> elb::Action {
    let fixed = elb::FixedResponseActionConfig::builder().status_code(code).build();
    elb::Action::builder().r#type(elb::ActionTypeEnum::FixedResponse).fixed_response_config(fixed).build()
}

/// Removes all rules of one direction, or those of one port.
async fn shut(aws: &Aws, group: &str, egress: bool, port: Option<i32>) {
    let filter = ec2::Filter::builder().name("group-id").values(group).build();
    let rules = aws.ec2.describe_security_group_rules().filters(filter).send().await.unwrap();
    let ids: Vec<String> = rules
        .security_group_rules()
        .iter()
        .filter(|r| r.is_egress() == Some(egress) && port.is_none_or(|p| r.from_port() == Some(p)))
        .filter_map(|r| r.security_group_rule_id.clone())
        .collect();
    assert!(!ids.is_empty(), "{group} has no such rule");
    if egress {
        let call = aws.ec2.revoke_security_group_egress().group_id(group);
        call.set_security_group_rule_ids(Some(ids)).send().await.unwrap();
    } else {
        let call = aws.ec2.revoke_security_group_ingress().group_id(group);
        call.set_security_group_rule_ids(Some(ids)).send().await.unwrap();
    }
}

fn permission(port: i32, cidr: &str) -> ec2::IpPermission {
    let range = ec2::IpRange::builder().cidr_ip(cidr).build();
    ec2::IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port).ip_ranges(range).build()
}

/// Changes the configuration of the distribution.
async fn change(aws: &Aws, s: &Snapshot, how: impl Fn(&mut DistributionConfig)) {
    let id = &s.cdn.as_ref().unwrap().id;
    let now = aws.cloudfront.get_distribution_config().id(id).send().await.unwrap();
    let mut config = now.distribution_config.unwrap();
    how(&mut config);
    let call = aws.cloudfront.update_distribution().id(id).set_if_match(now.e_tag).distribution_config(config);
    call.send().await.unwrap();
}
fn origin(config: &mut DistributionConfig) -> &mut Origin {
    &mut config.origins.as_mut().unwrap().items[0]
}

const ROWS: &[Row] = rows![
    ("listener deleted", "listener-missing", |aws, s| {
        aws.elb.delete_listener().listener_arn(&s.listeners[0].arn).send().await.unwrap();
    }),
    ("listener moved", "listener-port", |aws, s| {
        aws.elb.modify_listener().listener_arn(&s.listeners[0].arn).port(8080).send().await.unwrap();
    }),
    ("listener answers 503 itself", "listener-default-fixed", |aws, s| {
        aws.elb.modify_listener().listener_arn(&s.listeners[0].arn).default_actions(fixed("503")).send().await.unwrap();
    }),
    ("rule for every path", "rule-stolen", |aws, s| {
        let paths = elb::PathPatternConditionConfig::builder().values("/*").build();
        let condition = elb::RuleCondition::builder().field("path-pattern").path_pattern_config(paths).build();
        let rule = aws.elb.create_rule().listener_arn(&s.listeners[0].arn).priority(1).conditions(condition);
        rule.actions(fixed("403")).send().await.unwrap();
    }),
    ("health path changed", "health-path", |aws, s| {
        let t = s.target_group.as_ref().unwrap();
        aws.elb.modify_target_group().target_group_arn(&t.arn).health_check_path("/nowhere").send().await.unwrap();
    }),
    ("matcher changed", "health-codes", |aws, s| {
        let t = s.target_group.as_ref().unwrap();
        let matcher = elb::Matcher::builder().http_code("201").build();
        aws.elb.modify_target_group().target_group_arn(&t.arn).matcher(matcher).send().await.unwrap();
    }),
    ("health port changed", "health-port", |aws, s| {
        let t = s.target_group.as_ref().unwrap();
        aws.elb.modify_target_group().target_group_arn(&t.arn).health_check_port("81").send().await.unwrap();
    }),
    ("targets deregistered", "targets-deregistered", |aws, s| {
        let call = aws.elb.deregister_targets().target_group_arn(&s.target_group.as_ref().unwrap().arn);
        let ids = s.targets.iter().map(|t| elb::TargetDescription::builder().id(&t.id).build());
        call.set_targets(Some(ids.collect())).send().await.unwrap();
    }),
    ("balancer's ingress revoked", "balancer-ingress-missing", |aws, s| { shut(aws, sg(s, "alb"), false, None).await }),
    ("balancer's egress revoked", "balancer-egress-missing", |aws, s| { shut(aws, sg(s, "alb"), true, None).await }),
    ("balancer's group swapped", "balancer-group-wrong", |aws, s| {
        let b = s.balancer.as_ref().unwrap();
        aws.elb.set_security_groups().load_balancer_arn(&b.arn).security_groups(default_group(s)).send().await.unwrap();
    }),
    ("app's ingress revoked", "app-ingress-missing", |aws, s| { shut(aws, sg(s, "app"), false, None).await }),
    ("app's way to the internet revoked", "app-egress-missing", |aws, s| {
        shut(aws, sg(s, "app"), true, Some(443)).await
    }),
    ("app's way to the database revoked", "database-egress", |aws, s| {
        shut(aws, sg(s, "app"), true, Some(3306)).await
    }),
    ("app's way to the cache revoked", "cache-egress", |aws, s| { shut(aws, sg(s, "app"), true, Some(6379)).await }),
    ("app's way to the files revoked", "files-egress", |aws, s| { shut(aws, sg(s, "app"), true, Some(2049)).await }),
    ("database's ingress revoked", "database-ingress", |aws, s| { shut(aws, sg(s, "db"), false, None).await }),
    ("cache's ingress revoked", "cache-ingress", |aws, s| { shut(aws, sg(s, "cache"), false, None).await }),
    ("files' ingress revoked", "files-ingress", |aws, s| { shut(aws, sg(s, "files"), false, None).await }),
    ("SSH opened to all", "group-open", |aws, s| {
        let call = aws.ec2.authorize_security_group_ingress().group_id(sg(s, "app"));
        call.ip_permissions(permission(22, "0.0.0.0/0")).send().await.unwrap();
    }),
    ("MySQL opened to all", "group-open", |aws, s| {
        let call = aws.ec2.authorize_security_group_ingress().group_id(sg(s, "db"));
        call.ip_permissions(permission(3306, "0.0.0.0/0")).send().await.unwrap();
    }),
    ("default route deleted", "route-missing", |aws, s| {
        aws.ec2.delete_route().route_table_id(table(s)).destination_cidr_block("0.0.0.0/0").send().await.unwrap();
    }),
    ("route table not associated", "route-missing", |aws, s| {
        let call = aws.ec2.describe_route_tables().route_table_ids(table(s)).send().await.unwrap();
        for a in call.route_tables()[0].associations() {
            aws.ec2
                .disassociate_route_table()
                .association_id(a.route_table_association_id().unwrap())
                .send()
                .await
                .unwrap();
        }
    }),
    ("network ACL denies port 80", "acl-balancer", |aws, s| {
        let acl = &s.acls.iter().find(|a| !a.subnets.is_empty()).unwrap().id;
        let ports = ec2::PortRange::builder().from(80).to(80).build();
        let call = aws.ec2.create_network_acl_entry().network_acl_id(acl).rule_number(10).protocol("6");
        let call = call.rule_action(ec2::RuleAction::Deny).egress(false).cidr_block("0.0.0.0/0").port_range(ports);
        call.send().await.unwrap();
    }),
    ("network ACL denies everything out", "acl-balancer", |aws, s| {
        let acl = &s.acls.iter().find(|a| !a.subnets.is_empty()).unwrap().id;
        let call = aws.ec2.create_network_acl_entry().network_acl_id(acl).rule_number(1).protocol("-1").egress(true);
        call.rule_action(ec2::RuleAction::Deny).cidr_block("0.0.0.0/0").send().await.unwrap();
    }),
    ("subnets follow an ACL without entries", "acl-balancer", |aws, s| {
        let ours = s.acls.iter().find(|a| a.default).unwrap();
        let vpc = s.vpc.as_ref().unwrap();
        let made = aws.ec2.create_network_acl().vpc_id(&vpc.id).send().await.unwrap().network_acl.unwrap();
        let found = aws.ec2.describe_network_acls().network_acl_ids(&ours.id).send().await.unwrap();
        for a in found.network_acls()[0].associations() {
            let call = aws.ec2.replace_network_acl_association().network_acl_id(made.network_acl_id().unwrap());
            call.association_id(a.network_acl_association_id().unwrap()).send().await.unwrap();
        }
    }),
    ("DHCP names another server", "dhcp-dns", |aws, s| {
        let server = ec2::NewDhcpConfiguration::builder().key("domain-name-servers").values("10.0.0.9").build();
        let made = aws.ec2.create_dhcp_options().dhcp_configurations(server).send().await.unwrap();
        let call = aws.ec2.associate_dhcp_options().vpc_id(&s.vpc.as_ref().unwrap().id);
        call.dhcp_options_id(made.dhcp_options().unwrap().dhcp_options_id().unwrap()).send().await.unwrap();
    }),
    ("DHCP names nobody", "dhcp-no-dns", |aws, s| {
        let call = aws.ec2.associate_dhcp_options().vpc_id(&s.vpc.as_ref().unwrap().id).dhcp_options_id("default");
        call.send().await.unwrap();
    }),
    ("DNS of the VPC off", "vpc-dns", |aws, s| {
        let no = ec2::AttributeBooleanValue::builder().value(false).build();
        let call = aws.ec2.modify_vpc_attribute().vpc_id(&s.vpc.as_ref().unwrap().id).enable_dns_support(no);
        call.send().await.unwrap();
    }),
    ("fleet sized to zero", "fleet-zero", |aws, s| {
        let call = aws.autoscaling.update_auto_scaling_group().auto_scaling_group_name(group_name(s));
        call.min_size(0).desired_capacity(0).max_size(0).send().await.unwrap();
    }),
    ("maximum lowered", "fleet-sizes", |aws, s| {
        let call = aws.autoscaling.update_auto_scaling_group().auto_scaling_group_name(group_name(s));
        call.max_size(2).send().await.unwrap();
    }),
    ("Launch suspended", "fleet-suspended", |aws, s| {
        let call = aws.autoscaling.suspend_processes().auto_scaling_group_name(group_name(s));
        call.scaling_processes("Launch").send().await.unwrap();
    }),
    ("fleet detached from the target group", "fleet-unattached", |aws, s| {
        let call = aws.autoscaling.detach_load_balancer_target_groups().auto_scaling_group_name(group_name(s));
        call.target_group_arns(&s.target_group.as_ref().unwrap().arn).send().await.unwrap();
    }),
    ("fleet moved to private subnets", "fleet-subnets-private", |aws, s| {
        let call = aws.autoscaling.update_auto_scaling_group().auto_scaling_group_name(group_name(s));
        call.vpc_zone_identifier(private(s).join(",")).send().await.unwrap();
    }),
    ("fleet in one zone", "fleet-zone-missing", |aws, s| {
        let first = &s.auto_scaling_group.as_ref().unwrap().subnets[0];
        let call = aws.autoscaling.update_auto_scaling_group().auto_scaling_group_name(group_name(s));
        call.vpc_zone_identifier(first).send().await.unwrap();
    }),
    ("health check type EC2", "fleet-health-type", |aws, s| {
        let call = aws.autoscaling.update_auto_scaling_group().auto_scaling_group_name(group_name(s));
        call.health_check_type("EC2").send().await.unwrap();
    }),
    ("no grace", "fleet-grace", |aws, s| {
        let call = aws.autoscaling.update_auto_scaling_group().auto_scaling_group_name(group_name(s));
        call.health_check_grace_period(5).send().await.unwrap();
    }),
    ("foreign default version", "template-default-foreign", |aws, s| {
        let t = s.template.as_ref().unwrap();
        let data = ec2::RequestLaunchTemplateData::builder().image_id("ami-0evil000000000000").build();
        let made = aws.ec2.create_launch_template_version().launch_template_id(&t.id).launch_template_data(data);
        let made = made.send().await.unwrap().launch_template_version.unwrap().version_number.unwrap();
        aws.ec2
            .modify_launch_template()
            .launch_template_id(&t.id)
            .default_version(made.to_string())
            .send()
            .await
            .unwrap();
    }),
    ("fleet on $Latest", "template-version-floating", |aws, s| {
        let spec = aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder();
        let spec = spec.launch_template_id(&s.template.as_ref().unwrap().id).version("$Latest").build();
        let call = aws.autoscaling.update_auto_scaling_group().auto_scaling_group_name(group_name(s));
        call.launch_template(spec).send().await.unwrap();
    }),
    ("database stopped", "database-stopped", |aws, s| {
        aws.rds.stop_db_instance().db_instance_identifier(&s.database.as_ref().unwrap().id).send().await.unwrap();
    }),
    ("database's group swapped", "database-groups", |aws, s| {
        let call = aws.rds.modify_db_instance().db_instance_identifier(&s.database.as_ref().unwrap().id);
        call.vpc_security_group_ids(default_group(s)).apply_immediately(true).send().await.unwrap();
    }),
    ("database deleted", "database-missing", |aws, s| {
        let call = aws.rds.delete_db_instance().db_instance_identifier(&s.database.as_ref().unwrap().id);
        call.skip_final_snapshot(true).send().await.unwrap();
    }),
    ("cache deleted", "cache-missing", |aws, s| {
        aws.elasticache
            .delete_replication_group()
            .replication_group_id(&s.cache.as_ref().unwrap().id)
            .send()
            .await
            .unwrap();
    }),
    ("cache's group swapped", "cache-groups", |aws, s| {
        let call = aws.elasticache.modify_replication_group().replication_group_id(&s.cache.as_ref().unwrap().id);
        call.security_group_ids(default_group(s)).apply_immediately(true).send().await.unwrap();
    }),
    ("mount target deleted", "files-zone-missing", |aws, s| {
        let target = &s.files.as_ref().unwrap().mount_targets[0].id;
        aws.efs.delete_mount_target().mount_target_id(target).send().await.unwrap();
    }),
    ("mount target's group swapped", "files-groups", |aws, s| {
        let target = &s.files.as_ref().unwrap().mount_targets[0].id;
        let call = aws.efs.modify_mount_target_security_groups().mount_target_id(target);
        call.security_groups(default_group(s)).send().await.unwrap();
    }),
    ("alarm fires", "alarm", |aws, s| {
        let call = aws.cloudwatch.set_alarm_state().alarm_name(&s.expected.alarms[0]);
        let call = call.state_value(aws_sdk_cloudwatch::types::StateValue::Alarm).state_reason("because");
        call.send().await.unwrap();
    }),
    ("profile's role taken away", "profile-without-role", |aws, s| {
        let name = s.expected.names.profile.as_ref().unwrap();
        let role = s.profile.as_ref().and_then(|p| p.role.clone()).unwrap();
        aws.iam.remove_role_from_instance_profile().instance_profile_name(name).role_name(role).send().await.unwrap();
    }),
    ("fleet deleted", "fleet-missing", |aws, s| {
        let call = aws.autoscaling.delete_auto_scaling_group().auto_scaling_group_name(group_name(s));
        call.force_delete(true).send().await.unwrap();
    }),
    ("balancer deleted", "balancer-missing", |aws, s| {
        aws.elb.delete_load_balancer().load_balancer_arn(&s.balancer.as_ref().unwrap().arn).send().await.unwrap();
    }),
];

/// Breakages of a stack with memcached and a distribution.
const OTHERS: &[Row] = rows![
    ("distribution disabled", "cdn-disabled", |aws, s| { change(aws, s, |config| config.enabled = false).await }),
    ("distribution asks another server", "cdn-origin", |aws, s| {
        change(aws, s, |config| origin(config).domain_name = "old.example.com".into()).await
    }),
    ("distribution lost its header", "cdn-header-missing", |aws, s| {
        change(aws, s, |config| origin(config).custom_headers = None).await
    }),
    ("distribution sends another header", "cdn-header", |aws, s| {
        change(aws, s, |config| {
            let headers = origin(config).custom_headers.as_mut().and_then(|h| h.items.as_mut());
            headers.unwrap()[0].header_value = "guessed".into();
        })
        .await
    }),
    ("rule asks for another header", "cdn-header", |aws, s| {
        let header = elb::HttpHeaderConditionConfig::builder().http_header_name("X-Gameday-Origin").values("guessed");
        let condition = elb::RuleCondition::builder().field("http-header").http_header_config(header.build());
        let call = aws.elb.modify_rule().rule_arn(&s.listeners[0].rules[0].arn);
        call.conditions(condition.build()).send().await.unwrap();
    }),
    ("listener forwards without the header", "cdn-unchecked", |aws, s| {
        let forward = elb::Action::builder().r#type(elb::ActionTypeEnum::Forward);
        let forward = forward.target_group_arn(&s.target_group.as_ref().unwrap().arn);
        let call = aws.elb.modify_listener().listener_arn(&s.listeners[0].arn);
        call.default_actions(forward.build()).send().await.unwrap();
    }),
    ("rule of the distribution's requests deleted", "rule-missing", |aws, s| {
        aws.elb.delete_rule().rule_arn(&s.listeners[0].rules[0].arn).send().await.unwrap();
    }),
    ("balancer opened beside the distribution", "cdn-bypass", |aws, s| {
        let everybody = ec2::IpRange::builder().cidr_ip("0.0.0.0/0").build();
        let http = ec2::IpPermission::builder().ip_protocol("tcp").from_port(80).to_port(80).ip_ranges(everybody);
        let call = aws.ec2.authorize_security_group_ingress().group_id(sg(s, "alb"));
        call.ip_permissions(http.build()).send().await.unwrap();
    }),
    ("cluster deleted", "cache-missing", |aws, s| {
        let id = &s.cache.as_ref().unwrap().id;
        aws.elasticache.delete_cache_cluster().cache_cluster_id(id).send().await.unwrap();
    }),
    ("cluster's group swapped", "cache-groups", |aws, s| {
        let call = aws.elasticache.modify_cache_cluster().cache_cluster_id(&s.cache.as_ref().unwrap().id);
        call.security_group_ids(default_group(s)).apply_immediately(true).send().await.unwrap();
    }),
    ("cluster lost its second node", "cache-replica-missing", |aws, s| {
        let call = aws.elasticache.modify_cache_cluster().cache_cluster_id(&s.cache.as_ref().unwrap().id);
        let call = call.num_cache_nodes(1).cache_node_ids_to_remove("0002");
        call.apply_immediately(true).send().await.unwrap();
    }),
    ("app's way to memcached revoked", "cache-egress", |aws, s| { shut(aws, sg(s, "app"), true, Some(11211)).await }),
    ("memcached's ingress revoked", "cache-ingress", |aws, s| { shut(aws, sg(s, "cache"), false, None).await }),
];

/// Does what the command of a finding does, for breakages that `up` does not repair.
async fn by_hand(aws: &Aws, s: &Snapshot, findings: &[Finding]) {
    match findings[0].rule {
        "rule-stolen" => {
            aws.elb.delete_rule().rule_arn(&s.listeners[0].rules[0].arn).send().await.unwrap();
        }
        "targets-deregistered" => {
            let call = aws.elb.register_targets().target_group_arn(&s.target_group.as_ref().unwrap().arn);
            let ids = s.auto_scaling_group.iter().flat_map(|g| &g.members);
            let ids = ids.map(|m| elb::TargetDescription::builder().id(&m.id).build()).collect();
            call.set_targets(Some(ids)).send().await.unwrap();
        }
        "health-port" => {
            let call = aws.elb.modify_target_group().target_group_arn(&s.target_group.as_ref().unwrap().arn);
            call.health_check_port("traffic-port").send().await.unwrap();
        }
        "alarm" => {
            let call = aws.cloudwatch.set_alarm_state().alarm_name(&s.expected.alarms[0]);
            let call = call.state_value(aws_sdk_cloudwatch::types::StateValue::Ok).state_reason("over");
            call.send().await.unwrap();
        }
        _ => {}
    }
}

fn told(findings: &[Finding]) -> String {
    findings.iter().map(|f| format!("\n    {:?} {}: {} ({})", f.severity, f.rule, f.cause, f.evidence)).collect()
}

/// Runs every third breakage, so that three tests share the time.
fn third_is_named_and_repaired(third: usize) {
    let rows: Vec<&Row> = ROWS.iter().skip(third).step_by(3).collect();
    assert!(rows.len() >= 10);
    named_and_repaired(&rows, false);
}

fn named_and_repaired(rows: &[&Row], others: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Box::pin(async {
        let game = Game::new(others).await;
        game.up().await.unwrap();
        let (mut before, findings, quiet) = game.until(|f| f.is_empty()).await;
        assert!(quiet, "unbroken:{}\n{}", told(&findings), before.to_json());
        assert!(before.gaps.is_empty(), "{:?}", before.gaps);
        assert!(before.calls <= 40, "{} calls", before.calls);
        let only = std::env::var("GAMEDAY_ONLY").unwrap_or_default();
        let mut wrong = vec![];
        for (name, first, breakage) in rows.iter().filter(|r| r.0.contains(&only)) {
            eprintln!("{name}");
            breakage(&game.aws, &before).await;
            let (broken, findings, named) = game.until(|f| f.first().is_some_and(|f| f.rule == *first)).await;
            if !named {
                wrong.push(format!("{name}: wanted {first}, got{}", told(&findings)));
            }
            if !findings.is_empty() {
                by_hand(&game.aws, &broken, &findings).await;
            }
            if let Err(e) = game.up().await {
                wrong.push(format!("{name}: not repaired: {e}"));
            }
            let (after, left, quiet) = game.until(|f| f.is_empty()).await;
            if !quiet {
                wrong.push(format!("{name}: after the repair{}", told(&left)));
            }
            before = after;
            for line in wrong.iter().filter(|w| w.starts_with(name)) {
                eprintln!("  {line}");
            }
        }
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    }));
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn every_breakage_of_the_emulators_stack_is_named_and_repaired_1_of_3() {
    third_is_named_and_repaired(0);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn every_breakage_of_the_emulators_stack_is_named_and_repaired_2_of_3() {
    third_is_named_and_repaired(1);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn every_breakage_of_the_emulators_stack_is_named_and_repaired_3_of_3() {
    third_is_named_and_repaired(2);
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn every_breakage_of_memcached_and_a_distribution_is_named_and_repaired() {
    named_and_repaired(&OTHERS.iter().collect::<Vec<_>>(), true);
}
