//! A gateway endpoint: the free route from route tables to S3.
use super::{prelude::*, route_table::RouteTable, vpc::Vpc};
use crate::aws::error::refused;
use aws_sdk_ec2::types::{ResourceType, VpcEndpoint as AwsEndpoint, VpcEndpointType};
use serde_json::{Value, json};

/// The wanted gateway endpoint.
pub struct VpcEndpoint {
    pub aws: Aws,
    pub vpc: Ref<Vpc>,
    /// `com.amazonaws.eu-west-1.s3`.
    pub service: String,
    pub route_tables: Vec<Ref<RouteTable>>,
}

/// The managed fields of a gateway endpoint.
#[derive(Serialize)]
pub struct Spec {
    vpc: Known<String>,
    service: String,
    route_tables: Known<Vec<String>>,
    /// AWS's default policy, which leaves decisions to IAM. A `Deny` here would keep the instances from their packages.
    policy: String,
}

/// The wanted policy, and the word for AWS's default one.
pub(super) const FULL_ACCESS: &str = "full access";

/// The values of a gateway endpoint that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
}

impl Resource for VpcEndpoint {
    const KIND: &'static str = "vpc-endpoint";
    const FIXED: &'static [&'static str] = &["vpc", "service"];
    const DISPOSABLE: bool = true;
    const PATIENCE: Duration = Duration::from_secs(300);
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateTags",
        "ec2:CreateVpcEndpoint",
        "ec2:DeleteVpcEndpoints",
        "ec2:DescribeVpcEndpoints",
        "ec2:ModifyVpcEndpoint",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            vpc: inputs.read(&self.vpc, |v| v.id.clone()),
            service: self.service.clone(),
            route_tables: inputs.read_all(&self.route_tables, |t| t.id.clone()).map(sorted),
            policy: FULL_ACCESS.into(),
        }
    }
    fn typical(&self) -> Typical {
        Typical::secs(8, 2, 8)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let all = existing(cx, ec2_list!(self.aws, cx, vpc_endpoints));
        let endpoint = match find_ours(cx, &all, |e| e.tags(), |e| e.vpc_endpoint_id())? {
            None => self.without_tags(cx).await?,
            ours => ours,
        };
        let Some(endpoint) = endpoint else { return Ok(None) };
        let id = endpoint.vpc_endpoint_id().unwrap_or_default().to_owned();
        Ok(Some(Found {
            spec: Spec {
                vpc: Known::Now(endpoint.vpc_id().unwrap_or_default().into()),
                service: endpoint.service_name().unwrap_or_default().into(),
                route_tables: Known::Now(sorted(endpoint.route_table_ids().to_vec())),
                policy: policy(&endpoint),
            },
            output: Some(Output { id: id.clone() }),
            phase: phase(&endpoint),
            tags: tags::ec2::from(endpoint.tags()),
            id,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let made = self
            .aws
            .ec2
            .create_vpc_endpoint()
            .vpc_endpoint_type(VpcEndpointType::Gateway)
            .vpc_id(want.vpc.get()?)
            .service_name(&want.service)
            .set_route_table_ids(Some(want.route_tables.get()?.clone()))
            .tag_specifications(tags::on_create(ResourceType::VpcEndpoint, &cx.tags()))
            .send()
            .await
            .during("CreateVpcEndpoint")?;
        cx.note_created(expect_id(made.vpc_endpoint().and_then(|e| e.vpc_endpoint_id()), "CreateVpcEndpoint")?);
        Ok(())
    }

    async fn update(&self, _: &Cx<'_>, want: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        let (want, have) = (want.route_tables.get()?, found.spec.route_tables.get()?);
        self.aws
            .ec2
            .modify_vpc_endpoint()
            .vpc_endpoint_id(&found.id)
            .set_add_route_table_ids(without(want, have))
            .set_remove_route_table_ids(without(have, want))
            .set_reset_policy(diff.touches("policy").then_some(true))
            .send()
            .await
            .during("ModifyVpcEndpoint")
            .map(drop)
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        delete(&self.aws, &found.id).await
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        tag_ec2(&self.aws, &found.id, tags).await
    }
}

impl VpcEndpoint {
    /// Finds the endpoint that a route table of the stack uses. A table has at most one per service.
    async fn without_tags(&self, cx: &Cx<'_>) -> Result<Option<AwsEndpoint>> {
        let Some(vpc) = cx.read(&self.vpc, |v| v.id.clone()).now() else { return Ok(None) };
        let tables: Vec<String> = self.route_tables.iter().filter_map(|t| cx.read(t, |t| t.id.clone()).now()).collect();
        let there = ec2_where!(self.aws, "vpc-id", &vpc, describe_vpc_endpoints, "DescribeVpcEndpoints", AwsEndpoint);
        let is_this = |e: &AwsEndpoint| {
            e.service_name() == Some(self.service.as_str())
                && !is_going(e)
                && e.route_table_ids().iter().any(|t| tables.contains(t))
        };
        untagged(cx, &there, |e| e.tags(), |e| e.vpc_endpoint_id(), is_this)
    }
}

/// Deletes an endpoint.
pub(super) async fn delete(aws: &Aws, id: &str) -> Result<()> {
    let answer = aws.ec2.delete_vpc_endpoints().vpc_endpoint_ids(id).send().await.during("DeleteVpcEndpoints")?;
    // This call reports a refusal inside a successful answer.
    let Some(error) = answer.unsuccessful().iter().find_map(|u| u.error()) else { return Ok(()) };
    let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
    match refused("DeleteVpcEndpoints", code, message) {
        AwsError { class: Class::NotFound, .. } => Ok(()),
        error => Err(Error::Aws(Box::new(error))),
    }
}

/// True if the endpoint is deleted or being deleted.
pub(super) fn is_going(endpoint: &AwsEndpoint) -> bool {
    matches!(state(endpoint).as_str(), "deleting" | "deleted")
}

/// Returns the items of the first list that the second lacks.
///
/// `None` instead of an empty list, which EC2 refuses.
pub(super) fn without(all: &[String], those: &[String]) -> Option<Vec<String>> {
    Some(all.iter().filter(|t| !those.contains(t)).cloned().collect()).filter(|v: &Vec<_>| !v.is_empty())
}

/// Filters out deleted endpoints, which AWS lists for a while next to their successors.
pub(super) fn existing(cx: &Cx<'_>, all: Vec<AwsEndpoint>) -> Vec<AwsEndpoint> {
    let step =
        |e: &AwsEndpoint| Some(e.tags().iter().find(|t| t.key() == Some(cx.env.keys.step()))?.value()?.to_owned());
    let live: Vec<_> = all.iter().filter(|e| !is_going(e)).map(step).collect();
    let is_gone = |e: &AwsEndpoint| state(e) == "deleted" || is_going(e) && live.contains(&step(e));
    all.into_iter().filter(|e| !is_gone(e)).collect()
}

/// Returns the phase of an endpoint.
pub(super) fn phase(endpoint: &AwsEndpoint) -> Phase {
    let state = state(endpoint);
    match state.as_str() {
        "available" => Phase::Ready,
        "deleting" => Phase::Deleting,
        // AWS gives a reason for the failure.
        "failed" | "rejected" | "expired" => {
            let why = endpoint.last_error().and_then(|e| e.message().map(|m| format!("{state}: {m}")));
            Phase::Broken(why.unwrap_or(state))
        }
        _ => Phase::Busy(state),
    }
}

/// Returns the policy, or a word for AWS's default one.
pub(super) fn policy(endpoint: &AwsEndpoint) -> String {
    let Some(text) = endpoint.policy_document().filter(|t| !t.is_empty()) else { return FULL_ACCESS.into() };
    let Ok(policy) = serde_json::from_str::<Value>(text) else { return text.into() };
    let all = json!([{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]);
    if policy["Statement"] == all { FULL_ACCESS.into() } else { policy.to_string() }
}

/// Returns the state in lower case, since AWS writes it in two ways.
pub(super) fn state(endpoint: &AwsEndpoint) -> String {
    endpoint.state().map(|s| s.as_str().to_ascii_lowercase()).unwrap_or_else(|| "pending".into())
}
