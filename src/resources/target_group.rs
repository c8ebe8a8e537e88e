//! A target group: the instances behind a balancer and their health checks.
use super::{elb, prelude::*, vpc::Vpc};
use aws_sdk_elasticloadbalancingv2::types::{Matcher, ProtocolEnum, TargetGroupAttribute, TargetTypeEnum};

/// The wanted target group.
pub struct TargetGroup {
    pub aws: Aws,
    pub vpc: Ref<Vpc>,
    /// The port on which the instances listen.
    pub port: u16,
    pub health_path: String,
    /// HTTP codes of a healthy answer: `200`, `200,204` or `200-299`, within 200-499.
    pub health_codes: String,
    /// Seconds between two checks, from 5 to 300.
    pub health_interval: u32,
}

/// The managed fields of a target group.
#[derive(Serialize)]
pub struct Spec {
    vpc: Known<String>,
    protocol: String,
    port: i32,
    target_type: String,
    health: Health,
    /// The way to choose a target. With few connections per target, it is the one with the fewest open requests.
    algorithm: String,
    deregistration_delay: String,
    /// Always off, because a returning client would keep a busy target.
    stickiness: bool,
}

#[derive(Serialize)]
struct Health {
    protocol: String,
    port: String,
    path: String,
    codes: String,
    interval: i32,
    timeout: i32,
    healthy: i32,
    unhealthy: i32,
}

/// The values of a target group that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub arn: String,
    /// The name in CloudWatch: `targetgroup/name/id`.
    pub metric: String,
}

/// The health check uses the port of the requests.
const WHERE_IT_LISTENS: &str = "traffic-port";
const ALGORITHM: &str = "load_balancing.algorithm.type";
const STICKY: &str = "stickiness.enabled";
const DELAY: &str = "deregistration_delay.timeout_seconds";

impl Resource for TargetGroup {
    const KIND: &'static str = "target-group";
    const FIXED: &'static [&'static str] = &["vpc", "protocol", "port", "target_type"];
    const PATIENCE: Duration = Duration::from_secs(120);
    // ELB looks at the network with the caller's permissions.
    const ACTIONS: &'static [&'static str] = &[
        "ec2:DescribeInternetGateways",
        "ec2:DescribeVpcs",
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:CreateTargetGroup",
        "elasticloadbalancing:DeleteRule",
        "elasticloadbalancing:DeleteTargetGroup",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeRules",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:ModifyTargetGroup",
        "elasticloadbalancing:ModifyTargetGroupAttributes",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        let interval = self.health_interval as i32;
        Spec {
            vpc: inputs.read(&self.vpc, |v| v.id.clone()),
            protocol: ProtocolEnum::Http.as_str().into(),
            port: self.port.into(),
            target_type: TargetTypeEnum::Instance.as_str().into(),
            health: Health {
                protocol: ProtocolEnum::Http.as_str().into(),
                port: WHERE_IT_LISTENS.into(),
                path: self.health_path.clone(),
                codes: self.health_codes.clone(),
                interval,
                timeout: (interval - 1).min(5),
                healthy: 2,
                unhealthy: 3,
            },
            algorithm: "least_outstanding_requests".into(),
            deregistration_delay: "15".into(),
            stickiness: false,
        }
    }
    fn typical(&self) -> Typical {
        Typical::secs(1, 1, 1)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(group) = listing::target_group(&self.aws, &cx.name()).await? else { return Ok(None) };
        let arn = group.target_group_arn().unwrap_or_default().to_owned();
        let tags = elb::tags_of(&self.aws, cx, vec![arn.clone()]);
        let (tags, attributes) = futures::try_join!(tags, listing::target_group_attributes(&self.aws, &arn))?;
        let (Some(tags), Some(attributes)) = (tags.get(&arn), attributes) else {
            return Ok(None);
        };
        let attribute = |key| {
            let value = attributes.iter().find(|a| a.key() == Some(key)).and_then(|a| a.value());
            value.unwrap_or_default().to_owned()
        };
        Ok(Some(Found {
            spec: Spec {
                vpc: Known::Now(group.vpc_id().unwrap_or_default().into()),
                protocol: group.protocol().map(|p| p.as_str()).unwrap_or_default().into(),
                port: group.port().unwrap_or_default(),
                target_type: group.target_type().map(|t| t.as_str()).unwrap_or_default().into(),
                health: Health {
                    protocol: group.health_check_protocol().map(|p| p.as_str()).unwrap_or_default().into(),
                    port: group.health_check_port().unwrap_or_default().into(),
                    path: group.health_check_path().unwrap_or_default().into(),
                    codes: group.matcher().and_then(|m| m.http_code()).unwrap_or_default().into(),
                    interval: group.health_check_interval_seconds().unwrap_or_default(),
                    timeout: group.health_check_timeout_seconds().unwrap_or_default(),
                    healthy: group.healthy_threshold_count().unwrap_or_default(),
                    unhealthy: group.unhealthy_threshold_count().unwrap_or_default(),
                },
                algorithm: attribute(ALGORITHM),
                deregistration_delay: attribute(DELAY),
                stickiness: attribute(STICKY) == "true",
            },
            output: Some(Output { metric: arn.rsplit(':').next().unwrap_or_default().into(), arn: arn.clone() }),
            phase: Phase::Ready,
            tags: tags.clone(),
            id: arn,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let health = &want.health;
        let made = self
            .aws
            .elb
            .create_target_group()
            .name(cx.name())
            .vpc_id(want.vpc.get()?)
            .protocol(ProtocolEnum::Http)
            .port(want.port)
            .target_type(TargetTypeEnum::Instance)
            .health_check_protocol(ProtocolEnum::Http)
            .health_check_port(&health.port)
            .health_check_path(&health.path)
            .matcher(Matcher::builder().http_code(&health.codes).build())
            .health_check_interval_seconds(health.interval)
            .health_check_timeout_seconds(health.timeout)
            .healthy_threshold_count(health.healthy)
            .unhealthy_threshold_count(health.unhealthy)
            .set_tags(Some(tags::elb::to(&cx.tags())))
            .send()
            .await
            .during("CreateTargetGroup")?;
        let arn = expect_id(made.target_groups().first().and_then(|g| g.target_group_arn()), "CreateTargetGroup")?;
        cx.note_created(arn);
        self.set_attributes(arn, want).await.map_err(half_made)
    }

    async fn update(&self, _: &Cx<'_>, want: &Spec, found: &Found<Self>, diff: &Diff) -> Result<()> {
        if diff.touches("health") {
            let health = &want.health;
            self.aws
                .elb
                .modify_target_group()
                .target_group_arn(&found.id)
                .health_check_protocol(ProtocolEnum::Http)
                .health_check_port(&health.port)
                .health_check_path(&health.path)
                .matcher(Matcher::builder().http_code(&health.codes).build())
                .health_check_interval_seconds(health.interval)
                .health_check_timeout_seconds(health.timeout)
                .healthy_threshold_count(health.healthy)
                .unhealthy_threshold_count(health.unhealthy)
                .send()
                .await
                .during("ModifyTargetGroup")?;
        }
        if diff.only(&["health", "tags"]) { Ok(()) } else { self.set_attributes(&found.id, want).await }
    }

    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        // The name is unique, so the old group cannot exist next to its successor. Requests are answered with 404 until
        // the successor is created and the listener's own step forwards to it.
        if cx.env.consent.replaces(cx.key) {
            self.detach_listeners(cx, &found.id).await?;
        }
        let call = self.aws.elb.delete_target_group().target_group_arn(&found.id);
        call.send().await.or_gone("DeleteTargetGroup")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        elb::tag(&self.aws, &found.id, tags).await
    }

    /// Returns the rules, including a listener's default one, that forward to the group.
    async fn holders(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<Vec<Holder>> {
        let group = listing::target_group(&self.aws, &cx.name()).await?;
        let mut holders = vec![];
        for balancer in group.iter().flat_map(|g| g.load_balancer_arns()) {
            for listener in elb::listeners(&self.aws, balancer).await?.iter() {
                let listener = listener.listener_arn().unwrap_or_default();
                for rule in elb::rules(&self.aws, listener).await?.iter() {
                    if elb::describe_actions(rule.actions()).to_string().contains(&found.id) {
                        let what = rule.rule_arn().unwrap_or(listener).to_owned();
                        holders.push(Holder { what, passes: false });
                    }
                }
            }
        }
        Ok(holders)
    }
}

impl TargetGroup {
    /// Makes the listeners answer 404 instead.
    async fn detach_listeners(&self, cx: &Cx<'_>, arn: &str) -> Result<()> {
        let group = listing::target_group(&self.aws, &cx.name()).await?;
        for balancer in group.iter().flat_map(|g| g.load_balancer_arns()) {
            for listener in elb::listeners(&self.aws, balancer).await?.iter() {
                let listener = listener.listener_arn().unwrap_or_default();
                for rule in elb::rules(&self.aws, listener).await?.iter() {
                    if !elb::describe_actions(rule.actions()).to_string().contains(arn) {
                        continue;
                    }
                    if rule.is_default() == Some(true) {
                        let call = self.aws.elb.modify_listener().listener_arn(listener);
                        call.default_actions(elb::Answer::NotFound.action()).send().await.or_gone("ModifyListener")?;
                    } else {
                        let call = self.aws.elb.delete_rule().rule_arn(expect_id(rule.rule_arn(), "DescribeRules")?);
                        call.send().await.or_gone("DeleteRule")?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn set_attributes(&self, arn: &str, want: &Spec) -> Result<()> {
        let pair = |key: &str, value: &str| TargetGroupAttribute::builder().key(key).value(value).build();
        self.aws
            .elb
            .modify_target_group_attributes()
            .target_group_arn(arn)
            .attributes(pair(ALGORITHM, &want.algorithm))
            .attributes(pair(DELAY, &want.deregistration_delay))
            .attributes(pair(STICKY, if want.stickiness { "true" } else { "false" }))
            .send()
            .await
            .during("ModifyTargetGroupAttributes")
            .map(drop)
    }
}
