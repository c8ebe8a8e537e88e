//! An Elastic IP address: the public address of a NAT gateway.
use super::{
    nat_gateway::{exists, state},
    prelude::*,
};
use aws_sdk_ec2::types::{Address, DomainType, NatGateway as AwsNat, ResourceType};

/// The wanted Elastic IP address.
pub struct ElasticIp {
    pub aws: Aws,
    /// The step of the NAT gateway that uses the address. It identifies an address that lost its tags.
    pub gateway: Key,
}

/// The managed fields of an Elastic IP address.
#[derive(Serialize)]
pub struct Spec {
    domain: String,
}

/// The values of an Elastic IP address that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    /// The id of the allocation.
    pub id: String,
    pub ip: String,
}

impl Resource for ElasticIp {
    const KIND: &'static str = "elastic-ip";
    const LOSES: Option<&'static str> = Some("the address, which others may have allowed");
    const TWINS: bool = true;
    const PATIENCE: Duration = Duration::from_secs(120);
    const ACTIONS: &'static [&'static str] = &[
        "ec2:AllocateAddress",
        "ec2:CreateTags",
        "ec2:DescribeAddresses",
        "ec2:DescribeNatGateways",
        "ec2:ReleaseAddress",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, _: &Inputs) -> Spec {
        Spec { domain: DomainType::Vpc.as_str().into() }
    }
    fn typical(&self) -> Typical {
        Typical::secs(1, 1, 1)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let all = ec2_list!(self.aws, cx, addresses);
        let address = match find_ours(cx, &all, |a| a.tags(), |a| a.allocation_id())? {
            None => self.without_tags(cx).await?,
            ours => ours,
        };
        let Some(address) = address else { return Ok(None) };
        let text = |s: Option<&str>| s.unwrap_or_default().to_owned();
        let id = text(address.allocation_id());
        Ok(Some(Found {
            spec: Spec { domain: address.domain().map(|d| d.as_str().into()).unwrap_or_default() },
            output: Some(Output { id: id.clone(), ip: text(address.public_ip()) }),
            phase: Phase::Ready,
            tags: tags::ec2::from(address.tags()),
            id,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, _: &Spec) -> Result<()> {
        let made = self
            .aws
            .ec2
            .allocate_address()
            .domain(DomainType::Vpc)
            .tag_specifications(tags::on_create(ResourceType::ElasticIp, &cx.tags()))
            .send()
            .await
            .during("AllocateAddress")?;
        cx.note_created(expect_id(made.allocation_id(), "AllocateAddress")?);
        Ok(())
    }

    async fn update(&self, _: &Cx<'_>, _: &Spec, _: &Found<Self>, _: &Diff) -> Result<()> {
        Ok(())
    }

    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.delete_twin(cx, &found.id).await
    }

    async fn delete_twin(&self, _: &Cx<'_>, id: &str) -> Result<()> {
        self.aws.ec2.release_address().allocation_id(id).send().await.or_gone("ReleaseAddress")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        tag_ec2(&self.aws, &found.id, tags).await
    }

    async fn holders(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<Vec<Holder>> {
        let has = |n: &&AwsNat| n.nat_gateway_addresses().iter().any(|a| a.allocation_id() == Some(found.id.as_str()));
        let all = listing::nat_gateways(&self.aws).await?;
        if let Some(nat) = all.iter().filter(has).find(|n| !matches!(state(n), "deleted" | "failed")) {
            let state = state(nat);
            let what = format!("NAT gateway {} ({state})", nat.nat_gateway_id().unwrap_or_default());
            return Ok(vec![Holder { what, passes: state == "deleting" }]);
        }
        let all = listing::addresses(&self.aws).await?;
        let at = all.iter().find(|a| a.allocation_id() == Some(found.id.as_str()));
        let at = at.and_then(|a| a.instance_id().filter(|i| !i.is_empty()).or(a.network_interface_id()));
        Ok(at.map(|id| Holder { what: id.into(), passes: false }).into_iter().collect())
    }
}

impl ElasticIp {
    /// Finds the address that the stack's NAT gateway has.
    async fn without_tags(&self, cx: &Cx<'_>) -> Result<Option<Address>> {
        let all = listing::addresses(&self.aws).await?;
        let bare =
            |a: &&Address| a.allocation_id().is_some() && !tags::ec2::from(a.tags()).contains_key(cx.env.keys.stack());
        if !all.iter().any(|a| bare(&a)) {
            return Ok(None);
        }
        let nats = ec2_list!(self.aws, cx, nat_gateways);
        let is_its = |n: &AwsNat| {
            tags::ec2::from(n.tags()).get(cx.env.keys.step()).is_some_and(|s| s == self.gateway.as_str())
                && cx.has_made(self.gateway.as_str(), n.nat_gateway_id().unwrap_or_default())
        };
        let its: Vec<&str> = nats
            .iter()
            .filter(|n| is_its(n) && exists(n))
            .flat_map(|n| n.nat_gateway_addresses())
            .filter_map(|a| a.allocation_id())
            .collect();
        untagged(
            cx,
            &all,
            |a| a.tags(),
            |a| a.allocation_id(),
            |a| a.allocation_id().is_some_and(|id| its.contains(&id)),
        )
    }
}
