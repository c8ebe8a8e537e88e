//! A route table with only its default route, and the subnets that use it.
use super::{internet_gateway::InternetGateway, nat_gateway::NatGateway, prelude::*, subnet::Subnet, vpc::Vpc};
use crate::aws::words;
use aws_sdk_ec2::types::{Filter, ResourceType, Route, RouteOrigin, RouteTable as AwsTable, RouteTableAssociation};

/// The wanted route table.
pub struct RouteTable {
    pub aws: Aws,
    pub vpc: Ref<Vpc>,
    /// The target of the default route. `None` means no route out.
    pub gateway: Option<Gateway>,
    /// The subnets that use the table, and no others.
    pub subnets: Vec<Ref<Subnet>>,
}

/// The target of a default route.
pub enum Gateway {
    Internet(Ref<InternetGateway>),
    Nat(Ref<NatGateway>),
}

/// The managed fields of a route table.
#[derive(Serialize)]
pub struct Spec {
    vpc: Known<String>,
    default_route: Option<Known<String>>,
    /// Always empty: a narrower route wins over the default one and can misdirect half the internet.
    other_routes: Vec<String>,
    subnets: Known<Vec<String>>,
}

/// The values of a route table that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
}

const EVERYWHERE: &str = "0.0.0.0/0";

impl Resource for RouteTable {
    const KIND: &'static str = "route-table";
    const FIXED: &'static [&'static str] = &["vpc"];
    const TWINS: bool = true;
    const PATIENCE: Duration = Duration::from_secs(120);
    const ACTIONS: &'static [&'static str] = &[
        "ec2:AssociateRouteTable",
        "ec2:CreateRoute",
        "ec2:CreateRouteTable",
        "ec2:CreateTags",
        "ec2:DeleteRoute",
        "ec2:DeleteRouteTable",
        "ec2:DescribeRouteTables",
        "ec2:DisassociateRouteTable",
        "ec2:ReplaceRoute",
        "ec2:ReplaceRouteTableAssociation",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            vpc: inputs.read(&self.vpc, |v| v.id.clone()),
            default_route: self.gateway.as_ref().map(|g| match g {
                Gateway::Internet(g) => inputs.read(g, |g| g.id.clone()),
                Gateway::Nat(g) => inputs.read(g, |g| g.id.clone()),
            }),
            other_routes: vec![],
            subnets: inputs.read_all(&self.subnets, |s| s.id.clone()).map(sorted),
        }
    }
    fn typical(&self) -> Typical {
        Typical::secs(1, 1, 1)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(table) = self.table(cx).await? else { return Ok(None) };
        let id = table.route_table_id().unwrap_or_default().to_owned();
        let default = table.routes().iter().find(|r| r.destination_cidr_block() == Some(EVERYWHERE));
        let others = other_routes(&table).map(describe);
        let subnets = associations(&table).filter_map(|a| a.subnet_id()).map(Into::into);
        Ok(Some(Found {
            spec: Spec {
                vpc: Known::Now(table.vpc_id().unwrap_or_default().into()),
                default_route: default.map(|r| Known::Now(route_target(r).into())),
                other_routes: sorted(others.collect()),
                subnets: Known::Now(sorted(subnets.collect())),
            },
            output: Some(Output { id: id.clone() }),
            phase: Phase::Ready,
            tags: tags::ec2::from(table.tags()),
            id,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let id = &make(&self.aws, cx, want.vpc.get()?).await?;
        self.set_default(id, want).await.map_err(half_made)?;
        self.associate(id, want.subnets.get()?).await.map_err(half_made)
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        if diff.touches("default_route") {
            self.set_default(&found.id, want).await?;
        }
        if diff.touches("other_routes") {
            self.delete_others(cx).await?;
        }
        let (want, have) = (want.subnets.get()?, found.spec.subnets.get()?);
        let missing: Vec<String> = want.iter().filter(|s| !have.contains(s)).cloned().collect();
        self.associate(&found.id, &missing).await?;
        self.dissociate(cx, |subnet| !want.iter().any(|w| w == subnet)).await
    }

    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.dissociate(cx, |_| true).await?;
        self.aws.ec2.delete_route_table().route_table_id(&found.id).send().await.or_gone("DeleteRouteTable")
    }

    /// Deletes a duplicate, even if subnets use it.
    ///
    /// A used table cannot be deleted. If the subnets are split between twins, the twin's subnets are detached first.
    async fn delete_twin(&self, cx: &Cx<'_>, id: &str) -> Result<()> {
        let delete =
            async || self.aws.ec2.delete_route_table().route_table_id(id).send().await.or_gone("DeleteRouteTable");
        let all = ec2_list!(self.aws, cx, route_tables);
        let step = |t: &&AwsTable| {
            t.tags().iter().any(|t| t.key() == Some(cx.env.keys.step()) && t.value() == Some(cx.key.as_str()))
        };
        let (this, others): (Vec<_>, Vec<_>) = all.iter().filter(step).partition(|t| t.route_table_id() == Some(id));
        if others.iter().any(|t| associations(t).next().is_some()) {
            for table in this {
                dissociate(&self.aws, table, |_| true).await?;
            }
        }
        delete().await
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        tag_ec2(&self.aws, &found.id, tags).await
    }

    async fn holders(&self, cx: &Cx<'_>, _: &Found<Self>) -> Result<Vec<Holder>> {
        let table = self.table(cx).await?;
        let main = table.as_ref().and_then(main_association);
        let vpc = table.as_ref().and_then(|t| t.vpc_id()).unwrap_or_default();
        let what = format!("{vpc}, as its main route table: make another one the main one");
        Ok(main.map(|_| Holder { what, passes: false }).into_iter().collect())
    }
}

impl RouteTable {
    async fn table(&self, cx: &Cx<'_>) -> Result<Option<AwsTable>> {
        let all = ec2_list!(self.aws, cx, route_tables);
        match find_ours(cx, &all, |t| t.tags(), |t| t.route_table_id())? {
            None => self.without_tags(cx).await,
            ours => Ok(ours),
        }
    }

    /// Finds the table that a subnet of the stack uses, except the VPC's main one.
    async fn without_tags(&self, cx: &Cx<'_>) -> Result<Option<AwsTable>> {
        let vpc = cx.read(&self.vpc, |v| v.id.clone()).now();
        let subnets: Vec<String> = self.subnets.iter().filter_map(|s| cx.read(s, |s| s.id.clone()).now()).collect();
        let Some(vpc) = vpc.filter(|_| !subnets.is_empty()) else { return Ok(None) };
        let there = ec2_where!(self.aws, "vpc-id", &vpc, describe_route_tables, "DescribeRouteTables", AwsTable);
        let follows =
            |t: &AwsTable| associations(t).filter_map(|a| a.subnet_id()).any(|id| subnets.iter().any(|s| s == id));
        untagged(cx, &there, |t| t.tags(), |t| t.route_table_id(), |t| follows(t) && main_association(t).is_none())
    }

    async fn set_default(&self, id: &str, want: &Spec) -> Result<()> {
        let ec2 = &self.aws.ec2;
        let Some(gateway) = &want.default_route else {
            let call = ec2.delete_route().route_table_id(id).destination_cidr_block(EVERYWHERE);
            return call.send().await.or_gone("DeleteRoute");
        };
        let gateway = gateway.get()?;
        let (internet, nat) = match self.gateway {
            Some(Gateway::Nat(_)) => (None, Some(gateway)),
            _ => (Some(gateway), None),
        };
        let call = ec2.create_route().route_table_id(id).destination_cidr_block(EVERYWHERE);
        let call = call.set_gateway_id(internet.cloned()).set_nat_gateway_id(nat.cloned());
        match call.send().await.during("CreateRoute") {
            // The existing default route has another target.
            Err(e) if e.class() == Some(Class::AlreadyExists) => {
                let call = ec2.replace_route().route_table_id(id).destination_cidr_block(EVERYWHERE);
                let call = call.set_gateway_id(internet.cloned()).set_nat_gateway_id(nat.cloned());
                call.send().await.during("ReplaceRoute").map(drop)
            }
            other => other.map(drop),
        }
    }

    async fn delete_others(&self, cx: &Cx<'_>) -> Result<()> {
        let Some(table) = self.table(cx).await? else { return Ok(()) };
        for route in other_routes(&table) {
            delete_route(&self.aws, &table, route).await?;
        }
        Ok(())
    }

    /// Makes the subnets use this table instead of their current one.
    async fn associate(&self, id: &str, subnets: &[String]) -> Result<()> {
        if subnets.is_empty() {
            return Ok(());
        }
        let ec2 = &self.aws.ec2;
        let name = "association.subnet-id";
        let filter = Filter::builder().name(name).set_values(Some(subnets.to_vec())).build();
        let tables = ec2.describe_route_tables().filters(filter).send().await.during("DescribeRouteTables")?;
        let before: Vec<_> = tables.route_tables().iter().flat_map(associations).collect();
        for subnet in subnets {
            match before.iter().find(|a| a.subnet_id() == Some(subnet)) {
                None => {
                    let call = ec2.associate_route_table().route_table_id(id).subnet_id(subnet);
                    call.send().await.during("AssociateRouteTable").map(drop).map_err(look_again)?
                }
                Some(other) => {
                    let call = ec2.replace_route_table_association().route_table_id(id);
                    let association = expect_id(other.route_table_association_id(), "DescribeRouteTables")?;
                    let call = call.association_id(association);
                    call.send().await.during("ReplaceRouteTableAssociation").map(drop)?
                }
            }
        }
        Ok(())
    }

    async fn dissociate(&self, cx: &Cx<'_>, which: impl Fn(&str) -> bool) -> Result<()> {
        let Some(table) = self.table(cx).await? else { return Ok(()) };
        dissociate(&self.aws, &table, which).await
    }
}

/// Creates a table without subnets and returns its id.
pub(super) async fn make(aws: &Aws, cx: &Cx<'_>, vpc: &str) -> Result<String> {
    // No client token outlives the call, because EC2 returns the object of a known token even if it was deleted.
    let call = aws.ec2.create_route_table().vpc_id(vpc);
    let call = call.tag_specifications(tags::on_create(ResourceType::RouteTable, &cx.tags()));
    let made = call.send().await.during("CreateRouteTable")?;
    let id = expect_id(made.route_table().and_then(|t| t.route_table_id()), "CreateRouteTable")?;
    cx.note_created(id);
    Ok(id.to_owned())
}

/// Returns the id of the association that makes the table the VPC's main one.
pub(super) fn main_association(table: &AwsTable) -> Option<&str> {
    table.associations().iter().find(|a| a.main() == Some(true))?.route_table_association_id()
}

/// Detaches the chosen subnets from the table.
pub(super) async fn dissociate(aws: &Aws, table: &AwsTable, which: impl Fn(&str) -> bool) -> Result<()> {
    for a in associations(table).filter(|a| a.subnet_id().is_some_and(&which)) {
        let id = expect_id(a.route_table_association_id(), "DescribeRouteTables")?;
        let call = aws.ec2.disassociate_route_table().association_id(id);
        call.send().await.or_gone("DisassociateRouteTable")?;
    }
    Ok(())
}

/// Deletes a route of a table.
pub(super) async fn delete_route(aws: &Aws, table: &AwsTable, route: &Route) -> Result<()> {
    let call = aws.ec2.delete_route().set_route_table_id(table.route_table_id.clone());
    let call = match (&route.destination_cidr_block, &route.destination_ipv6_cidr_block) {
        (Some(cidr), _) => call.destination_cidr_block(cidr),
        (_, Some(cidr)) => call.destination_ipv6_cidr_block(cidr),
        _ => call.set_destination_prefix_list_id(route.destination_prefix_list_id.clone()),
    };
    call.send().await.or_gone("DeleteRoute")
}

/// Returns the associations with subnets that are not being removed.
pub(super) fn associations(table: &AwsTable) -> impl Iterator<Item = &RouteTableAssociation> {
    table.associations().iter().filter(|a| {
        let state = a.association_state().and_then(|s| s.state()).map(|s| s.as_str());
        a.subnet_id().is_some() && !matches!(state, Some("disassociating" | "disassociated" | "failed"))
    })
}

/// Returns the routes that users created, except the default one.
fn other_routes(table: &AwsTable) -> impl Iterator<Item = &Route> {
    custom_routes(table).filter(|r| r.destination_cidr_block() != Some(EVERYWHERE))
}

/// Returns the routes that users created.
///
/// Routes within the VPC, of gateway endpoints, and propagated from a VPN are AWS's own.
pub(super) fn custom_routes(table: &AwsTable) -> impl Iterator<Item = &Route> {
    table.routes().iter().filter(|r| {
        let made = r.origin().is_none_or(|o| *o == RouteOrigin::CreateRoute) && r.gateway_id() != Some("local");
        let endpoint =
            r.destination_prefix_list_id().is_some() && r.gateway_id().is_some_and(|g| g.starts_with("vpce-"));
        made && !endpoint
    })
}

/// Describes a route, such as `10.9.0.0/16 to igw-1`.
pub(super) fn describe(route: &Route) -> String {
    format!("{} to {}", words::ec2::destination(route), route_target(route))
}

fn route_target(route: &Route) -> &str {
    words::ec2::route_target(route).unwrap_or("somewhere else")
}
