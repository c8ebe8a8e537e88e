//! The contract of the kinds that let instances without public addresses reach out: NAT gateways with their addresses
//! and routes, and endpoints of AWS services.

use super::network_support::*;
use aws_sdk_ec2::types::{NatGatewayState, ResourceType, Tag};
use gameday::{
    aws::Aws,
    engine::*,
    resources::{
        elastic_ip::ElasticIp,
        interface_endpoint::InterfaceEndpoint,
        internet_gateway::InternetGateway,
        nat_gateway::NatGateway,
        route_table::{Gateway, RouteTable},
        security_group::SecurityGroup,
        security_group_rules::{Peer, Rule, SecurityGroupRules},
        subnet::Subnet,
        vpc::Vpc,
    },
};

/// The settings of the stack that the tests change.
#[derive(Clone, Copy)]
struct Shape {
    /// True if the NAT gateway's own subnet has a route to an internet gateway.
    led_out: bool,
    nat_in_b: bool,
    service: &'static str,
    in_both: bool,
}

const SHAPE: Shape = Shape { led_out: true, nat_in_b: false, service: "ssm", in_both: false };
const NONE: [&str; 0] = [];

fn stack(aws: &Aws, s: Shape) -> Graph {
    let mut g = Graph::default();
    let aws = || aws.clone();
    let vpc = g.add("main", Vpc { aws: aws(), cidr: "10.0.0.0/16".into(), existing: None });
    let mut subnet = |name: &str, n: u8, zone: &str, public| {
        let (cidr, zone) = (format!("10.0.{n}.0/24"), format!("eu-west-1{zone}"));
        g.add(name, Subnet { aws: aws(), vpc: vpc.clone(), cidr, zone, public, existing: None })
    };
    let (a, b) = (subnet("public-a", 1, "a", true), subnet("public-b", 2, "b", true));
    let (app_a, app_b) = (subnet("app-a", 3, "a", false), subnet("app-b", 4, "b", false));
    let table = |gateway, subnets| RouteTable { aws: aws(), vpc: vpc.clone(), gateway, subnets };
    let routes = s.led_out.then(|| {
        let gateway = g.add("main", InternetGateway { aws: aws(), vpc: vpc.clone() });
        g.add("public", table(Some(Gateway::Internet(gateway)), vec![a.clone(), b.clone()]))
    });
    let address = g.add("nat-a", ElasticIp { aws: aws(), gateway: Key::new("nat-gateway", "a") });
    let nat = NatGateway { aws: aws(), subnet: if s.nat_in_b { b } else { a }, address };
    let nat = g.add_after("a", nat, &routes.iter().map(|r| r.key()).collect::<Vec<_>>());
    g.add("app-a", table(Some(Gateway::Nat(nat)), vec![app_a.clone()]));
    let group = |g: &mut Graph, name: &str| {
        g.add(name, SecurityGroup { aws: aws(), vpc: vpc.clone(), description: format!("the {name}") })
    };
    let (app, endpoints) = (group(&mut g, "app"), group(&mut g, "endpoints"));
    let https = Rule { protocol: "tcp", port: 443, peer: Peer::Group(app), why: "from the instances".into() };
    let rules = SecurityGroupRules {
        aws: aws(),
        group: endpoints.clone(),
        ingress: vec![https],
        egress: vec![],
        spared: vec![],
        is_closing: false,
        spared_port: None,
    };
    g.add("endpoints", rules);
    let subnets = if s.in_both { vec![app_a, app_b] } else { vec![app_a] };
    let service = format!("com.amazonaws.eu-west-1.{}", s.service);
    g.add("one", InterfaceEndpoint { aws: aws(), vpc: vpc.clone(), service, subnets, groups: vec![endpoints] });
    g
}

async fn strip(aws: &Aws, id: &str) {
    let tags = ["gameday:stack", "gameday:step", "Name"].map(|k| Tag::builder().key(k).build());
    aws.ec2.delete_tags().resources(id).set_tags(Some(tags.into())).send().await.unwrap();
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn the_way_out_lives_and_leaves_nothing() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("out"));
    let g = || stack(&aws, SHAPE);
    let steps: Vec<String> = g().nodes().map(|n| n.key().to_string()).collect();
    let created: Vec<String> = steps.iter().map(|k| format!("{k} create")).collect();
    assert_eq!(plan(&g(), &env).await, created);
    assert_eq!(up(&g(), &env).await, created);
    let writes = aws.calls.writes();
    assert_eq!(plan(&g(), &env).await, NONE);
    assert_eq!(up(&g(), &env).await, NONE);
    assert_eq!(aws.calls.writes(), writes, "twice is once");
    let all = status(&g(), &env).await;
    assert!(all.iter().all(|s| s.phase == Some(Phase::Ready) && s.drift.is_empty()), "{all:?}");

    // The address cannot be released before the NAT gateway is deleted.
    let address = id(&g(), &env, "elastic-ip/nat-a").await;
    assert!(aws.ec2.release_address().allocation_id(&address).send().await.is_err());
    let quick = sandbox.aws().await;
    let g = || stack(&quick, SHAPE);
    assert_eq!(teardown(&g(), &env).await, steps);
    assert_eq!(teardown(&g(), &env).await, NONE);
    assert_eq!(plan(&g(), &env).await, created);
    let addresses = aws.ec2.describe_addresses().send().await.unwrap();
    assert_eq!(addresses.addresses().len(), 0);
    // AWS still lists the gateway as deleted, which counts as absent.
    let nats = aws.ec2.describe_nat_gateways().send().await.unwrap();
    assert_eq!(nats.nat_gateways()[0].state(), Some(&NatGatewayState::Deleted));
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn what_differs_is_repaired_or_made_again() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("out"));
    let g = stack(&aws, SHAPE);
    up(&g, &env).await;
    let repaired = async |shape: Shape, expected: &[&str]| {
        assert_eq!(plan(&stack(&aws, shape), &env).await, expected);
        assert_eq!(up(&stack(&aws, shape), &env).await, expected);
        assert_eq!(plan(&stack(&aws, shape), &env).await, NONE);
    };
    let id = async |key: &str| id(&stack(&aws, SHAPE), &env, key).await;
    let ec2 = &aws.ec2;

    // Deleted by hand: the route to the gateway is a black hole until it points at the new one.
    let address = id("elastic-ip/nat-a").await;
    let old = id("nat-gateway/a").await;
    ec2.delete_nat_gateway().nat_gateway_id(&old).send().await.unwrap();
    repaired(SHAPE, &["nat-gateway/a create", "route-table/app-a update: default_route"]).await;
    let g = stack(&aws, SHAPE);
    status(&g, &env).await;
    let nat = super::network_support::id(&g, &env, "nat-gateway/a").await;
    assert_ne!(nat, old);
    assert_eq!(super::network_support::id(&g, &env, "elastic-ip/nat-a").await, address, "the address stays");

    // The route points elsewhere, and is deleted.
    let (table, gateway) = (id("route-table/app-a").await, id("internet-gateway/main").await);
    let route = ec2.replace_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0");
    route.gateway_id(&gateway).send().await.unwrap();
    repaired(SHAPE, &["route-table/app-a update: default_route"]).await;
    ec2.delete_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0").send().await.unwrap();
    repaired(SHAPE, &["route-table/app-a update: default_route"]).await;

    // Another subnet needs another gateway.
    repaired(
        Shape { nat_in_b: true, ..SHAPE },
        &["nat-gateway/a replace: subnet", "route-table/app-a update: default_route"],
    )
    .await;

    // Endpoints.
    let endpoint = id("interface-endpoint/one").await;
    ec2.modify_vpc_endpoint().vpc_endpoint_id(&endpoint).private_dns_enabled(false).send().await.unwrap();
    let now = Shape { nat_in_b: true, ..SHAPE };
    repaired(now, &["interface-endpoint/one update: private_dns"]).await;
    let app = super::network_support::id(&stack(&aws, now), &env, "security-group/app").await;
    let group = super::network_support::id(&stack(&aws, now), &env, "security-group/endpoints").await;
    let call = ec2.modify_vpc_endpoint().vpc_endpoint_id(&endpoint).add_security_group_ids(&app);
    call.remove_security_group_ids(&group).send().await.unwrap();
    repaired(now, &["interface-endpoint/one update: groups"]).await;
    let both = Shape { in_both: true, ..now };
    repaired(both, &["interface-endpoint/one update: subnets"]).await;
    let deny = r#"{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]}"#;
    ec2.modify_vpc_endpoint().vpc_endpoint_id(&endpoint).policy_document(deny).send().await.unwrap();
    repaired(both, &["interface-endpoint/one update: policy"]).await;
    ec2.delete_vpc_endpoints().vpc_endpoint_ids(&endpoint).send().await.unwrap();
    repaired(both, &["interface-endpoint/one create"]).await;
    repaired(Shape { service: "logs", ..both }, &["interface-endpoint/one replace: service"]).await;
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn tags_that_were_taken_off_do_not_make_a_second_one() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("out"));
    up(&stack(&aws, SHAPE), &env).await;
    for key in ["nat-gateway/a", "elastic-ip/nat-a", "interface-endpoint/one"] {
        let found = id(&stack(&aws, SHAPE), &env, key).await;
        strip(&aws, &found).await;
        let said = plan(&stack(&aws, SHAPE), &env).await;
        assert!(said[0].starts_with(&format!("{key} failed: {key} exists as {found}, but carries no tag")), "{said:?}");
        let mut adopting = super::network_support::env("out");
        adopting.consent.adopt.insert(key.into(), found.clone());
        let all = "update: tags.Name, tags.gameday:stack, tags.gameday:step";
        assert_eq!(up(&stack(&aws, SHAPE), &adopting).await, [format!("{key} {all}")]);
        assert_eq!(plan(&stack(&aws, SHAPE), &env).await, NONE);
    }
    // Somebody else's address, with or without tags, is not the stack's.
    let theirs = aws.ec2.allocate_address().tag_specifications(gameday::aws::tags::on_create(
        ResourceType::ElasticIp,
        &[("Name".to_owned(), "theirs".to_owned())].into(),
    ));
    theirs.send().await.unwrap();
    aws.ec2.allocate_address().send().await.unwrap();
    assert_eq!(plan(&stack(&aws, SHAPE), &env).await, NONE);
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_gateway_that_failed_says_why_and_is_made_again() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("out"));
    let shut = Shape { led_out: false, ..SHAPE };
    let said = up(&stack(&aws, shut), &env).await;
    let failed = said.iter().find(|w| w.starts_with("nat-gateway/a failed")).unwrap_or_else(|| panic!("{said:?}"));
    assert!(failed.contains("Gateway.NotAttached") && failed.contains("no Internet gateway attached"), "{failed}");
    // With a route to the internet, the step creates another gateway with the same address.
    let said = up(&stack(&aws, SHAPE), &env).await;
    assert!(said.iter().any(|w| w.starts_with("nat-gateway/a replace")), "{said:?}");
    assert_eq!(plan(&stack(&aws, SHAPE), &env).await, NONE);
    let addresses = aws.ec2.describe_addresses().send().await.unwrap();
    assert_eq!(addresses.addresses().len(), 1);
    let quick = sandbox.aws().await;
    teardown(&stack(&quick, SHAPE), &env).await;
    assert_eq!(aws.ec2.describe_addresses().send().await.unwrap().addresses().len(), 0);
}
