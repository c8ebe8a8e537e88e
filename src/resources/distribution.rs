//! A CloudFront distribution before the load balancer.
//!
//! References need only its name, which is final at once. The wait until it is deployed, some minutes, is a step of its
//! own. CloudFront keeps no names: a distribution is found by its comment, or as the one before the stack's balancer,
//! and its tags say whose it is.
use super::{load_balancer::LoadBalancer, parameter::Parameter, prelude::*, token};
use aws_sdk_cloudfront::types::{DistributionConfig, DistributionSummary};
use std::cell::Cell;

pub use super::distribution_config::Spec;

/// The wanted distribution.
pub struct Distribution {
    pub aws: Aws,
    pub balancer: Ref<LoadBalancer>,
    /// The text by which the distribution is found, from `title`.
    pub comment: String,
    /// The most seconds for which an answer is kept, and the usual number.
    pub ttl: u32,
    /// The query parameters in the cache key; `*` is all of them.
    pub query: Vec<String>,
    /// The headers in the cache key.
    pub headers: Vec<String>,
    /// `PriceClass_100`, `PriceClass_200` or `PriceClass_All`.
    pub price_class: String,
    /// The value of the header by which the balancer recognises its requests, if it has to.
    pub header: Option<Ref<Parameter>>,
}

/// The values of a distribution that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
    pub domain: String,
}

/// The number of distributions that a step can have had before the same balancer.
const REFERENCES: u32 = 20;

/// AWS's word for a distribution that all its places know as it is.
pub(crate) const DEPLOYED: &str = "Deployed";

impl Resource for Distribution {
    const KIND: &'static str = "distribution";
    const OUTLIVES_NEEDS: bool = true;
    // Deploying takes 3 to 15 minutes, whatever has changed [AWS C1].
    const PATIENCE: Duration = Duration::from_secs(1800);
    // The call that creates with tags needs the rights of both [K].
    const ACTIONS: &'static [&'static str] = &[
        "cloudfront:CreateDistribution",
        "cloudfront:DeleteDistribution",
        "cloudfront:GetDistributionConfig",
        "cloudfront:ListDistributions",
        "cloudfront:ListTagsForResource",
        "cloudfront:TagResource",
        "cloudfront:UpdateDistribution",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec::wanted(self, inputs)
    }
    fn typical(&self) -> Typical {
        Typical::secs(3, 3, 440)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some((d, tags)) = self.look(cx).await? else { return Ok(None) };
        // One that is being disabled cannot be deleted yet. Another change can follow at once.
        let is_busy = d.status() != DEPLOYED && !d.enabled();
        Ok(Some(Found {
            spec: Spec::of(&d, cx, self.header.as_ref()),
            output: Some(Output { id: d.id().into(), domain: d.domain_name().into() }),
            phase: if is_busy { Phase::Busy("being disabled".into()) } else { Phase::Ready },
            id: d.id().into(),
            tags,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let (origin, tags) = (want.origin()?, tags::global::with_region(&self.aws, cx.tags()));
        for number in 1.. {
            // The references are the same on every run, so a lost answer does not lead to a second distribution.
            let reference = token(&[&cx.env.stack, cx.key.as_str(), &origin, &number.to_string()]);
            let call = self.aws.cloudfront.create_distribution_with_tags();
            let call = call.distribution_config_with_tags(want.tagged(&reference, tags.clone())?);
            match call.send().await.during("CreateDistribution") {
                // A reference is used up, also that of a distribution that is deleted [AWS C1].
                Err(e) if e.class() == Some(Class::AlreadyExists) && number < REFERENCES => {
                    if self.look(cx).await?.is_some() {
                        return Err(e);
                    }
                }
                answer => {
                    cx.note_created(answer?.distribution().map(|d| d.id()).unwrap_or_default());
                    return Ok(());
                }
            }
        }
        unreachable!("the last reference returns")
    }

    async fn update(&self, _: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        let Some((config, tag)) = self.config(&found.id).await? else { return Ok(()) };
        self.put(&found.id, want.applied_to(config)?, tag).await
    }

    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        let Some((mut config, tag)) = self.config(&found.id).await? else { return Ok(()) };
        // CloudFront deletes only one that is disabled everywhere, which takes as long as any change [AWS C1].
        if config.enabled {
            config.enabled = false;
            self.put(&found.id, config, tag).await?;
            return Err(more_later("UpdateDistribution", "the distribution is being disabled"));
        }
        if matches!(found.phase, Phase::Busy(_)) {
            return Err(more_later("DeleteDistribution", "the distribution is being disabled"));
        }
        let call = self.aws.cloudfront.delete_distribution().id(&found.id).set_if_match(tag);
        call.send().await.or_gone("DeleteDistribution")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        let all = listing::distributions(&self.aws).await?;
        let Some(d) = all.iter().find(|d| d.id() == found.id) else { return Ok(()) };
        let tags = tags::cloudfront::to(&tags::global::with_region(&self.aws, tags.clone()));
        let call = self.aws.cloudfront.tag_resource().resource(d.arn()).tags(tags);
        call.send().await.during("TagResource").map(drop)
    }
}

impl Distribution {
    /// Finds the one distribution of this step, with its tags.
    async fn look(&self, cx: &Cx<'_>) -> Result<Option<(DistributionSummary, Tags)>> {
        let all = listing::distributions(&self.aws).await?;
        let balancer = cx.read(&self.balancer, |b| b.dns_name.clone()).now();
        let named = cx.env.consent.adopt.get(cx.key.as_str());
        let is_candidate = |d: &&DistributionSummary| {
            d.comment() == self.comment || is_before(d, balancer.as_deref()) || named.is_some_and(|id| id == d.id())
        };
        let (mut ours, mut others) = (vec![], vec![]);
        for d in all.iter().filter(is_candidate) {
            let Some(tags) = tags::of_cloudfront(&self.aws, cx, d.arn()).await? else { continue };
            let of = if cx.step_of(&tags) == Some(cx.key.as_str()) { &mut ours } else { &mut others };
            of.push((d.clone(), tags));
        }
        let proven = cx.proven_ids(&ours.iter().map(|(d, _)| d.id()).collect::<Vec<_>>());
        ours.retain(|(d, _)| proven.contains(d.id()));
        let found = if ours.is_empty() { others } else { ours };
        if found.len() > 1 {
            let ids = found.iter().map(|(d, _)| d.id().into()).collect();
            return Err(Error::Ambiguous { key: cx.key.clone(), ids });
        }
        Ok(found.into_iter().next())
    }

    /// Returns the whole configuration and its version, which a change has to name.
    async fn config(&self, id: &str) -> Result<Option<(DistributionConfig, Option<String>)>> {
        let answer = self.aws.cloudfront.get_distribution_config().id(id).send().await;
        let Some(answer) = answer.or_absent("GetDistributionConfig")? else { return Ok(None) };
        Ok(answer.distribution_config.map(|config| (config, answer.e_tag)))
    }

    /// Sends a changed configuration. CloudFront takes only a whole one, and only over the version that was read.
    async fn put(&self, id: &str, config: DistributionConfig, tag: Option<String>) -> Result<()> {
        let call = self.aws.cloudfront.update_distribution().id(id).set_if_match(tag).distribution_config(config);
        call.send().await.during("UpdateDistribution").map(drop)
    }
}

/// Returns the comment by which a distribution is found, at most 128 characters as CloudFront takes.
pub(crate) fn title(stack: &str, step: &str, region: &str) -> String {
    format!("{step} of stack {stack} in {region}")
}

/// True if the distribution asks this balancer.
pub(crate) fn is_before(d: &DistributionSummary, balancer: Option<&str>) -> bool {
    let origins = d.origins().map(|o| o.items()).unwrap_or_default();
    balancer.is_some_and(|name| origins.iter().any(|o| o.domain_name() == name))
}

/// The wait until a distribution is deployed. It has no AWS object of its own.
pub struct DeployedDistribution {
    aws: Aws,
    distribution: Ref<Distribution>,
    /// True after a delete: the distribution disappears later.
    dropped: Cell<bool>,
}

impl DeployedDistribution {
    pub fn new(aws: Aws, distribution: Ref<Distribution>) -> Self {
        Self { aws, distribution, dropped: Cell::new(false) }
    }
}

/// The managed fields of the wait.
#[derive(Serialize)]
pub struct DeployedSpec {
    distribution: Known<String>,
}

/// The output, which is empty because no other step refers to the wait.
#[derive(Clone, Serialize)]
pub struct DeployedOutput {}

impl Resource for DeployedDistribution {
    const KIND: &'static str = "distribution-deployed";
    const OF_PARENT: bool = true;
    const PATIENCE: Duration = Duration::from_secs(1800);
    const ACTIONS: &'static [&'static str] = &["cloudfront:ListDistributions"];
    type Spec = DeployedSpec;
    type Output = DeployedOutput;

    fn spec(&self, inputs: &Inputs) -> DeployedSpec {
        DeployedSpec { distribution: inputs.read(&self.distribution, |d| d.id.clone()) }
    }
    fn typical(&self) -> Typical {
        Typical::secs(240, 240, 0)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(id) = cx.read(&self.distribution, |d| d.id.clone()).now() else { return Ok(None) };
        if self.dropped.get() {
            return Ok(None);
        }
        let all = listing::distributions(&self.aws).await?;
        let Some(d) = all.iter().find(|d| d.id() == id) else { return Ok(None) };
        Ok(Some(Found {
            spec: DeployedSpec { distribution: Known::Now(id.clone()) },
            output: Some(DeployedOutput {}),
            phase: if d.status() == DEPLOYED { Phase::Ready } else { Phase::Busy("being deployed".into()) },
            tags: cx.inherited(),
            id,
        }))
    }

    async fn create(&self, _: &Cx<'_>, _: &DeployedSpec) -> Result<()> {
        self.dropped.set(false);
        Ok(())
    }

    async fn update(&self, _: &Cx<'_>, _: &DeployedSpec, _: &Found<Self>, _: &Diff) -> Result<()> {
        Ok(())
    }

    async fn delete(&self, _: &Cx<'_>, _: &Found<Self>) -> Result<()> {
        self.dropped.set(true);
        Ok(())
    }
}
