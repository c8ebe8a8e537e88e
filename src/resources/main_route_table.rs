//! The main route table that AWS creates with a VPC.
//!
//! It has no route out, so that a subnet without a table of its own reaches nothing.
use super::{
    prelude::*,
    route_table::{self, main_association},
    vpc::Vpc,
    vpc_default,
};
use aws_sdk_ec2::types::RouteTable as AwsTable;
use std::cell::Cell;

/// The main route table of the stack's VPC.
pub struct MainRouteTable {
    aws: Aws,
    vpc: Ref<Vpc>,
    /// True after a delete: the object disappears with the VPC.
    dropped: Cell<bool>,
}

impl MainRouteTable {
    pub fn new(aws: Aws, vpc: Ref<Vpc>) -> Self {
        Self { aws, vpc, dropped: Cell::new(false) }
    }
}

/// The managed fields of the main route table.
#[derive(Serialize)]
pub struct Spec {
    /// True if subnets without a table of their own use this one.
    main: bool,
    /// Always empty, except for the route within the VPC.
    routes: Vec<String>,
}

/// The output, which is empty because no other step refers to the object.
#[derive(Clone, Serialize)]
pub struct Output {}

impl Resource for MainRouteTable {
    const KIND: &'static str = "main-route-table";
    const OF_PARENT: bool = true;
    const PATIENCE: Duration = Duration::from_secs(120);
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateRouteTable",
        "ec2:CreateTags",
        "ec2:DeleteRoute",
        "ec2:DeleteRouteTable",
        "ec2:DescribeRouteTables",
        "ec2:DisassociateRouteTable",
        "ec2:ReplaceRouteTableAssociation",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        let _ = inputs.read(&self.vpc, |_| ());
        Spec { main: true, routes: vec![] }
    }
    fn typical(&self) -> Typical {
        Typical::secs(1, 1, 0)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        if self.dropped.get() {
            return Ok(None);
        }
        let Some(table) = self.table(cx).await? else { return Ok(None) };
        Ok(Some(Found {
            spec: Spec {
                main: main_association(&table).is_some(),
                routes: sorted(route_table::custom_routes(&table).map(route_table::describe).collect()),
            },
            output: Some(Output {}),
            phase: Phase::Ready,
            tags: vpc_default::tags_of(cx, table.tags()),
            id: table.route_table_id.unwrap_or_default(),
        }))
    }

    /// Creates a main table only if AWS's own is gone.
    ///
    /// AWS's table can be deleted while another step's table is the main one.
    async fn create(&self, cx: &Cx<'_>, _: &Spec) -> Result<()> {
        self.dropped.set(false);
        let main = self.all_in_vpc(cx).await?.iter().any(|t| main_association(t).is_some());
        if !main || self.table(cx).await?.is_some() {
            return Err(vpc_default::not_visible_yet("DescribeRouteTables", "main route table"));
        }
        let vpc = cx.read(&self.vpc, |v| v.id.clone());
        let id = &route_table::make(&self.aws, cx, vpc.get()?).await?;
        self.make_main(cx, id).await.map_err(half_made)
    }

    async fn update(&self, cx: &Cx<'_>, _: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        if diff.touches("routes")
            && let Some(table) = self.table(cx).await?
        {
            for route in route_table::custom_routes(&table) {
                route_table::delete_route(&self.aws, &table, route).await?;
            }
        }
        if diff.touches("main") { self.make_main(cx, &found.id).await } else { Ok(()) }
    }

    /// Makes sure that no table of the stack stays behind.
    ///
    /// The main table disappears with the VPC. Another table of the stack has to be detached first.
    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        let all = self.all_in_vpc(cx).await?;
        let main = all.iter().find(|t| main_association(t).is_some());
        let of_the_stack = |t: &AwsTable| tags::ec2::from(t.tags()).get(cx.env.keys.stack()) == Some(&cx.env.stack);
        match main {
            Some(main) if main.route_table_id() == Some(&found.id) => {}
            Some(main) if of_the_stack(main) => self.make_main(cx, &found.id).await?,
            _ => {
                if let Some(table) = all.iter().find(|t| t.route_table_id() == Some(&found.id)) {
                    route_table::dissociate(&self.aws, table, |_| true).await?;
                }
                let call = self.aws.ec2.delete_route_table().route_table_id(&found.id);
                call.send().await.or_gone("DeleteRouteTable")?;
            }
        }
        self.dropped.set(true);
        Ok(())
    }

    async fn tag(&self, cx: &Cx<'_>, found: &Found<Self>, _: &Tags) -> Result<()> {
        vpc_default::tag(&self.aws, cx, &found.id).await
    }
}

impl MainRouteTable {
    /// Returns all tables of the VPC, from the listing that all steps share.
    async fn all_in_vpc(&self, cx: &Cx<'_>) -> Result<Vec<AwsTable>> {
        let Some(vpc) = cx.read(&self.vpc, |v| v.id.clone()).now() else { return Ok(vec![]) };
        let all = listing::route_tables(&self.aws).await?;
        Ok(all.iter().filter(|t| t.vpc_id() == Some(&vpc)).cloned().collect())
    }

    /// Finds the table that is tagged for this step.
    ///
    /// Without tags it is the main table or, if that belongs to another step, the former main table.
    async fn table(&self, cx: &Cx<'_>) -> Result<Option<AwsTable>> {
        let all = self.all_in_vpc(cx).await?;
        let step = |t: &AwsTable| cx.step_of(&tags::ec2::from(t.tags())).map(String::from);
        let ours: Vec<AwsTable> = all.iter().filter(|t| step(t).is_some()).cloned().collect();
        let is_this = |t: &&AwsTable| step(t).as_deref() == Some(cx.key.as_str());
        if let Some(main) = ours.iter().filter(is_this).find(|t| main_association(t).is_some()) {
            return Ok(Some(main.clone()));
        }
        if let Some(table) = find_ours(cx, &ours, |t| t.tags(), |t| t.route_table_id())? {
            return Ok(Some(table));
        }
        let free = || all.iter().filter(|t| step(t).is_none());
        let unused = |t: &&AwsTable| {
            route_table::associations(t).next().is_none() && route_table::custom_routes(t).next().is_none()
        };
        let main = free().find(|t| main_association(t).is_some());
        Ok(main.or_else(|| free().filter(unused).min_by_key(|t| t.route_table_id())).cloned())
    }

    async fn make_main(&self, cx: &Cx<'_>, table: &str) -> Result<()> {
        let all = self.all_in_vpc(cx).await?;
        let Some(was) = all.iter().find_map(main_association) else { return Ok(()) };
        let call = self.aws.ec2.replace_route_table_association().association_id(was).route_table_id(table);
        call.send().await.during("ReplaceRouteTableAssociation").map(drop).map_err(look_again)
    }
}
