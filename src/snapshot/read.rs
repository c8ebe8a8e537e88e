//! AWS's answers in our plain types. Words stay AWS's own, so that a state of tomorrow is still readable.
use super::*;
use crate::aws::tags;
use crate::resources::{cache::wants_tls, dhcp_options};
use aws_sdk_autoscaling::types as asg;
use aws_sdk_ec2::types as ec2;
use aws_sdk_elasticache::types as elasticache;
use aws_sdk_elasticloadbalancingv2::types as elb;
use aws_smithy_types::DateTime;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

fn time(t: &DateTime) -> Option<Timestamp> {
    Timestamp::new(t.secs(), t.subsec_nanos() as i32).ok()
}
fn port(p: Option<i32>) -> u16 {
    p.and_then(|p| u16::try_from(p).ok()).unwrap_or_default()
}
fn some(s: Option<String>) -> Option<String> {
    s.filter(|s| !s.is_empty())
}
/// Which step of the stack an EC2 object is, by its tags.
fn step(tags: &[ec2::Tag], whose: &Whose) -> Option<String> {
    let value = |key: &str| tags.iter().find(|t| t.key() == Some(key)).and_then(|t| t.value());
    (value(whose.keys.stack()) == Some(whose.stack.as_str()))
        .then(|| value(whose.keys.step()).unwrap_or_default().to_owned())
}

pub fn balancer(b: elb::LoadBalancer) -> Balancer {
    Balancer {
        state: b.state.as_ref().and_then(|s| s.code()).map_or(String::new(), |c| c.as_str().into()),
        reason: some(b.state.and_then(|s| s.reason)),
        arn: b.load_balancer_arn.unwrap_or_default(),
        name: b.load_balancer_name.unwrap_or_default(),
        dns_name: b.dns_name.unwrap_or_default(),
        scheme: b.scheme.map_or(String::new(), |s| s.as_str().into()),
        vpc: b.vpc_id.unwrap_or_default(),
        zones: b
            .availability_zones
            .unwrap_or_default()
            .into_iter()
            .map(|z| ZoneSubnet { zone: z.zone_name.unwrap_or_default(), subnet: z.subnet_id.unwrap_or_default() })
            .collect(),
        groups: b.security_groups.unwrap_or_default(),
    }
}

pub fn listener(l: elb::Listener) -> Listener {
    Listener {
        arn: l.listener_arn.unwrap_or_default(),
        port: port(l.port),
        protocol: l.protocol.map_or(String::new(), |p| p.as_str().into()),
        default: actions(l.default_actions),
        rules: vec![],
    }
}

/// A rule; not the default one, which is the listener's own action.
pub fn rule(r: elb::Rule) -> Option<Rule> {
    let priority = r.priority.as_deref()?.parse().ok()?;
    let conditions = r.conditions.unwrap_or_default().into_iter().map(|c| {
        let listed = [
            c.path_pattern_config.and_then(|p| p.values),
            c.host_header_config.and_then(|h| h.values),
            c.source_ip_config.and_then(|s| s.values),
            c.http_request_method_config.and_then(|m| m.values),
            c.http_header_config.and_then(|h| h.values),
            c.query_string_config.and_then(|q| q.values).map(|all| {
                let text = |q: elb::QueryStringKeyValuePair| {
                    format!("{}={}", q.key.unwrap_or_default(), q.value.unwrap_or_default())
                };
                all.into_iter().map(text).collect()
            }),
            c.values,
        ];
        // AWS gives the same values twice: in the structure of their kind and in the plain list.
        let values = listed.into_iter().flatten().find(|v: &Vec<String>| !v.is_empty()).unwrap_or_default();
        Condition { field: c.field.unwrap_or_default(), values }
    });
    let conditions = conditions.collect();
    Some(Rule { arn: r.rule_arn.unwrap_or_default(), priority, conditions, actions: actions(r.actions) })
}

fn actions(all: Option<Vec<elb::Action>>) -> Vec<Action> {
    all.unwrap_or_default()
        .into_iter()
        .map(|a| match a.r#type.as_ref().map_or("", |t| t.as_str()) {
            "forward" => {
                let several = a.forward_config.and_then(|f| f.target_groups).unwrap_or_default();
                let mut targets: Vec<Weighted> = several
                    .into_iter()
                    .map(|t| Weighted {
                        target_group: t.target_group_arn.unwrap_or_default(),
                        weight: t.weight.unwrap_or(1),
                    })
                    .collect();
                if targets.is_empty() {
                    targets.extend(a.target_group_arn.map(|target_group| Weighted { target_group, weight: 1 }));
                }
                Action::Forward { targets }
            }
            "fixed-response" => {
                Action::FixedResponse { code: a.fixed_response_config.and_then(|f| f.status_code).unwrap_or_default() }
            }
            "redirect" => {
                let r = a.redirect_config;
                let part = |p: Option<&str>, other: &str| p.unwrap_or(other).to_owned();
                Action::Redirect {
                    to: format!(
                        "{}://{}:{}{}",
                        part(r.as_ref().and_then(|r| r.protocol()), "#{protocol}").to_lowercase(),
                        part(r.as_ref().and_then(|r| r.host()), "#{host}"),
                        part(r.as_ref().and_then(|r| r.port()), "#{port}"),
                        part(r.as_ref().and_then(|r| r.path()), "/#{path}"),
                    ),
                    code: r.and_then(|r| r.status_code).map_or(String::new(), |c| c.as_str().into()),
                }
            }
            other => Action::Other { name: other.into() },
        })
        .collect()
}

pub fn target_group(t: elb::TargetGroup) -> TargetGroup {
    TargetGroup {
        arn: t.target_group_arn.unwrap_or_default(),
        name: t.target_group_name.unwrap_or_default(),
        port: port(t.port),
        protocol: t.protocol.map_or(String::new(), |p| p.as_str().into()),
        target_type: t.target_type.map_or(String::new(), |k| k.as_str().into()),
        vpc: t.vpc_id.unwrap_or_default(),
        health: HealthCheck {
            enabled: t.health_check_enabled.unwrap_or(true),
            protocol: t.health_check_protocol.map_or(String::new(), |p| p.as_str().into()),
            port: t.health_check_port.unwrap_or_default(),
            path: t.health_check_path.unwrap_or_default(),
            matcher: t.matcher.and_then(|m| m.http_code).unwrap_or_default(),
            interval: t.health_check_interval_seconds.unwrap_or_default(),
            timeout: t.health_check_timeout_seconds.unwrap_or_default(),
            healthy_after: t.healthy_threshold_count.unwrap_or_default(),
            unhealthy_after: t.unhealthy_threshold_count.unwrap_or_default(),
        },
        attributes: BTreeMap::new(),
        balancers: t.load_balancer_arns.unwrap_or_default(),
    }
}

pub fn target(t: elb::TargetHealthDescription) -> Target {
    let health = t.target_health;
    let target = t.target;
    Target {
        port: port(target.as_ref().and_then(|t| t.port)),
        id: target.and_then(|t| t.id).unwrap_or_default(),
        state: health.as_ref().and_then(|h| h.state()).map_or("unknown".into(), |s| s.as_str().into()),
        reason: health.as_ref().and_then(|h| h.reason()).map(|r| r.as_str().into()),
        description: some(health.and_then(|h| h.description)),
    }
}

pub fn group(g: asg::AutoScalingGroup) -> AutoScalingGroup {
    let mixed = g.mixed_instances_policy.and_then(|m| m.launch_template?.launch_template_specification);
    let template = g.launch_template.or(mixed);
    let list = |text: Option<String>| -> Vec<String> {
        let text = text.unwrap_or_default();
        text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(Into::into).collect()
    };
    AutoScalingGroup {
        name: g.auto_scaling_group_name.unwrap_or_default(),
        status: some(g.status),
        created_at: g.created_time.as_ref().and_then(time),
        min: g.min_size.unwrap_or_default(),
        desired: g.desired_capacity.unwrap_or_default(),
        max: g.max_size.unwrap_or_default(),
        template: template.as_ref().and_then(|t| t.launch_template_id.clone()),
        template_version: template.map(|t| t.version.unwrap_or_else(|| "$Default".into())),
        subnets: list(g.vpc_zone_identifier),
        zones: g.availability_zones.unwrap_or_default(),
        target_groups: g.target_group_arns.unwrap_or_default(),
        suspended: g.suspended_processes.unwrap_or_default().into_iter().filter_map(|p| p.process_name).collect(),
        health_check_type: g.health_check_type.unwrap_or_default(),
        grace_seconds: g.health_check_grace_period.unwrap_or_default(),
        refresh: None,
        members: g
            .instances
            .unwrap_or_default()
            .into_iter()
            .map(|i| Member {
                id: i.instance_id.unwrap_or_default(),
                zone: i.availability_zone.unwrap_or_default(),
                lifecycle: i.lifecycle_state.map_or(String::new(), |s| s.as_str().into()),
                health: i.health_status.unwrap_or_default(),
                instance_type: i.instance_type.unwrap_or_default(),
                template_version: i.launch_template.and_then(|t| t.version),
            })
            .collect(),
    }
}

pub fn activity(a: asg::Activity) -> Activity {
    Activity {
        start: a.start_time.as_ref().and_then(time).unwrap_or_default(),
        end: a.end_time.as_ref().and_then(time),
        status: a.status_code.map_or(String::new(), |s| s.as_str().into()),
        description: a.description.unwrap_or_default(),
        cause: a.cause.unwrap_or_default(),
        message: some(a.status_message),
    }
}

pub fn template(versions: Vec<ec2::LaunchTemplateVersion>) -> Option<Template> {
    let first = versions.first()?;
    let (id, name) = (first.launch_template_id.clone(), first.launch_template_name.clone());
    let default = versions.iter().find(|v| v.default_version() == Some(true)).and_then(|v| v.version_number);
    let mut versions: Vec<_> = versions.into_iter().map(template_version).collect();
    versions.sort_by_key(|v| v.number);
    versions.dedup_by_key(|v| v.number);
    Some(Template {
        id: id.unwrap_or_default(),
        name: name.unwrap_or_default(),
        default_version: default.unwrap_or_default(),
        latest_version: versions.last().map_or(0, |v| v.number),
        versions,
    })
}

pub fn template_version(v: ec2::LaunchTemplateVersion) -> TemplateVersion {
    let created_at = v.create_time.as_ref().and_then(time);
    let mut seen = TemplateVersion {
        number: v.version_number.unwrap_or_default(),
        description: some(v.version_description),
        created_at,
        created_by: some(v.created_by),
        ..TemplateVersion::default()
    };
    if let Some(d) = v.launch_template_data {
        seen.image = d.image_id;
        seen.instance_type = d.instance_type.map(|t| t.as_str().into());
        seen.key_pair = some(d.key_name);
        seen.groups = d.security_group_ids.unwrap_or_default();
        for i in d.network_interfaces.unwrap_or_default() {
            seen.groups.extend(i.groups.unwrap_or_default());
        }
        seen.profile = d.iam_instance_profile.and_then(|p| p.name.or_else(|| p.arn.as_deref().map(last)));
        seen.user_data_sha256 = some(d.user_data).map(|u| {
            let decoded = BASE64_STANDARD.decode(&u).unwrap_or_else(|_| u.into_bytes());
            Sha256::digest(&decoded).iter().map(|b| format!("{b:02x}")).collect()
        });
    }
    seen
}

/// The name at the end of an ARN.
fn last(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}

/// An instance and the stack its tag names.
#[derive(Default)]
pub struct Found {
    pub instance: Instance,
    pub stack: Option<String>,
    /// The Auto Scaling group that launched it.
    pub group: Option<String>,
}

pub fn instances(r: ec2::Reservation, whose: &Whose) -> Vec<Found> {
    r.instances.unwrap_or_default().into_iter().map(|i| instance(i, whose)).collect()
}

fn instance(i: ec2::Instance, whose: &Whose) -> Found {
    let tag = |key: &str| i.tags().iter().find(|t| t.key() == Some(key)).and_then(|t| t.value()).map(Into::into);
    let (stack, group) = (tag(whose.keys.stack()), tag(tags::GROUP_TAG));
    let state = i.state.as_ref().and_then(|s| s.name()).map_or("unknown", |n| n.as_str());
    Found {
        stack: stack.filter(|_| state != "terminated"),
        group,
        instance: Instance {
            state: state.into(),
            state_reason: some(i.state_reason.and_then(|r| r.message)),
            id: i.instance_id.unwrap_or_default(),
            zone: i.placement.and_then(|p| p.availability_zone).unwrap_or_default(),
            subnet: i.subnet_id.unwrap_or_default(),
            private_ip: i.private_ip_address,
            public_ip: i.public_ip_address,
            instance_type: i.instance_type.map_or(String::new(), |t| t.as_str().into()),
            image: i.image_id.unwrap_or_default(),
            launched_at: i.launch_time.as_ref().and_then(time),
            groups: i.security_groups.unwrap_or_default().into_iter().filter_map(|g| g.group_id).collect(),
            profile: i.iam_instance_profile.and_then(|p| p.arn).as_deref().map(last),
        },
    }
}

pub fn subnet(s: ec2::Subnet, whose: &Whose) -> Subnet {
    Subnet {
        step: step(s.tags(), whose),
        id: s.subnet_id.unwrap_or_default(),
        zone: s.availability_zone.unwrap_or_default(),
        cidr: s.cidr_block.unwrap_or_default(),
        free_addresses: s.available_ip_address_count.unwrap_or_default(),
        public_ip: s.map_public_ip_on_launch.unwrap_or_default(),
        blocked: s
            .block_public_access_states
            .and_then(|b| b.internet_gateway_block_mode)
            .map(|mode| mode.as_str().to_owned())
            .filter(|mode| mode != "off"),
    }
}

pub fn route_table(t: ec2::RouteTable, whose: &Whose) -> RouteTable {
    let step = step(t.tags(), whose);
    let associations = t.associations.unwrap_or_default();
    let routes = t.routes.unwrap_or_default().into_iter().map(|r| {
        let via = [
            r.gateway_id,
            r.nat_gateway_id,
            r.network_interface_id,
            r.transit_gateway_id,
            r.vpc_peering_connection_id,
            r.egress_only_internet_gateway_id,
            r.instance_id,
        ];
        Route {
            to: r
                .destination_cidr_block
                .or(r.destination_ipv6_cidr_block)
                .or(r.destination_prefix_list_id)
                .unwrap_or_default(),
            via: via.into_iter().flatten().find(|v| !v.is_empty()).unwrap_or_default(),
            state: r.state.map_or("active".into(), |s| s.as_str().into()),
        }
    });
    RouteTable {
        id: t.route_table_id.unwrap_or_default(),
        main: associations.iter().any(|a| a.main() == Some(true)),
        routes: routes.collect(),
        subnets: associations.into_iter().filter_map(|a| a.subnet_id).collect(),
        step,
    }
}

pub fn gateway(g: ec2::InternetGateway, whose: &Whose) -> InternetGateway {
    InternetGateway {
        step: step(g.tags(), whose),
        vpc: g.attachments.unwrap_or_default().into_iter().find_map(|a| a.vpc_id),
        id: g.internet_gateway_id.unwrap_or_default(),
    }
}

/// A VPC with what its instances are told; `sets` are all DHCP options of the region, when they were seen.
pub fn vpc(v: ec2::Vpc, sets: Option<&[ec2::DhcpOptions]>, region: &str) -> Vpc {
    let of_vpc = |s: &&ec2::DhcpOptions| s.dhcp_options_id().is_some() && s.dhcp_options_id == v.dhcp_options_id;
    let usual =
        |s: &&ec2::DhcpOptions| s.tags().is_empty() && dhcp_options::options_of(s) == dhcp_options::usual(region);
    Vpc {
        // A VPC may have none: then they are told nothing.
        options: sets.map(|sets| sets.iter().find(of_vpc).map(dhcp_options::options_of).unwrap_or_default()),
        usual_options: sets.and_then(|sets| sets.iter().find(usual)?.dhcp_options_id.clone()),
        id: v.vpc_id.unwrap_or_default(),
        cidr: v.cidr_block.unwrap_or_default(),
        ..Vpc::default()
    }
}

pub fn nat_gateway(n: ec2::NatGateway, whose: &Whose) -> NatGateway {
    let reason: Vec<String> = [n.failure_code.clone(), n.failure_message.clone()].into_iter().flatten().collect();
    NatGateway {
        step: step(n.tags(), whose),
        state: n.state().map_or("pending", |s| s.as_str()).into(),
        id: n.nat_gateway_id.unwrap_or_default(),
        subnet: n.subnet_id.unwrap_or_default(),
        reason: Some(reason.join(": ")).filter(|r| !r.is_empty()),
    }
}

pub fn endpoint(e: ec2::VpcEndpoint, whose: &Whose) -> Endpoint {
    Endpoint {
        step: step(e.tags(), whose),
        interface: e.vpc_endpoint_type().is_some_and(|t| t.as_str() == "Interface"),
        // AWS writes it in two ways.
        state: e.state().map_or("pending".into(), |s| s.as_str().to_ascii_lowercase()),
        id: e.vpc_endpoint_id.unwrap_or_default(),
        service: e.service_name.unwrap_or_default(),
        private_dns: e.private_dns_enabled.unwrap_or_default(),
        subnets: e.subnet_ids.unwrap_or_default(),
        groups: e.groups.unwrap_or_default().into_iter().filter_map(|g| g.group_id).collect(),
    }
}

pub fn acl(a: ec2::NetworkAcl, whose: &Whose) -> Acl {
    let entries = a.entries.unwrap_or_default().into_iter().map(|e| AclEntry {
        number: e.rule_number.unwrap_or_default(),
        egress: e.egress.unwrap_or_default(),
        allow: e.rule_action.is_some_and(|a| a.as_str() == "allow"),
        protocol: e.protocol.unwrap_or_default(),
        cidr: e.cidr_block.or(e.ipv6_cidr_block).unwrap_or_default(),
        ports: e.port_range.and_then(|p| Some((p.from?, p.to?))),
    });
    let mut entries: Vec<AclEntry> = entries.collect();
    entries.sort_by_key(|e| (e.egress, e.number));
    Acl {
        step: step(a.tags.as_deref().unwrap_or_default(), whose),
        id: a.network_acl_id.unwrap_or_default(),
        default: a.is_default.unwrap_or_default(),
        subnets: a.associations.unwrap_or_default().into_iter().filter_map(|a| a.subnet_id).collect(),
        entries,
    }
}

pub fn security_group(g: ec2::SecurityGroup, whose: &Whose) -> SecurityGroup {
    SecurityGroup {
        step: step(g.tags(), whose),
        id: g.group_id.unwrap_or_default(),
        name: g.group_name.unwrap_or_default(),
        ingress: permissions(g.ip_permissions),
        egress: permissions(g.ip_permissions_egress),
    }
}

fn permissions(all: Option<Vec<ec2::IpPermission>>) -> Vec<GroupRule> {
    let mut rules = vec![];
    for p in all.unwrap_or_default() {
        let protocol = p.ip_protocol.unwrap_or_default();
        let ports = p.from_port.zip(p.to_port).filter(|_| protocol != "-1");
        let v4 = p.ip_ranges.unwrap_or_default().into_iter().filter_map(|r| r.cidr_ip);
        let v6 = p.ipv6_ranges.unwrap_or_default().into_iter().filter_map(|r| r.cidr_ipv6);
        let groups = p.user_id_group_pairs.unwrap_or_default().into_iter().filter_map(|g| g.group_id);
        let lists = p.prefix_list_ids.unwrap_or_default().into_iter().filter_map(|l| l.prefix_list_id);
        let peers = v4.chain(v6).chain(groups).chain(lists);
        rules.extend(peers.map(|peer| GroupRule { protocol: protocol.clone(), ports, peer }));
    }
    rules
}

pub fn database(d: aws_sdk_rds::types::DbInstance) -> Database {
    let pending = d.pending_modified_values.as_ref().map_or(vec![], |p| {
        let all = [
            ("class", p.db_instance_class.is_some()),
            ("storage", p.allocated_storage.is_some()),
            ("master password", p.master_user_password.is_some()),
            ("port", p.port.is_some()),
            ("backup days", p.backup_retention_period.is_some()),
            ("Multi-AZ", p.multi_az.is_some()),
            ("version", p.engine_version.is_some()),
            ("identifier", p.db_instance_identifier.is_some()),
            ("storage type", p.storage_type.is_some()),
            ("subnet group", p.db_subnet_group_name.is_some()),
        ];
        all.into_iter().filter(|(_, is)| *is).map(|(name, _)| name.to_owned()).collect()
    });
    Database {
        id: d.db_instance_identifier.unwrap_or_default(),
        status: d.db_instance_status.unwrap_or_default(),
        port: d.endpoint.as_ref().and_then(|e| e.port).map(|p| port(Some(p))),
        host: some(d.endpoint.and_then(|e| e.address)),
        class: d.db_instance_class.unwrap_or_default(),
        engine_version: d.engine_version.unwrap_or_default(),
        multi_az: d.multi_az.unwrap_or_default(),
        zone: d.availability_zone,
        groups: d.vpc_security_groups.unwrap_or_default().into_iter().filter_map(|g| g.vpc_security_group_id).collect(),
        subnets: d
            .db_subnet_group
            .and_then(|g| g.subnets)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|s| s.subnet_identifier)
            .collect(),
        parameters: d
            .db_parameter_groups
            .unwrap_or_default()
            .into_iter()
            .filter_map(|p| Some((p.db_parameter_group_name?, p.parameter_apply_status.unwrap_or_default())))
            .collect(),
        pending,
    }
}

pub fn cache(g: elasticache::ReplicationGroup, clusters: &[elasticache::CacheCluster]) -> Cache {
    let tls = wants_tls(&g);
    let id = g.replication_group_id.unwrap_or_default();
    let of_group = |c: &&elasticache::CacheCluster| c.replication_group_id() == Some(&id);
    let clusters: Vec<_> = clusters.iter().filter(of_group).collect();
    let node_groups = g.node_groups.unwrap_or_default();
    let endpoint = node_groups.first().and_then(|n| n.primary_endpoint.clone()).or(g.configuration_endpoint);
    let seats: Vec<_> = node_groups.into_iter().flat_map(|n| n.node_group_members.unwrap_or_default()).collect();
    let members = g.member_clusters.unwrap_or_default().into_iter().map(|id| {
        let seat = seats.iter().find(|s| s.cache_cluster_id() == Some(&id));
        let cluster = clusters.iter().find(|c| c.cache_cluster_id() == Some(&id));
        CacheMember {
            zone: seat
                .and_then(|s| s.preferred_availability_zone.clone())
                .or_else(|| cluster?.preferred_availability_zone.clone()),
            role: seat.and_then(|s| s.current_role.clone()),
            status: cluster.and_then(|c| c.cache_cluster_status.clone()),
            id,
        }
    });
    let mut groups: Vec<String> =
        clusters.iter().flat_map(|c| c.security_groups()).filter_map(|s| s.security_group_id.clone()).collect();
    groups.sort();
    groups.dedup();
    Cache {
        status: g.status.unwrap_or_default(),
        port: endpoint.as_ref().and_then(|e| e.port).map(|p| port(Some(p))),
        host: some(endpoint.and_then(|e| e.address)),
        class: g.cache_node_type.unwrap_or_default(),
        tls,
        members: members.collect(),
        groups,
        id,
    }
}

pub fn mount_target(m: aws_sdk_efs::types::MountTargetDescription) -> MountTarget {
    MountTarget {
        id: m.mount_target_id,
        state: m.life_cycle_state.as_str().into(),
        zone: m.availability_zone_name.unwrap_or_default(),
        subnet: m.subnet_id,
        ip: m.ip_address,
        groups: vec![],
    }
}

pub fn alarm(a: aws_sdk_cloudwatch::types::MetricAlarm) -> Alarm {
    Alarm {
        name: a.alarm_name.unwrap_or_default(),
        description: some(a.alarm_description),
        reason: some(a.state_reason),
        since: a.state_updated_timestamp.as_ref().and_then(time),
    }
}
