//! The gateway between a VPC and the internet, attached.
use super::{holders, prelude::*, vpc::Vpc};
use aws_sdk_ec2::types::{InternetGateway as AwsGateway, ResourceType};

/// The wanted internet gateway.
pub struct InternetGateway {
    pub aws: Aws,
    pub vpc: Ref<Vpc>,
}

/// The managed fields of an internet gateway.
#[derive(Serialize)]
pub struct Spec {
    /// The VPC to which it is attached.
    vpc: Option<Known<String>>,
}

/// The values of an internet gateway that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
}

impl Resource for InternetGateway {
    const KIND: &'static str = "internet-gateway";
    const TWINS: bool = true;
    const PATIENCE: Duration = Duration::from_secs(120);
    const ACTIONS: &'static [&'static str] = &[
        "ec2:AttachInternetGateway",
        "ec2:CreateInternetGateway",
        "ec2:CreateTags",
        "ec2:DeleteInternetGateway",
        "ec2:DescribeInternetGateways",
        "ec2:DetachInternetGateway",
        holders::ACTIONS[0],
        holders::ACTIONS[1],
        holders::ACTIONS[2],
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec { vpc: Some(inputs.read(&self.vpc, |v| v.id.clone())) }
    }
    fn typical(&self) -> Typical {
        Typical::secs(1, 1, 1)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let all = ec2_list!(self.aws, cx, internet_gateways);
        let ours = find_ours(cx, &all, |g| g.tags(), |g| g.internet_gateway_id())?;
        let gateway = match ours {
            None => self.without_tags(cx).await?,
            ours => ours,
        };
        let Some(gateway) = gateway else { return Ok(None) };
        let id = gateway.internet_gateway_id().unwrap_or_default().to_owned();
        let state = |a: &aws_sdk_ec2::types::InternetGatewayAttachment| a.state().map(|s| s.as_str().to_owned());
        let mut attached = gateway.attachments().iter().filter(|a| state(a).as_deref() != Some("detached"));
        let attached = attached.next();
        Ok(Some(Found {
            spec: Spec { vpc: attached.and_then(|a| a.vpc_id()).map(|v| Known::Now(v.into())) },
            output: Some(Output { id: id.clone() }),
            // For an internet gateway AWS says `available` instead of `attached`.
            phase: match attached.and_then(state) {
                Some(word) if word != "available" && word != "attached" => Phase::Busy(word),
                _ => Phase::Ready,
            },
            tags: tags::ec2::from(gateway.tags()),
            id,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let made = self
            .aws
            .ec2
            .create_internet_gateway()
            .tag_specifications(tags::on_create(ResourceType::InternetGateway, &cx.tags()))
            .send()
            .await
            .during("CreateInternetGateway")?;
        let id = expect_id(made.internet_gateway().and_then(|g| g.internet_gateway_id()), "CreateInternetGateway")?;
        cx.note_created(id);
        self.attach(cx, id, want).await.map_err(half_made)
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        self.detach(found).await?;
        self.attach(cx, &found.id, want).await
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.detach(found).await?;
        let call = self.aws.ec2.delete_internet_gateway().internet_gateway_id(&found.id);
        call.send().await.or_gone("DeleteInternetGateway")
    }

    async fn delete_twin(&self, _: &Cx<'_>, id: &str) -> Result<()> {
        let call = self.aws.ec2.delete_internet_gateway().internet_gateway_id(id);
        call.send().await.or_gone("DeleteInternetGateway")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        tag_ec2(&self.aws, &found.id, tags).await
    }

    /// Returns the public addresses in the VPC, which prevent detaching.
    async fn holders(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<Vec<Holder>> {
        let Some(Known::Now(vpc)) = &found.spec.vpc else { return Ok(vec![]) };
        let mut all = holders::interfaces(&self.aws, "vpc-id", vpc).await?;
        all.retain(|eni| eni.association().is_some_and(|a| a.public_ip().is_some()));
        holders::interface_owners(&self.aws, &cx.env.stack, &all).await
    }
}

impl InternetGateway {
    /// Finds the gateway of the VPC. At most one exists.
    async fn without_tags(&self, cx: &Cx<'_>) -> Result<Option<AwsGateway>> {
        let Some(vpc) = cx.read(&self.vpc, |v| v.id.clone()).now() else { return Ok(None) };
        let by = "attachment.vpc-id";
        let there = ec2_where!(self.aws, by, &vpc, describe_internet_gateways, "DescribeInternetGateways", AwsGateway);
        untagged(cx, &there, |g| g.tags(), |g| g.internet_gateway_id(), |_| true)
    }

    async fn attach(&self, cx: &Cx<'_>, id: &str, want: &Spec) -> Result<()> {
        let Some(vpc) = &want.vpc else { return Ok(()) };
        let vpc = vpc.get()?;
        let call = self.aws.ec2.attach_internet_gateway().internet_gateway_id(id).vpc_id(vpc);
        match call.send().await.during("AttachInternetGateway") {
            Err(e) if e.class() == Some(Class::AlreadyExists) => {}
            Err(Error::Aws(e)) if e.message.contains("already has an internet gateway") => {}
            other => return other.map(drop),
        }
        // A gateway is attached: this one, because the call was sent twice, or another one.
        let there = self.aws.ec2.describe_internet_gateways().filters(ec2_filter("attachment.vpc-id", vpc));
        let there = there.send().await.during("DescribeInternetGateways")?;
        let is_this = |g: &AwsGateway| g.internet_gateway_id() == Some(id);
        let other = there.internet_gateways().iter().find(|g| !is_this(g));
        let twin = other.is_some_and(|g| g.tags().iter().any(|t| t.value() == Some(cx.key.as_str())));
        match other.and_then(|g| g.internet_gateway_id()) {
            None => Ok(()),
            // Another run created one at the same moment.
            Some(other) if twin => Err(Error::Ambiguous { key: cx.key.clone(), ids: vec![id.into(), other.into()] }),
            Some(other) => Err(Error::other(
                format!("{vpc} already has an internet gateway, {other}"),
                "detach that one, then run the same command again",
            )),
        }
    }

    async fn detach(&self, found: &Found<Self>) -> Result<()> {
        let Some(Known::Now(vpc)) = &found.spec.vpc else { return Ok(()) };
        let call = self.aws.ec2.detach_internet_gateway().internet_gateway_id(&found.id).vpc_id(vpc);
        call.send().await.or_gone("DetachInternetGateway")
    }
}
