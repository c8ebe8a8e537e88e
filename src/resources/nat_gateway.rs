//! A NAT gateway: the route to the internet for instances without public addresses.
use super::{elastic_ip::ElasticIp, prelude::*, subnet::Subnet};
use aws_sdk_ec2::types::{ConnectivityType, NatGateway as AwsNat, ResourceType};

/// The wanted NAT gateway.
pub struct NatGateway {
    pub aws: Aws,
    /// A public subnet, whose route the gateway itself uses.
    pub subnet: Ref<Subnet>,
    pub address: Ref<ElasticIp>,
}

/// The managed fields of a NAT gateway.
#[derive(Serialize)]
pub struct Spec {
    subnet: Known<String>,
    address: Known<String>,
    connectivity: String,
}

/// The values of a NAT gateway that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
}

impl Resource for NatGateway {
    const KIND: &'static str = "nat-gateway";
    const FIXED: &'static [&'static str] = &["subnet", "address", "connectivity"];
    const DISPOSABLE: bool = true;
    const PATIENCE: Duration = Duration::from_secs(600);
    const ACTIONS: &'static [&'static str] =
        &["ec2:CreateNatGateway", "ec2:CreateTags", "ec2:DeleteNatGateway", "ec2:DescribeNatGateways"];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            subnet: inputs.read(&self.subnet, |s| s.id.clone()),
            address: inputs.read(&self.address, |a| a.id.clone()),
            connectivity: ConnectivityType::Public.as_str().into(),
        }
    }
    fn typical(&self) -> Typical {
        Typical::secs(115, 1, 61)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let all = ec2_list!(self.aws, cx, nat_gateways).into_iter().filter(|n| state(n) != "deleted");
        // Failed and deleted gateways are listed for an hour, next to their successors.
        let (standing, others): (Vec<_>, Vec<_>) = all.partition(exists);
        let is_this =
            |n: &AwsNat| tags::ec2::from(n.tags()).get(cx.env.keys.step()).is_some_and(|s| s == cx.key.as_str());
        let nat = match find_ours(cx, &standing, |n| n.tags(), |n| n.nat_gateway_id())? {
            None => match others.into_iter().find(is_this) {
                None => self.without_tags(cx).await?,
                going => going,
            },
            ours => ours,
        };
        let Some(nat) = nat else { return Ok(None) };
        let id = nat.nat_gateway_id().unwrap_or_default().to_owned();
        let addresses = nat.nat_gateway_addresses();
        let primary = addresses.iter().find(|a| a.is_primary() == Some(true)).or(addresses.first());
        Ok(Some(Found {
            spec: Spec {
                subnet: Known::Now(nat.subnet_id().unwrap_or_default().into()),
                address: Known::Now(primary.and_then(|a| a.allocation_id()).unwrap_or_default().into()),
                connectivity: nat.connectivity_type().map_or("public", |c| c.as_str()).into(),
            },
            output: Some(Output { id: id.clone() }),
            phase: match state(&nat) {
                "available" => Phase::Ready,
                "deleting" => Phase::Deleting,
                "failed" => Phase::Broken(why(&nat)),
                other => Phase::Busy(other.into()),
            },
            tags: tags::ec2::from(nat.tags()),
            id,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        // No client token outlives the call, because EC2 returns the object of a known token even if it was deleted.
        let made = self
            .aws
            .ec2
            .create_nat_gateway()
            .subnet_id(want.subnet.get()?)
            .allocation_id(want.address.get()?)
            .connectivity_type(ConnectivityType::Public)
            .tag_specifications(tags::on_create(ResourceType::Natgateway, &cx.tags()))
            .send()
            .await
            .during("CreateNatGateway")?;
        cx.note_created(expect_id(made.nat_gateway().and_then(|n| n.nat_gateway_id()), "CreateNatGateway")?);
        Ok(())
    }

    async fn update(&self, _: &Cx<'_>, _: &Spec, _: &Found<Self>, _: &Diff) -> Result<()> {
        Ok(())
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.aws.ec2.delete_nat_gateway().nat_gateway_id(&found.id).send().await.or_gone("DeleteNatGateway")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        tag_ec2(&self.aws, &found.id, tags).await
    }
}

impl NatGateway {
    /// Finds the gateway that has the stack's address. At most one does.
    async fn without_tags(&self, cx: &Cx<'_>) -> Result<Option<AwsNat>> {
        let Some(address) = cx.read(&self.address, |a| a.id.clone()).now() else { return Ok(None) };
        let all = listing::nat_gateways(&self.aws).await?;
        let is_this = |n: &AwsNat| {
            exists(n) && n.nat_gateway_addresses().iter().any(|a| a.allocation_id() == Some(address.as_str()))
        };
        untagged(cx, &all, |n| n.tags(), |n| n.nat_gateway_id(), is_this)
    }
}

/// True if the gateway is pending or available.
pub(super) fn exists(nat: &AwsNat) -> bool {
    matches!(state(nat), "pending" | "available")
}

/// Returns AWS's word for the state.
pub(super) fn state(nat: &AwsNat) -> &str {
    nat.state().map_or("pending", |s| s.as_str())
}

/// Returns AWS's reason for the failure.
fn why(nat: &AwsNat) -> String {
    let said: Vec<&str> = [nat.failure_code(), nat.failure_message()].into_iter().flatten().collect();
    if said.is_empty() { "failed".into() } else { said.join(": ") }
}
