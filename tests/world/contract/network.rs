//! The contract of the kinds of the network: absent, create, none, change, update, none, delete, absent. Drift is seen
//! and repaired, fixed fields are refused, and objects that are not the stack's are not touched.

use super::network_support::{self as support, *};
use aws_sdk_ec2::types::{AttributeBooleanValue, Filter, IpPermission, IpRange};
use aws_sdk_elasticloadbalancingv2::types as elb;
use gameday::{
    aws::Aws,
    config::Routing,
    engine::*,
    resources::{
        elb::Answer,
        internet_gateway::InternetGateway,
        listener::Listener,
        listener_rule::{ListenerRule, Order, Then, WantedRule},
        load_balancer::{ActiveLoadBalancer, LoadBalancer},
        route_table::{Gateway, RouteTable},
        rule_condition::Condition,
        security_group::SecurityGroup,
        security_group_rules::{Peer, Rule, SecurityGroupRules},
        subnet::Subnet,
        target_group::TargetGroup,
        vpc::Vpc,
        vpc_endpoint::VpcEndpoint,
    },
};
use std::rc::Rc;

/// The settings of the stack that the tests change.
#[derive(Clone)]
pub(super) struct Shape {
    public: bool,
    /// True if the private subnet follows the public route table.
    private_out: bool,
    service: &'static str,
    app_port: u16,
    why: &'static str,
    ssh: bool,
    idle: u32,
    internal: bool,
    health: &'static str,
    http: u16,
    forward: bool,
    paths: Vec<&'static str>,
    query: &'static str,
    subnet_c: &'static str,
}

pub(super) fn shape() -> Shape {
    Shape {
        public: true,
        private_out: false,
        service: "s3",
        app_port: 8080,
        why: "requests",
        ssh: false,
        idle: 60,
        internal: false,
        health: "/health",
        http: 80,
        forward: false,
        paths: vec!["/b", "/a*"],
        query: "*DROP*",
        subnet_c: "10.0.3.0/24",
    }
}

pub(super) fn network(g: &mut Graph, aws: &Aws, s: &Shape) -> (Ref<Vpc>, Vec<Ref<Subnet>>, Ref<RouteTable>) {
    let aws = || aws.clone();
    let vpc = g.add("main", Vpc { aws: aws(), cidr: "10.0.0.0/16".into(), existing: None });
    let gateway = g.add("main", InternetGateway { aws: aws(), vpc: vpc.clone() });
    let subnet = |g: &mut Graph, name: &str, cidr: &str, zone: &str, public| {
        let (cidr, zone) = (cidr.into(), format!("eu-west-1{zone}"));
        g.add(name, Subnet { aws: aws(), vpc: vpc.clone(), cidr, zone, public, existing: None })
    };
    let a = subnet(g, "public-a", "10.0.1.0/24", "a", s.public);
    let b = subnet(g, "public-b", "10.0.2.0/24", "b", true);
    let c = subnet(g, "private-c", s.subnet_c, "c", false);
    let mut out = vec![a.clone(), b.clone()];
    let mut closed = vec![];
    if s.private_out { &mut out } else { &mut closed }.push(c.clone());
    let routes = g.add(
        "public",
        RouteTable { aws: aws(), vpc: vpc.clone(), gateway: Some(Gateway::Internet(gateway)), subnets: out },
    );
    g.add_after(
        "private",
        RouteTable { aws: aws(), vpc: vpc.clone(), gateway: None, subnets: closed },
        &[routes.key()],
    );
    let service = format!("com.amazonaws.eu-west-1.{}", s.service);
    let route_tables = vec![routes.clone()];
    g.add("s3", VpcEndpoint { aws: aws(), vpc: vpc.clone(), service, route_tables });
    (vpc, vec![a, b, c], routes)
}

fn stack(aws: &Aws, s: &Shape) -> Graph {
    let mut g = Graph::default();
    let (vpc, subnets, routes) = network(&mut g, aws, s);
    let aws = || aws.clone();
    let group = |g: &mut Graph, name: &str| {
        g.add(name, SecurityGroup { aws: aws(), vpc: vpc.clone(), description: format!("the {name}") })
    };
    let (alb, app) = (group(&mut g, "alb"), group(&mut g, "app"));
    let tcp = |port, peer, why: &str| Rule { protocol: "tcp", port, peer, why: why.into() };
    let anywhere = || Peer::Cidr("0.0.0.0/0".into());
    g.add(
        "alb",
        SecurityGroupRules {
            aws: aws(),
            group: alb.clone(),
            ingress: vec![tcp(80, anywhere(), "requests")],
            egress: vec![tcp(s.app_port, Peer::Group(app.clone()), "to the instances")],
            spared: vec![],
            is_closing: false,
            spared_port: None,
        },
    );
    let mut ingress = vec![tcp(s.app_port, Peer::Group(alb.clone()), s.why)];
    if s.ssh {
        ingress.push(tcp(22, Peer::Cidr("192.0.2.0/24".into()), "SSH"));
    }
    let all = Rule { protocol: "-1", port: 0, peer: anywhere(), why: "anything".into() };
    g.add(
        "app",
        SecurityGroupRules {
            aws: aws(),
            group: app,
            ingress,
            egress: vec![all],
            spared: vec![],
            spared_port: None,
            is_closing: false,
        },
    );

    let balancer = g.add_after(
        "main",
        LoadBalancer {
            aws: aws(),
            internal: s.internal,
            subnets: subnets[..2].to_vec(),
            groups: vec![alb],
            idle_timeout: s.idle,
            named: None,
        },
        &[routes.key()],
    );
    g.add("main", ActiveLoadBalancer::new(aws(), balancer.clone()));
    let target = g.add(
        "web",
        TargetGroup {
            aws: aws(),
            vpc,
            port: 8080,
            health_path: s.health.into(),
            health_codes: "200-299".into(),
            health_interval: 5,
        },
    );
    let default = s.forward.then(|| target.clone());
    let listener = g.add(
        "http",
        Listener { aws: aws(), balancer, target: default, closed: false, port: s.http, certificate: None, enough: 1 },
    );
    let routing = Routing { hosts: vec![], paths: s.paths.iter().map(|&p| p.into()).collect() };
    let wanted = |name, order| WantedRule { key: Key::new("listener-rule", name), order };
    let of_service = Order::Specific { service: "web".into(), routing: routing.clone() };
    let all: Rc<[WantedRule]> = [wanted("blocked-requests-1", Order::At(1)), wanted("web-1", of_service)].into();
    let rule = |conditions, then, index| ListenerRule {
        aws: aws(),
        listener: listener.clone(),
        conditions,
        header: None,
        then,
        enough: 1,
        all: all.clone(),
        index,
    };
    g.add("web-1", rule(vec![Condition::Path(routing.paths)], Then::Forward(target), 1));
    let refused = vec![
        Condition::Path(vec!["/admin/*".into()]),
        Condition::Query(vec![(None, s.query.into()), (Some("debug".into()), "1".into())]),
        Condition::Header("User-Agent".into(), vec!["*sqlmap*".into()]),
    ];
    g.add("blocked-requests-1", rule(refused, Then::Answer(Answer::Refused), 0));
    g
}

pub(super) const NONE: [&str; 0] = [];

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn the_whole_life() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("life"));
    let g = || stack(&aws, &shape());
    let steps: Vec<String> = g().nodes().map(|n| n.key().to_string()).collect();

    // Absent, create, none.
    let created: Vec<String> = steps.iter().map(|k| format!("{k} create")).collect();
    assert_eq!(plan(&g(), &env).await, created);
    assert_eq!(aws.calls.writes(), 0, "a plan changes nothing");
    // The load balancer is active when its step is looked at, so that step has nothing to do.
    let done: Vec<String> = created.iter().filter(|w| !w.starts_with("load-balancer-active")).cloned().collect();
    assert_eq!(up(&g(), &env).await, done);
    let writes = aws.calls.writes();
    assert_eq!(plan(&g(), &env).await, NONE);
    assert_eq!(up(&g(), &env).await, NONE);
    assert_eq!(aws.calls.writes(), writes, "twice is once");

    // The outputs that other steps read.
    let all = status(&g(), &env).await;
    let output = |key: &str| all.iter().find(|s| s.key.as_str() == key).unwrap().output.clone().unwrap();
    let metric = |key: &str| output(key)["metric"].as_str().unwrap().to_owned();
    assert!(metric("load-balancer/main").starts_with("app/life-main/"), "{}", metric("load-balancer/main"));
    assert!(metric("target-group/web").starts_with("targetgroup/life-web/"), "{}", metric("target-group/web"));
    assert!(output("load-balancer/main")["dns_name"].as_str().unwrap().contains("life-main"));
    assert!(all.iter().all(|s| s.phase == Some(Phase::Ready) && s.drift.is_empty()));

    // A look at the whole stack makes few calls.
    let quiet = sandbox.aws().await;
    quiet.reads.set_mode(gameday::aws::reads::Mode::Look);
    status(&stack(&quiet, &shape()), &env).await;
    assert!(quiet.calls.reads() <= 19, "{} calls for {} steps", quiet.calls.reads(), steps.len());

    // AWS cannot change the scheme.
    let internal = Shape { internal: true, ..shape() };
    assert_eq!(plan(&stack(&aws, &internal), &env).await, ["load-balancer/main refuse: scheme"]);

    // Delete, absent.
    let quick = sandbox.aws().await;
    let g = || stack(&quick, &shape());
    assert_eq!(teardown(&g(), &env).await, steps);
    assert_eq!(teardown(&g(), &env).await, NONE);
    assert_eq!(plan(&g(), &env).await, created);
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn every_mutable_field_is_updated_in_place() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("change"));
    up(&stack(&aws, &shape()), &env).await;
    let changed = |f: &dyn Fn(&mut Shape)| {
        let mut s = shape();
        f(&mut s);
        s
    };
    type Edit<'a> = (&'a dyn Fn(&mut Shape), &'a [&'a str]);
    let edits: [Edit<'_>; 11] = [
        (&|s| s.public = false, &["subnet/public-a update: public_addresses"]),
        (&|s| s.private_out = true, &["route-table/public update: subnets", "route-table/private update: subnets"]),
        (&|s| s.ssh = true, &["security-group-rules/app update: rules"]),
        (&|s| s.why = "from the balancer", &["security-group-rules/app update: rules"]),
        (&|s| s.app_port = 9090, &["security-group-rules/alb update: rules", "security-group-rules/app update: rules"]),
        (&|s| s.idle = 120, &["load-balancer/main update: idle_timeout"]),
        (&|s| s.health = "/ping", &["target-group/web update: health.path"]),
        (&|s| s.http = 8000, &["listener/http update: port"]),
        (&|s| s.forward = true, &["listener/http update: default"]),
        (&|s| s.paths = vec!["/c"], &["listener-rule/web-1 update: conditions"]),
        (&|s| s.query = "*drop", &["listener-rule/blocked-requests-1 update: conditions"]),
    ];
    for (edit, expected) in edits {
        let s = changed(edit);
        assert_eq!(plan(&stack(&aws, &s), &env).await, expected);
        let done = up(&stack(&aws, &s), &env).await;
        // The route table that gets the subnet takes it from the other one, which then has nothing to do.
        assert!(done == expected || done == expected[..1], "{done:?}");
        assert_eq!(plan(&stack(&aws, &s), &env).await, NONE, "after {expected:?}");
        up(&stack(&aws, &shape()), &env).await;
        assert_eq!(plan(&stack(&aws, &shape()), &env).await, NONE, "back from {expected:?}");
    }
    // A tag is changed on every object that carries tags.
    let mut renamed = support::env("change");
    renamed.tags.insert("team".into(), "blue".into());
    let done = up(&stack(&aws, &shape()), &renamed).await;
    assert!(done.iter().all(|w| w.ends_with("update: tags.team")), "{done:?}");
    assert_eq!(done.len(), 15, "{done:?}");
    assert_eq!(plan(&stack(&aws, &shape()), &renamed).await, NONE);
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn what_is_fixed_is_refused_and_what_is_disposable_is_replaced() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("fixed"));
    let first = |s: &Shape| {
        let mut g = Graph::default();
        let (vpc, ..) = network(&mut g, &aws, s);
        let (path, codes) = ("/".to_owned(), "200".to_owned());
        let (port, aws) = (s.app_port, aws.clone());
        g.add("web", TargetGroup { aws, vpc, port, health_path: path, health_codes: codes, health_interval: 10 });
        g
    };
    up(&first(&shape()), &env).await;
    let other = Shape { subnet_c: "10.0.4.0/24", app_port: 81, ..shape() };
    assert_eq!(plan(&first(&other), &env).await, ["subnet/private-c refuse: cidr", "target-group/web refuse: port"]);
    let failed = up(&first(&other), &env).await;
    assert!(failed.contains(&"subnet/private-c failed: subnet/private-c cannot change cidr in place".into()));
    assert!(failed.contains(&"target-group/web failed: target-group/web cannot change port in place".into()));

    let g = first(&shape());
    status(&g, &env).await;
    let (before, other) = (id(&g, &env, "vpc-endpoint/s3").await, Shape { service: "dynamodb", ..shape() });
    assert_eq!(up(&first(&other), &env).await, ["vpc-endpoint/s3 replace: service"]);
    let g = first(&other);
    status(&g, &env).await;
    assert_ne!(id(&g, &env, "vpc-endpoint/s3").await, before);
    assert_eq!(plan(&g, &env).await, NONE);
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn drift_is_seen_and_repaired() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("drift"));
    let g = stack(&aws, &shape());
    up(&g, &env).await;
    let repaired = async |expected: &[&str]| {
        assert_eq!(plan(&stack(&aws, &shape()), &env).await, expected);
        assert_eq!(up(&stack(&aws, &shape()), &env).await, expected);
        assert_eq!(plan(&stack(&aws, &shape()), &env).await, NONE);
    };
    let id = async |key: &str| id(&g, &env, key).await;
    let (ec2, lb) = (&aws.ec2, &aws.elb);
    let no = || AttributeBooleanValue::builder().value(false).build();

    let vpc = id("vpc/main").await;
    ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(no()).send().await.unwrap();
    let a = id("subnet/public-a").await;
    ec2.modify_subnet_attribute().subnet_id(&a).map_public_ip_on_launch(no()).send().await.unwrap();
    repaired(&["vpc/main update: dns_hostnames", "subnet/public-a update: public_addresses"]).await;

    let gateway = id("internet-gateway/main").await;
    let table = id("route-table/public").await;
    ec2.delete_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0").send().await.unwrap();
    repaired(&["route-table/public update: default_route"]).await;

    // A subnet follows another route table, and the private table gets a route to the internet.
    let other = ec2.create_route_table().vpc_id(&vpc).send().await.unwrap().route_table.unwrap();
    let of_a = Filter::builder().name("association.subnet-id").values(&a).build();
    let tables = ec2.describe_route_tables().filters(of_a).send().await.unwrap();
    let mut associations = tables.route_tables().iter().flat_map(|t| t.associations());
    let association = associations.find(|x| x.subnet_id() == Some(&a)).unwrap();
    let move_it = ec2.replace_route_table_association().route_table_id(other.route_table_id().unwrap());
    move_it.association_id(association.route_table_association_id().unwrap()).send().await.unwrap();
    let private = id("route-table/private").await;
    let leak = ec2.create_route().route_table_id(&private).destination_cidr_block("0.0.0.0/0");
    leak.gateway_id(&gateway).send().await.unwrap();
    repaired(&["route-table/public update: subnets", "route-table/private update: default_route"]).await;

    let endpoint = id("vpc-endpoint/s3").await;
    let call = ec2.modify_vpc_endpoint().vpc_endpoint_id(&endpoint).add_route_table_ids(&private);
    call.remove_route_table_ids(&table).send().await.unwrap();
    repaired(&["vpc-endpoint/s3 update: route_tables"]).await;

    // A security group gets a hole, loses a rule, and has a rule with another text.
    let app = id("security-group/app").await;
    let hole = IpPermission::builder().ip_protocol("tcp").from_port(1).to_port(65535);
    let hole = hole.ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build()).build();
    ec2.authorize_security_group_ingress().group_id(&app).ip_permissions(hole).send().await.unwrap();
    let of_app = Filter::builder().name("group-id").values(&app).build();
    let rules = ec2.describe_security_group_rules().filters(of_app).send().await.unwrap();
    let egress = rules.security_group_rules().iter().find(|r| r.is_egress() == Some(true)).unwrap();
    let call = ec2.revoke_security_group_egress().group_id(&app);
    call.security_group_rule_ids(egress.security_group_rule_id().unwrap()).send().await.unwrap();
    repaired(&["security-group-rules/app update: rules"]).await;

    ec2.delete_tags()
        .resources(&app)
        .tags(aws_sdk_ec2::types::Tag::builder().key("Name").build())
        .send()
        .await
        .unwrap();
    repaired(&["security-group/app update: tags.Name"]).await;

    let balancer = id("load-balancer/main").await;
    let attribute = elb::LoadBalancerAttribute::builder().key("idle_timeout.timeout_seconds").value("30").build();
    let headers = elb::LoadBalancerAttribute::builder();
    let headers = headers.key("routing.http.drop_invalid_header_fields.enabled").value("false").build();
    let call = lb.modify_load_balancer_attributes().load_balancer_arn(&balancer).attributes(attribute);
    call.attributes(headers).send().await.unwrap();
    lb.set_security_groups().load_balancer_arn(&balancer).security_groups(&app).send().await.unwrap();
    let c = id("subnet/private-c").await;
    lb.set_subnets().load_balancer_arn(&balancer).subnets(&a).subnets(&c).send().await.unwrap();
    repaired(&["load-balancer/main update: drop_invalid_headers, groups, idle_timeout, subnets"]).await;

    let target = id("target-group/web").await;
    let call = lb.modify_target_group().target_group_arn(&target).health_check_path("/elsewhere");
    call.unhealthy_threshold_count(9).send().await.unwrap();
    let slow = elb::TargetGroupAttribute::builder().key("deregistration_delay.timeout_seconds").value("300");
    lb.modify_target_group_attributes().target_group_arn(&target).attributes(slow.build()).send().await.unwrap();
    repaired(&["target-group/web update: deregistration_delay, health.path, health.unhealthy"]).await;

    let rule = id("listener-rule/web-1").await;
    let answer = elb::FixedResponseActionConfig::builder().status_code("503").build();
    let answer =
        elb::Action::builder().r#type(elb::ActionTypeEnum::FixedResponse).fixed_response_config(answer).build();
    let hosts = elb::HostHeaderConditionConfig::builder().values("example.com").build();
    let host = elb::RuleCondition::builder().field("host-header").host_header_config(hosts).build();
    lb.modify_rule().rule_arn(&rule).conditions(host).actions(answer.clone()).send().await.unwrap();
    let listener = id("listener/http").await;
    lb.modify_listener().listener_arn(&listener).default_actions(answer).send().await.unwrap();
    repaired(&["listener/http update: default", "listener-rule/web-1 update: action, conditions"]).await;

    // A priority below those of services is for rules that block requests.
    let pair = elb::RulePriorityPair::builder().rule_arn(&rule).priority(7).build();
    lb.set_rule_priorities().rule_priorities(pair).send().await.unwrap();
    repaired(&["listener-rule/web-1 update: priority"]).await;
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_gateway_is_attached_again() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("gate"));
    let g = || {
        let mut g = Graph::default();
        network(&mut g, &aws, &shape());
        g
    };
    let first = g();
    up(&first, &env).await;
    let (vpc, gateway) = (id(&first, &env, "vpc/main").await, id(&first, &env, "internet-gateway/main").await);
    let call = aws.ec2.detach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc);
    call.send().await.unwrap();
    assert_eq!(plan(&g(), &env).await, ["internet-gateway/main update: vpc"]);
    assert_eq!(up(&g(), &env).await, ["internet-gateway/main update: vpc"]);
    assert_eq!(plan(&g(), &env).await, NONE);
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn what_is_not_ours_is_not_touched() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("mine"));
    let mut base = Graph::default();
    network(&mut base, &aws, &shape());
    up(&base, &env).await;
    let vpc = id(&base, &env, "vpc/main").await;
    let (a, b) = (id(&base, &env, "subnet/public-a").await, id(&base, &env, "subnet/public-b").await);
    let (ec2, lb) = (&aws.ec2, &aws.elb);

    // Objects of the same names without the stack's tags.
    ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.unwrap();
    ec2.create_internet_gateway().send().await.unwrap();
    let group = ec2.create_security_group().group_name("mine-alb").description("theirs").vpc_id(&vpc);
    let group = group.send().await.unwrap().group_id.unwrap();
    let call = lb.create_load_balancer().name("mine-main").subnets(&a).subnets(&b).security_groups(&group);
    let balancer = call.send().await.unwrap().load_balancers.unwrap().remove(0).load_balancer_arn.unwrap();
    let call = lb.create_target_group().name("mine-web").vpc_id(&vpc).port(1).protocol(elb::ProtocolEnum::Http);
    let target = call.send().await.unwrap().target_groups.unwrap().remove(0).target_group_arn.unwrap();

    let g = stack(&aws, &shape());
    let not_ours =
        |key: &str, id: &str| format!("{key} failed: {key} exists as {id}, but carries no tag of stack `mine`");
    let p = plan(&g, &env).await;
    for (key, id) in [("security-group/alb", &group), ("load-balancer/main", &balancer), ("target-group/web", &target)]
    {
        // Steps that need the group are skipped.
        let said = not_ours(key, id);
        assert!(p.contains(&said) || p.contains(&format!("{key} skipped")), "{said} is not in {p:?}");
    }
    assert!(p.contains(&not_ours("security-group/alb", &group)));
    assert!(!p.iter().any(|w| w.starts_with("vpc/") || w.starts_with("internet-gateway/")), "{p:?}");

    // Somebody else's listener on the stack's port, and a rule for the same requests.
    let action = || {
        let answer = elb::FixedResponseActionConfig::builder().status_code("200").build();
        let action = elb::Action::builder().r#type(elb::ActionTypeEnum::FixedResponse);
        action.fixed_response_config(answer).build()
    };
    let call = lb.create_listener().load_balancer_arn(&balancer).port(80).protocol(elb::ProtocolEnum::Http);
    let call = call.default_actions(action()).send().await.unwrap();
    let listener = call.listeners.unwrap().remove(0).listener_arn.unwrap();

    // The objects are adopted on demand.
    let mut adopting = support::env("mine");
    let named = [("security-group/alb", &group), ("load-balancer/main", &balancer)];
    adopting.consent.adopt.extend(named.map(|(key, id)| (key.to_owned(), id.clone())));
    let done = up(&g, &adopting).await;
    assert!(done.contains(&not_ours("target-group/web", &target)), "{done:?}");
    assert!(done.contains(&not_ours("listener/http", &listener)), "{done:?}");
    let all = "update: tags.Name, tags.gameday:stack, tags.gameday:step";
    assert!(done.contains(&format!("security-group/alb {all}")), "{done:?}");
    assert!(done.iter().any(|w| w.starts_with("load-balancer/main update: ")), "{done:?}");
    lb.delete_target_group().target_group_arn(&target).send().await.unwrap();

    let mut adopting = support::env("mine");
    adopting.consent.adopt.insert("listener/http".into(), listener.clone());
    let paths = elb::PathPatternConditionConfig::builder().values("/a*").values("/b").build();
    let paths = elb::RuleCondition::builder().field("path-pattern").path_pattern_config(paths).build();
    let call = lb.create_rule().listener_arn(&listener).priority(100).conditions(paths).actions(action());
    let rule = call.send().await.unwrap().rules.unwrap().remove(0).rule_arn.unwrap();
    let done = up(&g, &adopting).await;
    assert!(done.contains(&not_ours("listener-rule/web-1", &rule)), "{done:?}");
    lb.delete_rule().rule_arn(&rule).send().await.unwrap();
    assert_eq!(up(&g, &env).await, ["listener-rule/web-1 create"]);

    // Everything of the stack is deleted, and nothing else.
    let gone = teardown(&g, &env).await;
    assert!(!gone.iter().any(|w| w.contains("failed")), "{gone:?}");
    let vpcs = ec2.describe_vpcs().send().await.unwrap();
    assert!(vpcs.vpcs().iter().any(|v| v.cidr_block() == Some("10.0.0.0/16")));
    assert_eq!(ec2.describe_internet_gateways().send().await.unwrap().internet_gateways().len(), 1);
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn what_exists_is_used_and_stays() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("user"));
    let ec2 = &aws.ec2;
    let vpc = ec2.create_vpc().cidr_block("10.9.0.0/16").send().await.unwrap().vpc.unwrap().vpc_id.unwrap();
    let subnet = ec2.create_subnet().vpc_id(&vpc).cidr_block("10.9.1.0/24").availability_zone("eu-west-1b");
    let subnet = subnet.send().await.unwrap().subnet.unwrap().subnet_id.unwrap();
    let graph = |existing: &str| {
        let mut g = Graph::default();
        let used = Vpc { aws: aws.clone(), cidr: String::new(), existing: Some(vpc.clone()) };
        let vpc = g.add_used("main", used);
        let existing = Some(existing.into());
        let (cidr, zone) = ("10.9.1.0/24".into(), "eu-west-1b".into());
        g.add_used("a", Subnet { aws: aws.clone(), vpc: vpc.clone(), cidr, zone, public: true, existing });
        g.add("app", SecurityGroup { aws: aws.clone(), vpc, description: "ours".into() });
        g
    };
    assert_eq!(plan(&graph(&subnet), &env).await, ["security-group/app create"]);
    up(&graph(&subnet), &env).await;
    assert_eq!(id(&graph(&subnet), &env, "vpc/main").await, vpc);
    assert_eq!(teardown(&graph(&subnet), &env).await, ["security-group/app"]);
    let missing = plan(&graph("subnet-0123"), &env).await;
    assert!(missing[0].contains("subnet/a (to be used) does not exist"), "{missing:?}");
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn who_holds_something_is_named() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("held"));
    let g = || {
        let mut g = Graph::default();
        let (vpc, ..) = network(&mut g, &aws, &shape());
        g.add("app", SecurityGroup { aws: aws.clone(), vpc, description: "instances".into() });
        g
    };
    up(&g(), &env).await;
    let graph = g();
    status(&graph, &env).await;
    let (vpc, group) = (id(&graph, &env, "vpc/main").await, id(&graph, &env, "security-group/app").await);
    let subnet = id(&graph, &env, "subnet/private-c").await;

    let ec2 = &aws.ec2;
    let other = ec2.create_security_group().group_name("theirs").description("theirs").vpc_id(&vpc);
    let other = other.send().await.unwrap().group_id.unwrap();
    let pair = aws_sdk_ec2::types::UserIdGroupPair::builder().group_id(&group).build();
    let rule = IpPermission::builder().ip_protocol("tcp").from_port(1).to_port(1).user_id_group_pairs(pair);
    ec2.authorize_security_group_ingress().group_id(&other).ip_permissions(rule.build()).send().await.unwrap();
    let eni = ec2.create_network_interface().subnet_id(&subnet).groups(&group).description("a printer");
    let eni = eni.send().await.unwrap().network_interface.unwrap().network_interface_id.unwrap();

    let said = teardown(&g(), &env).await.join("\n");
    let command = format!("aws ec2 delete-network-interface --network-interface-id {eni}");
    let interface = format!("interface {eni} (a printer): `{command}`");
    assert!(
        said.contains(&format!(
            "security-group/app failed: security-group/app is still in use after 0 s, \
             held by {interface}, a rule of {other} (theirs)"
        )),
        "{said}"
    );
    assert!(said.contains(&format!("subnet/private-c is still in use after 0 s, held by {interface}")), "{said}");

    ec2.delete_network_interface().network_interface_id(&eni).send().await.unwrap();
    ec2.delete_security_group().group_id(&other).send().await.unwrap();
    let stranger = ec2.create_subnet().vpc_id(&vpc).cidr_block("10.0.99.0/24").send().await.unwrap();
    let stranger = stranger.subnet.unwrap().subnet_id.unwrap();
    let said = teardown(&g(), &env).await.join("\n");
    let command = format!("aws ec2 delete-subnet --subnet-id {stranger}");
    assert!(
        said.contains(&format!("vpc/main is still in use after 0 s, held by subnet {stranger}: `{command}`")),
        "{said}"
    );
    ec2.delete_subnet().subnet_id(&stranger).send().await.unwrap();
    assert_eq!(teardown(&g(), &env).await, ["vpc/main"]);
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_balancer_can_be_used_before_it_is_active_and_its_interfaces_are_waited_for() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("slow"));
    sandbox.tell("pace?pace=fast");
    let g = || stack(&aws, &shape());
    let start = std::time::Instant::now();
    let seen = std::rc::Rc::new(std::cell::RefCell::new(vec![]));
    let said = seen.clone();
    let mut env = env;
    env.pace.scale = 0.05;
    env.events = Events::new(move |e| said.borrow_mut().push((start.elapsed(), e)));
    let done = up(&g(), &env).await;
    assert!(!done.iter().any(|w| w.contains("failed")), "{done:?}");
    let at = |what: &dyn Fn(&Event) -> bool| {
        seen.borrow().iter().find(|(_, e)| what(e)).map(|(t, _)| *t).expect("it was said")
    };
    let ended = |key: &'static str| at(&|e| matches!(e, Event::Done { key: k, .. } if k.as_str() == key));
    assert!(ended("listener-rule/web-1") + std::time::Duration::from_secs(2) < ended("load-balancer-active/main"));
    at(&|e| matches!(e, Event::Waiting { phase, .. } if phase == "provisioning"));
    assert_eq!(plan(&g(), &env).await, NONE);

    // AWS releases the load balancer's interfaces some time after its deletion.
    let gone = teardown(&g(), &env).await;
    assert!(!gone.iter().any(|w| w.contains("failed")), "{gone:?}");
    at(&|e| matches!(e, Event::Waiting { phase, .. } if phase.contains("ELB app/slow-main/")));
}

/// Each object exists once after lost answers, dropped connections, and a second in which new objects are not visible.
#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_bad_day_ends_with_each_object_once() {
    for seed in 0..2 {
        let sandbox = Sandbox::start();
        let (aws, env) = (sandbox.aws().await, env("bad"));
        // The faults concern calls that create or change; reads only lag behind.
        let only = "only=%3A%5B%5EDGL%5D";
        sandbox.tell(&format!("faults?seed={seed}&lost_answer=0.15&drop=0.1&hide_fresh_seconds=1&{only}"));
        let done = up(&stack(&aws, &shape()), &env).await;
        assert!(!done.iter().any(|w| w.contains("failed")), "seed {seed}: {done:#?}");
        sandbox.tell("faults?throttle=0");
        let next = sandbox.aws().await;
        assert_eq!(plan(&stack(&next, &shape()), &env).await, NONE, "seed {seed}");

        // The emulator's account has a default VPC.
        let ours = Filter::builder().name("tag:gameday:stack").values("bad").build();
        let vpcs = next.ec2.describe_vpcs().filters(ours.clone()).send().await.unwrap();
        assert_eq!(vpcs.vpcs().len(), 1);
        let gateways = next.ec2.describe_internet_gateways().filters(ours.clone()).send().await.unwrap();
        assert_eq!(gateways.internet_gateways().len(), 1);
        let tables = next.ec2.describe_route_tables().filters(ours.clone()).send().await.unwrap();
        assert_eq!(tables.route_tables().len(), 2);
        let endpoints = next.ec2.describe_vpc_endpoints().filters(ours).send().await.unwrap();
        assert_eq!(endpoints.vpc_endpoints().len(), 1);
        assert_eq!(next.elb.describe_load_balancers().send().await.unwrap().load_balancers().len(), 1);
        assert_eq!(next.elb.describe_target_groups().send().await.unwrap().target_groups().len(), 1);

        sandbox.tell(&format!("faults?seed={seed}&lost_answer=0.15&drop=0.1&only=%3AD%5B%5Ee%5D%7C%3ADel"));
        let gone = teardown(&stack(&next, &shape()), &env).await;
        assert!(!gone.iter().any(|w| w.contains("failed")), "seed {seed}: {gone:#?}");
    }
}
