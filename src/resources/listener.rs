//! A listener of a balancer: its port, and the action for requests that match no rule.
use super::{
    certificate::Certificate,
    elb::{self, Answer},
    load_balancer::LoadBalancer,
    prelude::*,
    target_group::TargetGroup,
};
use aws_sdk_elasticloadbalancingv2::types::{Action, Certificate as AwsCertificate, ProtocolEnum};

/// The wanted listener.
pub struct Listener {
    pub aws: Aws,
    pub balancer: Ref<LoadBalancer>,
    /// The target group of requests. `None` answers them with 404.
    pub target: Option<Ref<TargetGroup>>,
    /// True if requests that match no rule are answered with 403, because a rule of their own forwards those that
    /// CloudFront sends.
    pub closed: bool,
    pub port: u16,
    /// The certificate of HTTPS. `None`: HTTP.
    pub certificate: Option<Ref<Certificate>>,
    /// The number of healthy targets that a group needs before it replaces another serving group.
    pub enough: i32,
}

/// The managed fields of a listener.
#[derive(Serialize)]
pub struct Spec {
    balancer: Known<String>,
    protocol: String,
    port: i32,
    default: Known<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Known<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    security_policy: Option<String>,
}

/// The security policy of HTTPS: TLS 1.2 and 1.3, with forward secrecy. It is what the console proposes.
const SECURITY_POLICY: &str = "ELBSecurityPolicy-TLS13-1-2-2021-06";

/// The values of a listener that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub arn: String,
}

impl Resource for Listener {
    const KIND: &'static str = "listener";
    const OF_PARENT: bool = true;
    const FIXED: &'static [&'static str] = &["balancer"];
    const DISPOSABLE: bool = true;
    const STAGED: bool = true;
    /// Long enough for instances to boot and pass their health checks.
    const PATIENCE: Duration = Duration::from_secs(900);
    const ACTIONS: &'static [&'static str] = &[
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:CreateListener",
        "elasticloadbalancing:DeleteListener",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetHealth",
        "elasticloadbalancing:ModifyListener",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        // A closed listener forwards to it until the distribution is deployed.
        let target = self.target.as_ref().map(|target| inputs.read(target, |t| t.arn.clone()));
        Spec {
            balancer: inputs.read(&self.balancer, |b| b.arn.clone()),
            protocol: self.protocol().as_str().into(),
            port: self.port.into(),
            default: match (self.closed, target) {
                (true, _) => Known::Now(Answer::Refused.to_string()),
                (false, Some(target)) => elb::describe_target(target),
                (false, None) => Known::Now(Answer::NotFound.to_string()),
            },
            certificate: self.certificate.as_ref().map(|c| inputs.read(c, |c| c.arn.clone())),
            security_policy: self.certificate.as_ref().map(|_| SECURITY_POLICY.into()),
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
        // The rules are always needed after the listener.
        let rules = async || {
            for arn in all.iter().filter_map(|l| l.listener_arn()) {
                _ = elb::rules(&self.aws, arn).await;
            }
        };
        let (one, ()) = futures::join!(pick, rules());
        let one = one?;
        let Some((listener, tags)) = one else { return Ok(None) };
        let arn = listener.listener_arn().unwrap_or_default().to_owned();
        let target = self.target.as_ref().and_then(|t| cx.read(t, |t| t.arn.clone()).now());
        let waits = self.handover().waits(listener.default_actions(), target.as_deref()).await?;
        Ok(Some(Found {
            spec: Spec {
                balancer: Known::Now(balancer),
                protocol: listener.protocol().map(|p| p.as_str()).unwrap_or_default().into(),
                port: listener.port().unwrap_or_default(),
                default: elb::describe_actions(listener.default_actions()),
                certificate: listener.certificates().first().and_then(|c| c.certificate_arn.clone()).map(Known::Now),
                security_policy: listener
                    .ssl_policy
                    .clone()
                    .filter(|_| listener.protocol() != Some(&ProtocolEnum::Http)),
            },
            output: Some(Output { arn: arn.clone() }),
            phase: waits.map_or(Phase::Ready, Phase::Busy),
            tags,
            id: arn,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        self.aws
            .elb
            .create_listener()
            .load_balancer_arn(want.balancer.get()?)
            .protocol(self.protocol())
            .port(want.port)
            .set_certificates(self.certificates(want)?)
            .set_ssl_policy(want.security_policy.clone())
            .default_actions(self.action(cx, want, &[]).await?)
            .set_tags(Some(tags::elb::to(&cx.tags())))
            .send()
            .await
            .during("CreateListener")
            .map(drop)
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        let all = elb::listeners(&self.aws, want.balancer.get()?).await?;
        let now = all.iter().find(|l| l.listener_arn() == Some(&found.id));
        let now = now.map(|l| l.default_actions()).unwrap_or_default();
        let next = self.action(cx, want, now).await?;
        self.aws
            .elb
            .modify_listener()
            .listener_arn(&found.id)
            .protocol(self.protocol())
            .port(want.port)
            .set_certificates(self.certificates(want)?)
            .set_ssl_policy(want.security_policy.clone())
            .default_actions(next)
            .send()
            .await
            .during("ModifyListener")
            .map(drop)
    }

    /// A listener that forwards is closed once the distribution is deployed, because requests may still come without it.
    fn interim(&self, cx: &Cx<'_>, found: &Found<Self>, mut want: Spec) -> Spec {
        let forwards = found.spec.default.clone().now().is_some_and(|action| action.starts_with(elb::FORWARD));
        if let Some(target) = self.target.as_ref().filter(|_| self.closed && forwards) {
            want.default = elb::describe_target(cx.read(target, |t| t.arn.clone()));
        }
        want
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.aws.elb.delete_listener().listener_arn(&found.id).send().await.or_gone("DeleteListener")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        elb::tag(&self.aws, &found.id, tags).await
    }
}

impl Listener {
    fn protocol(&self) -> ProtocolEnum {
        if self.certificate.is_some() { ProtocolEnum::Https } else { ProtocolEnum::Http }
    }

    /// Returns the list with the default certificate, if the listener has one.
    fn certificates(&self, want: &Spec) -> Result<Option<Vec<AwsCertificate>>> {
        let one = |arn: &String| vec![AwsCertificate::builder().certificate_arn(arn).build()];
        Ok(value(&want.certificate)?.as_ref().map(one))
    }

    /// Returns the next default action on the way from the current ones to the wanted one.
    async fn action(&self, cx: &Cx<'_>, want: &Spec, now: &[Action]) -> Result<Action> {
        match &self.target {
            _ if *want.default.get()? == Answer::Refused.to_string() => Ok(Answer::Refused.action()),
            Some(target) => self.handover().next(now, cx.read(target, |t| t.arn.clone()).get()?).await,
            None => Ok(Answer::NotFound.action()),
        }
    }

    fn handover(&self) -> elb::Handover<'_> {
        elb::Handover { aws: &self.aws, enough: self.enough }
    }
}
