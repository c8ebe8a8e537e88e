//! The contract of objects that come with a VPC: like that of other steps, but they are never created and never deleted
//! by themselves.
use super::network::{NONE, network, shape};
use super::network_support::*;
use aws_sdk_ec2::types::{Filter, IpPermission, IpRange, NewDhcpConfiguration, RuleAction, Tag};
use gameday::{
    aws::Aws,
    engine::*,
    resources::{
        default_network_acl::DefaultNetworkAcl, default_security_group::DefaultSecurityGroup,
        dhcp_options::DhcpOptions, main_route_table::MainRouteTable,
    },
};

const ACL: &str = "default-network-acl/main";
const GROUP: &str = "default-security-group/main";
const TABLE: &str = "main-route-table/main";
const OPTIONS: &str = "dhcp-options/main";
const TAGS: &str = "tags.Name, tags.gameday:step";

fn base(aws: &Aws) -> Graph {
    let mut g = Graph::default();
    network(&mut g, aws, &shape());
    g
}

fn stack(aws: &Aws) -> Graph {
    let mut g = Graph::default();
    let (vpc, subnets, routes) = network(&mut g, aws, &shape());
    let tables = [routes.key().clone(), Key::new("route-table", "private")];
    g.add_after("main", MainRouteTable::new(aws.clone(), vpc.clone()), &tables.each_ref());
    g.add("main", DefaultNetworkAcl::new(aws.clone(), vpc.clone(), subnets));
    g.add("main", DefaultSecurityGroup::new(aws.clone(), vpc.clone()));
    g.add("main", DhcpOptions::new(aws.clone(), vpc));
    g
}

fn here(vpc: &str) -> Filter {
    Filter::builder().name("vpc-id").values(vpc).build()
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn it_comes_with_the_vpc_and_goes_with_it() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("born"));
    let steps: Vec<String> = stack(&aws).nodes().map(|n| n.key().to_string()).collect();
    let created: Vec<String> = steps.iter().map(|k| format!("{k} create")).collect();
    assert_eq!(plan(&stack(&aws), &env).await, created);

    let done = up(&stack(&aws), &env).await;
    let comes = |w: &&String| ["main-route", "default-", "dhcp-"].iter().any(|kind| w.starts_with(kind));
    let tagged =
        [format!("{TABLE} update: {TAGS}"), format!("{ACL} update: {TAGS}"), format!("{GROUP} update: rules, {TAGS}")];
    assert_eq!(done.iter().filter(comes).cloned().collect::<Vec<_>>(), tagged);
    assert_eq!(done.iter().filter(|w| !comes(w)).count(), steps.len() - 4);
    let writes = aws.calls.writes();
    assert_eq!(plan(&stack(&aws), &env).await, NONE);
    assert_eq!(up(&stack(&aws), &env).await, NONE);
    assert_eq!(aws.calls.writes(), writes, "twice is once");

    let all = status(&stack(&aws), &env).await;
    assert!(all.iter().all(|s| s.phase == Some(Phase::Ready) && s.drift.is_empty()));

    let g = stack(&aws);
    status(&g, &env).await;
    let vpc = id(&g, &env, "vpc/main").await;
    assert_eq!(teardown(&stack(&aws), &env).await, steps);
    assert_eq!(teardown(&stack(&aws), &env).await, NONE);
    assert_eq!(plan(&stack(&aws), &env).await, created);
    let acls = aws.ec2.describe_network_acls().filters(here(&vpc)).send().await.unwrap();
    assert!(acls.network_acls().is_empty());
}

/// A stack from before these objects were steps takes them over: they are the stack's as the VPC is, without a
/// question.
#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_stack_that_stands_takes_them_in() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("old"));
    up(&base(&aws), &env).await;
    let g = stack(&aws);
    status(&g, &env).await;
    let (vpc, acl) = (id(&g, &env, "vpc/main").await, id(&g, &env, ACL).await);
    let deny = aws.ec2.create_network_acl_entry().network_acl_id(&acl).rule_number(1).egress(true).protocol("-1");
    deny.cidr_block("0.0.0.0/0").rule_action(RuleAction::Deny).send().await.unwrap();
    // Somebody else's ACL and route table in the same VPC.
    let theirs = aws.ec2.create_network_acl().vpc_id(&vpc).send().await.unwrap().network_acl.unwrap();
    let table = aws.ec2.create_route_table().vpc_id(&vpc).send().await.unwrap().route_table.unwrap();

    let wanted = [
        format!("{TABLE} update: {TAGS}"),
        format!("{ACL} update: entries, {TAGS}"),
        format!("{GROUP} update: rules, {TAGS}"),
    ];
    assert_eq!(plan(&stack(&aws), &env).await, wanted);
    assert_eq!(up(&stack(&aws), &env).await, wanted);
    assert_eq!(plan(&stack(&aws), &env).await, NONE);

    // The VPC is deleted last. Its error names other users' objects in it.
    let gone = teardown(&stack(&aws), &env).await;
    let left = gone.iter().find(|w| w.contains("failed")).expect("somebody's ACL holds the VPC");
    assert!(left.starts_with("vpc/main failed") && left.contains(theirs.network_acl_id().unwrap()), "{left}");
    assert!(left.contains(table.route_table_id().unwrap()), "{left}");
    aws.ec2.delete_network_acl().network_acl_id(theirs.network_acl_id().unwrap()).send().await.unwrap();
    aws.ec2.delete_route_table().route_table_id(table.route_table_id().unwrap()).send().await.unwrap();
    // A second teardown looks again for objects that the first one released.
    let gone = teardown(&stack(&aws), &env).await;
    assert!(gone.contains(&"vpc/main".to_owned()) && !gone.iter().any(|w| w.contains("failed")), "{gone:?}");
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn drift_is_seen_and_repaired() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("drift"));
    let g = stack(&aws);
    up(&g, &env).await;
    let id = async |key: &str| id(&g, &env, key).await;
    let repaired = async |expected: &[&str]| {
        assert_eq!(plan(&stack(&aws), &env).await, expected);
        assert_eq!(up(&stack(&aws), &env).await, expected);
        assert_eq!(plan(&stack(&aws), &env).await, NONE);
    };
    let ec2 = &aws.ec2;
    let (vpc, acl, group, table) = (id("vpc/main").await, id(ACL).await, id(GROUP).await, id(TABLE).await);
    let (public, private) = (id("route-table/public").await, id("route-table/private").await);

    // All tags lost, then only one of them.
    for key in ["gameday:stack", "Name"] {
        ec2.delete_tags().resources(&acl).tags(Tag::builder().key(key).build()).send().await.unwrap();
        let path = if key == "Name" { "tags.Name" } else { "tags.gameday:step" };
        repaired(&[&format!("{ACL} update: {path}")]).await;
    }
    let acls = ec2.describe_network_acls().network_acl_ids(&acl).send().await.unwrap();
    assert!(acls.network_acls()[0].tags().iter().any(|t| t.value() == Some("drift")), "both are put there");

    // Entries with other numbers than the usual one, and the usual one for less than everything.
    ec2.delete_network_acl_entry().network_acl_id(&acl).rule_number(100).egress(true).send().await.unwrap();
    for (number, egress) in [(7, false), (32_766, true)] {
        let call = ec2.create_network_acl_entry().network_acl_id(&acl).rule_number(number).egress(egress);
        let call = call.protocol("6").port_range(aws_sdk_ec2::types::PortRange::builder().from(80).to(80).build());
        call.cidr_block("0.0.0.0/0").rule_action(RuleAction::Deny).send().await.unwrap();
    }
    let call = ec2.replace_network_acl_entry().network_acl_id(&acl).rule_number(100).egress(false).protocol("-1");
    call.cidr_block("10.0.0.0/16").rule_action(RuleAction::Allow).send().await.unwrap();
    repaired(&[&format!("{ACL} update: entries")]).await;

    // Entries that AWS itself adds to a VPC with an IPv6 range are no drift.
    for egress in [false, true] {
        let call = ec2.create_network_acl_entry().network_acl_id(&acl).rule_number(101).egress(egress);
        let call = call.protocol("-1").ipv6_cidr_block("::/0").rule_action(RuleAction::Allow);
        call.send().await.unwrap();
    }
    ec2.associate_vpc_cidr_block().vpc_id(&vpc).cidr_block("10.1.0.0/16").send().await.unwrap();
    repaired(&[]).await;

    let rule = IpPermission::builder().ip_protocol("udp").from_port(53).to_port(53);
    let rule = rule.ip_ranges(IpRange::builder().cidr_ip("192.0.2.0/24").build()).build();
    ec2.authorize_security_group_egress().group_id(&group).ip_permissions(rule).send().await.unwrap();
    repaired(&[&format!("{GROUP} update: rules")]).await;

    // A route and the main association, both at once.
    let gateway = id("internet-gateway/main").await;
    let call = ec2.create_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0").gateway_id(&gateway);
    call.send().await.unwrap();
    make_main(&aws, &vpc, &public).await;
    repaired(&[&format!("{TABLE} update: main, routes")]).await;

    // AWS's own main table is gone and cannot be restored.
    make_main(&aws, &vpc, &private).await;
    ec2.delete_route_table().route_table_id(&table).send().await.unwrap();
    repaired(&[&format!("{TABLE} create")]).await;

    let server = NewDhcpConfiguration::builder().key("domain-name-servers").values("10.0.0.9").build();
    let made = ec2.create_dhcp_options().dhcp_configurations(server).send().await.unwrap().dhcp_options.unwrap();
    let call = ec2.associate_dhcp_options().vpc_id(&vpc).dhcp_options_id(made.dhcp_options_id().unwrap());
    call.send().await.unwrap();
    repaired(&[&format!("{OPTIONS} update: options.domain-name, options.domain-name-servers")]).await;

    // A route table of the stack that is the main one can still be released.
    make_main(&aws, &vpc, &public).await;
    let gone = teardown(&stack(&aws), &env).await;
    assert!(!gone.iter().any(|w| w.contains("failed")), "{gone:?}");
}

/// Makes another route table the main one of the VPC.
async fn make_main(aws: &Aws, vpc: &str, table: &str) {
    let tables = aws.ec2.describe_route_tables().filters(here(vpc)).send().await.unwrap();
    let mut all = tables.route_tables().iter().flat_map(|t| t.associations());
    let main = all.find(|a| a.main() == Some(true)).and_then(|a| a.route_table_association_id()).unwrap();
    let call = aws.ec2.replace_route_table_association().association_id(main).route_table_id(table);
    call.send().await.unwrap();
}

/// If somebody deleted the region's default DHCP options, the stack creates some, and deletes them at the end.
#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn options_are_made_where_the_region_has_none() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("none"));
    up(&stack(&aws), &env).await;
    for vpc in aws.ec2.describe_vpcs().send().await.unwrap().vpcs() {
        let call = aws.ec2.associate_dhcp_options().dhcp_options_id("default").vpc_id(vpc.vpc_id().unwrap());
        call.send().await.unwrap();
    }
    for set in aws.ec2.describe_dhcp_options().send().await.unwrap().dhcp_options() {
        aws.ec2.delete_dhcp_options().dhcp_options_id(set.dhcp_options_id().unwrap()).send().await.unwrap();
    }
    let sets = async || aws.ec2.describe_dhcp_options().send().await.unwrap().dhcp_options.unwrap_or_default();
    let paths = "options.domain-name, options.domain-name-servers";
    assert_eq!(up(&stack(&aws), &env).await, [format!("{OPTIONS} update: {paths}")]);
    assert_eq!(plan(&stack(&aws), &env).await, NONE);
    assert!(sets().await[0].tags().iter().any(|t| t.value() == Some(OPTIONS)));
    let gone = teardown(&stack(&aws), &env).await;
    assert!(!gone.iter().any(|w| w.contains("failed")), "{gone:?}");
    assert!(sets().await.is_empty());
}
