//! Where a balancer listens, and what it does with a request that no rule takes.
use super::{elb, load_balancer::LoadBalancer, prelude::*, target_group::TargetGroup};
use aws_sdk_elasticloadbalancingv2::types::ProtocolEnum;

pub struct Listener {
    pub aws: Aws,
    pub balancer: Ref<LoadBalancer>,
    /// Where requests go; `None`: they are answered with 404.
    pub target: Option<Ref<TargetGroup>>,
    pub port: u16,
}

#[derive(Serialize)]
pub struct Spec {
    balancer: Known<String>,
    protocol: String,
    port: i32,
    default: Known<String>,
}

#[derive(Clone, Serialize)]
pub struct Output {
    pub arn: String,
}

impl Resource for Listener {
    const KIND: &'static str = "listener";
    const FIXED: &'static [&'static str] = &["balancer"];
    const DISPOSABLE: bool = true;
    const PATIENCE: Duration = Duration::from_secs(120);
    const ACTIONS: &'static [&'static str] = &[
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:CreateListener",
        "elasticloadbalancing:DeleteListener",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:ModifyListener",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec {
            balancer: inputs.read(&self.balancer, |b| b.arn.clone()),
            protocol: ProtocolEnum::Http.as_str().into(),
            port: self.port.into(),
            default: elb::said(self.target.as_ref().map(|t| inputs.read(t, |t| t.arn.clone()))),
        }
    }
    fn typical(&self) -> Typical {
        Typical::secs(1, 1, 1)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(balancer) = cx.read(&self.balancer, |b| b.arn.clone()).now() else { return Ok(None) };
        let all = elb::listeners(&self.aws, &balancer).await?;
        let on_port = |port: Option<i32>| port == Some(self.port.into());
        let pick = elb::pick(&self.aws, cx, &all, |l| l.listener_arn(), |l| on_port(l.port()));
        // Whoever looks at a listener looks at its rules next.
        let rules = async || {
            for arn in all.iter().filter_map(|l| l.listener_arn()) {
                _ = elb::rules(&self.aws, arn).await;
            }
        };
        let (one, ()) = futures::join!(pick, rules());
        let one = one?;
        let Some((listener, tags)) = one else { return Ok(None) };
        let arn = listener.listener_arn().unwrap_or_default().to_owned();
        Ok(Some(Found {
            spec: Spec {
                balancer: Known::Now(balancer),
                protocol: listener.protocol().map(|p| p.as_str()).unwrap_or_default().into(),
                port: listener.port().unwrap_or_default(),
                default: elb::shown(listener.default_actions()),
            },
            output: Some(Output { arn: arn.clone() }),
            phase: Phase::Ready,
            tags,
            id: arn,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        self.aws
            .elb
            .create_listener()
            .load_balancer_arn(want.balancer.get()?)
            .protocol(ProtocolEnum::Http)
            .port(want.port)
            .default_actions(self.default(cx)?)
            .set_tags(Some(tags::elb::to(&cx.tags())))
            .send()
            .await
            .during("CreateListener")
            .map(drop)
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        self.aws
            .elb
            .modify_listener()
            .listener_arn(&found.id)
            .protocol(ProtocolEnum::Http)
            .port(want.port)
            .default_actions(self.default(cx)?)
            .send()
            .await
            .during("ModifyListener")
            .map(drop)
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.aws.elb.delete_listener().listener_arn(&found.id).send().await.or_gone("DeleteListener")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        elb::tag(&self.aws, &found.id, tags).await
    }
}

impl Listener {
    fn default(&self, cx: &Cx<'_>) -> Result<aws_sdk_elasticloadbalancingv2::types::Action> {
        let target = self.target.as_ref().map(|t| cx.read(t, |t| t.arn.clone()));
        Ok(elb::action(target.as_ref().map(|t| t.get()).transpose()?.map(String::as_str)))
    }
}
