//! An Application Load Balancer.
//!
//! References need only its ARN. The wait until it is active, about three minutes, is a step of its own.
use super::{elb, prelude::*, security_group::SecurityGroup, subnet::Subnet};
use crate::aws::words::elb::balancer_name;
use aws_sdk_elasticloadbalancingv2::types::{
    LoadBalancer as AwsBalancer, LoadBalancerAttribute, LoadBalancerSchemeEnum, LoadBalancerTypeEnum,
};
use std::cell::Cell;

/// The wanted load balancer.
pub struct LoadBalancer {
    pub aws: Aws,
    /// True for private addresses only.
    pub internal: bool,
    /// At least two subnets in different zones. Without `internal` their VPC needs an internet gateway first.
    pub subnets: Vec<Ref<Subnet>>,
    pub groups: Vec<Ref<SecurityGroup>>,
    /// Seconds after which a connection without traffic is closed.
    pub idle_timeout: u32,
    /// The DNS name that points at the balancer. A tag keeps it, since records have none.
    pub named: Option<String>,
}

/// The managed fields of a load balancer.
#[derive(Serialize)]
pub struct Spec {
    scheme: String,
    subnets: Known<Vec<String>>,
    groups: Known<Vec<String>>,
    idle_timeout: String,
    /// True if headers are dropped whose names have characters other than letters, digits and hyphens.
    drop_invalid_headers: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    named: Option<String>,
    /// Never wanted, because `teardown` asks by itself. Protection added by somebody else stays.
    #[serde(skip)]
    protected: bool,
}

/// The values of a load balancer that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub arn: String,
    pub dns_name: String,
    /// The Route 53 zone of the DNS name, for aliases.
    pub zone_id: Option<String>,
    /// The name in CloudWatch: `app/name/id`.
    pub metric: String,
}

const IDLE_TIMEOUT: &str = "idle_timeout.timeout_seconds";
const DROP_INVALID_HEADERS: &str = "routing.http.drop_invalid_header_fields.enabled";
const PROTECTED: &str = "deletion_protection.enabled";

impl Resource for LoadBalancer {
    const KIND: &'static str = "load-balancer";
    const FIXED: &'static [&'static str] = &["scheme"];
    // ELB looks at the network with the caller's permissions.
    const ACTIONS: &'static [&'static str] = &[
        "ec2:DescribeAccountAttributes",
        "ec2:DescribeAddresses",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:CreateLoadBalancer",
        "elasticloadbalancing:DeleteLoadBalancer",
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:ModifyLoadBalancerAttributes",
        "elasticloadbalancing:SetSecurityGroups",
        "elasticloadbalancing:SetSubnets",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            scheme: self.scheme().as_str().into(),
            subnets: inputs.read_all(&self.subnets, |s| s.id.clone()).map(sorted),
            groups: inputs.read_all(&self.groups, |g| g.id.clone()).map(sorted),
            idle_timeout: self.idle_timeout.to_string(),
            drop_invalid_headers: true,
            named: self.named.clone(),
            protected: false,
        }
    }
    fn is_protected(&self, found: &Found<Self>) -> bool {
        found.spec.protected
    }
    fn typical(&self) -> Typical {
        Typical::secs(3, 2, 20)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(balancer) = elb::balancer(&self.aws, &cx.name()).await? else { return Ok(None) };
        let arn = balancer.load_balancer_arn().unwrap_or_default().to_owned();
        let tags = elb::tags_of(&self.aws, cx, vec![arn.clone()]);
        let (tags, attributes) = futures::try_join!(tags, listing::balancer_attributes(&self.aws, &arn))?;
        let (Some(tags), Some(attributes)) = (tags.get(&arn), attributes) else {
            return Ok(None);
        };
        let attribute = |key| attributes.iter().find(|a| a.key() == Some(key)).and_then(|a| a.value());
        let subnets = balancer.availability_zones().iter().filter_map(|z| z.subnet_id()).map(Into::into);
        Ok(Some(Found {
            spec: Spec {
                scheme: balancer.scheme().map(|s| s.as_str()).unwrap_or_default().into(),
                subnets: Known::Now(sorted(subnets.collect())),
                groups: Known::Now(sorted(balancer.security_groups().to_vec())),
                idle_timeout: attribute(IDLE_TIMEOUT).unwrap_or_default().into(),
                drop_invalid_headers: attribute(DROP_INVALID_HEADERS) == Some("true"),
                // Earlier names stay: their records can still exist.
                named: self.named.clone().filter(|name| names_in(&cx.env.keys.other(DNS), tags).any(|one| one == name)),
                protected: attribute(PROTECTED) == Some("true"),
            },
            output: Some(Output {
                dns_name: balancer.dns_name().unwrap_or_default().into(),
                zone_id: balancer.canonical_hosted_zone_id().map(Into::into),
                metric: elb::tail(&arn, "loadbalancer/").into(),
                arn: arn.clone(),
            }),
            phase: match phase(&balancer) {
                Phase::Busy(word) if word == "provisioning" => Phase::Ready,
                other => other,
            },
            tags: tags.clone(),
            id: arn,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let made = self
            .aws
            .elb
            .create_load_balancer()
            .name(cx.name())
            .r#type(LoadBalancerTypeEnum::Application)
            .scheme(self.scheme())
            .set_subnets(Some(want.subnets.get()?.clone()))
            .set_security_groups(Some(want.groups.get()?.clone()))
            .set_tags(Some(tags::elb::to(&self.tags(cx))))
            .send()
            .await
            .during("CreateLoadBalancer")?;
        let arn = expect_id(made.load_balancers().first().and_then(|b| b.load_balancer_arn()), "CreateLoadBalancer")?;
        cx.note_created(arn);
        self.set_attributes(arn, want).await.map_err(half_made)
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        let elb = &self.aws.elb;
        // First, so that no record is ever made whose name the tag lacks.
        if let Some(name) = self.named.as_ref().filter(|_| diff.touches("named")) {
            let key = cx.env.keys.other(DNS);
            let value = with_name(names_in(&key, &found.tags), name);
            elb::tag(&self.aws, &found.id, &[(key, value)].into()).await?;
        }
        if diff.touches("groups") {
            let groups = Some(want.groups.get()?.clone());
            let call = elb.set_security_groups().load_balancer_arn(&found.id).set_security_groups(groups);
            call.send().await.during("SetSecurityGroups")?;
        }
        if diff.touches("subnets") {
            let subnets = Some(want.subnets.get()?.clone());
            let call = elb.set_subnets().load_balancer_arn(&found.id).set_subnets(subnets);
            call.send().await.during("SetSubnets")?;
        }
        if diff.touches("idle_timeout") || diff.touches("drop_invalid_headers") {
            self.set_attributes(&found.id, want).await?;
        }
        Ok(())
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        // Naming the id confirmed the warning about the protection.
        if found.spec.protected {
            self.modify(&found.id, vec![attribute(PROTECTED, "false")]).await?;
        }
        let call = self.aws.elb.delete_load_balancer().load_balancer_arn(&found.id);
        call.send().await.or_gone("DeleteLoadBalancer")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        elb::tag(&self.aws, &found.id, tags).await
    }
}

/// The end of the key of the tag that keeps the DNS names.
pub(crate) const DNS: &str = "dns";

/// The most characters of a tag's value.
const TAG_HOLDS: usize = 256;

/// Returns the DNS names that a balancer's tag keeps.
pub(crate) fn names_in<'t>(key: &str, tags: &'t Tags) -> impl Iterator<Item = &'t str> {
    tags.get(key).map(String::as_str).unwrap_or_default().split_ascii_whitespace()
}

/// Returns the value of the tag with one more name. The oldest names make room.
fn with_name<'t>(before: impl Iterator<Item = &'t str>, name: &'t str) -> String {
    let mut all: Vec<&str> = before.filter(|one| *one != name).chain([name]).collect();
    while all.len() > 1 && all.join(" ").len() > TAG_HOLDS {
        all.remove(0);
    }
    all.join(" ")
}

impl LoadBalancer {
    fn tags(&self, cx: &Cx<'_>) -> Tags {
        let named = self.named.iter().map(|name| (cx.env.keys.other(DNS), name.clone()));
        cx.tags().into_iter().chain(named).collect()
    }

    fn scheme(&self) -> LoadBalancerSchemeEnum {
        if self.internal { LoadBalancerSchemeEnum::Internal } else { LoadBalancerSchemeEnum::InternetFacing }
    }

    async fn set_attributes(&self, arn: &str, want: &Spec) -> Result<()> {
        let drop = if want.drop_invalid_headers { "true" } else { "false" };
        let attributes = vec![attribute(IDLE_TIMEOUT, &want.idle_timeout), attribute(DROP_INVALID_HEADERS, drop)];
        self.modify(arn, attributes).await
    }

    async fn modify(&self, arn: &str, attributes: Vec<LoadBalancerAttribute>) -> Result<()> {
        let call = self.aws.elb.modify_load_balancer_attributes().load_balancer_arn(arn);
        call.set_attributes(Some(attributes)).send().await.during("ModifyLoadBalancerAttributes").map(drop)
    }
}

fn attribute(key: &str, value: &str) -> LoadBalancerAttribute {
    LoadBalancerAttribute::builder().key(key).value(value).build()
}

fn phase(balancer: &AwsBalancer) -> Phase {
    let state = balancer.state();
    match state.and_then(|s| s.code()).map(|c| c.as_str()) {
        // An impaired balancer works, but lacks the addresses to grow.
        Some("active" | "active_impaired") => Phase::Ready,
        Some("failed") => Phase::Broken(state.and_then(|s| s.reason()).unwrap_or("failed").into()),
        other => Phase::Busy(other.unwrap_or("provisioning").into()),
    }
}

/// The wait until a balancer is active. It has no AWS object of its own.
pub struct ActiveLoadBalancer {
    aws: Aws,
    balancer: Ref<LoadBalancer>,
    /// True after a delete: the balancer disappears later.
    dropped: Cell<bool>,
}

impl ActiveLoadBalancer {
    pub fn new(aws: Aws, balancer: Ref<LoadBalancer>) -> Self {
        Self { aws, balancer, dropped: Cell::new(false) }
    }
}

/// The managed fields of the wait.
#[derive(Serialize)]
pub struct ActiveSpec {
    balancer: Known<String>,
}

/// The values of an active balancer that other steps can read.
#[derive(Clone, Serialize)]
pub struct ActiveOutput {
    pub dns_name: String,
}

impl Resource for ActiveLoadBalancer {
    const KIND: &'static str = "load-balancer-active";
    const OF_PARENT: bool = true;
    const ACTIONS: &'static [&'static str] = &["elasticloadbalancing:DescribeLoadBalancers"];
    type Spec = ActiveSpec;
    type Output = ActiveOutput;

    fn spec(&self, inputs: &Inputs) -> ActiveSpec {
        ActiveSpec { balancer: inputs.read(&self.balancer, |b| b.arn.clone()) }
    }
    fn typical(&self) -> Typical {
        Typical::secs(165, 1, 0)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(arn) = cx.read(&self.balancer, |b| b.arn.clone()).now() else { return Ok(None) };
        if self.dropped.get() {
            return Ok(None);
        }
        // The lookup is by name, like the balancer's own, so one call serves both.
        let balancer = elb::balancer(&self.aws, balancer_name(&arn)).await?;
        let Some(balancer) = balancer.filter(|b| b.load_balancer_arn() == Some(&arn)) else {
            return Ok(None);
        };
        Ok(Some(Found {
            spec: ActiveSpec { balancer: Known::Now(arn.clone()) },
            output: Some(ActiveOutput { dns_name: balancer.dns_name().unwrap_or_default().into() }),
            phase: phase(&balancer),
            tags: cx.inherited(),
            id: arn,
        }))
    }

    async fn create(&self, _: &Cx<'_>, _: &ActiveSpec) -> Result<()> {
        self.dropped.set(false);
        Ok(())
    }

    async fn update(&self, _: &Cx<'_>, _: &ActiveSpec, _: &Found<Self>, _: &Diff) -> Result<()> {
        Ok(())
    }

    async fn delete(&self, _: &Cx<'_>, _: &Found<Self>) -> Result<()> {
        self.dropped.set(true);
        Ok(())
    }
}
