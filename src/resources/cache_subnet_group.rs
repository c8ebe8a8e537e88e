//! The subnets into which ElastiCache can put the cache's nodes.
use super::prelude::*;
use super::subnet::Subnet;

/// The wanted cache subnet group.
pub struct CacheSubnetGroup {
    pub aws: Aws,
    pub subnets: Vec<Ref<Subnet>>,
}

/// The managed fields of a cache subnet group.
#[derive(Serialize)]
pub struct Spec {
    subnets: Known<Vec<String>>,
}

/// The values of a cache subnet group that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub name: String,
}

impl Resource for CacheSubnetGroup {
    const KIND: &'static str = "cache-subnet-group";
    const ACTIONS: &'static [&'static str] = &[
        "elasticache:DescribeCacheSubnetGroups",
        "elasticache:DescribeCacheClusters",
        "elasticache:ListTagsForResource",
        "elasticache:CreateCacheSubnetGroup",
        "elasticache:ModifyCacheSubnetGroup",
        "elasticache:DeleteCacheSubnetGroup",
        "elasticache:AddTagsToResource",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec { subnets: inputs.read_all(&self.subnets, |o| o.id.clone()).map(sorted) }
    }
    fn typical(&self) -> Typical {
        Typical::secs(2, 2, 2)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let name = cx.name();
        let Some(group) = listing::cache_subnet_group(&self.aws, &name).await? else { return Ok(None) };
        let Some(tags) = tags::of_elasticache(&self.aws, cx, group.arn().unwrap_or_default()).await? else {
            return Ok(None);
        };
        let subnets = group.subnets().iter().filter_map(|s| s.subnet_identifier().map(Into::into));
        Ok(Some(Found {
            spec: Spec { subnets: Known::Now(sorted(subnets.collect())) },
            output: Some(Output { name: name.clone() }),
            phase: Phase::Ready,
            tags,
            id: name,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        self.aws
            .elasticache
            .create_cache_subnet_group()
            .cache_subnet_group_name(cx.name())
            .cache_subnet_group_description(format!("{} of stack {}", cx.key, cx.env.stack))
            .set_subnet_ids(Some(want.subnets.get()?.clone()))
            .set_tags(Some(tags::elasticache::to(&cx.tags())))
            .send()
            .await
            .during("CreateCacheSubnetGroup")?;
        Ok(())
    }

    async fn update(&self, _: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        let call = self.aws.elasticache.modify_cache_subnet_group().cache_subnet_group_name(&found.id);
        let call = call.set_subnet_ids(Some(want.subnets.get()?.clone()));
        call.send().await.during("ModifyCacheSubnetGroup").map(drop)
    }

    /// Fails with `CacheSubnetGroupInUse` until the cache is completely gone [AWS 2.3].
    async fn delete(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        let call = self.aws.elasticache.delete_cache_subnet_group().cache_subnet_group_name(&found.id);
        call.send().await.or_gone("DeleteCacheSubnetGroup")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        let Some(group) = listing::cache_subnet_group(&self.aws, &found.id).await? else { return Ok(()) };
        tags::put_elasticache(&self.aws, expect_id(group.arn(), "DescribeCacheSubnetGroups")?, tags).await
    }

    async fn holders(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<Vec<Holder>> {
        let all = listing::cache_nodes(&self.aws).await?;
        let mine = all.iter().filter(|n| n.cache_subnet_group_name() == Some(&found.id));
        let holder = |n: &aws_sdk_elasticache::types::CacheCluster| Holder {
            what: format!("cache node {}", n.cache_cluster_id().unwrap_or_default()),
            passes: n.cache_cluster_status() == Some("deleting"),
        };
        Ok(mine.map(holder).collect())
    }
}
