//! The distribution before the balancer.
use super::compute_support::{REGION, World};
use aws_sdk_cloudfront::types::{CustomHeaders, DistributionConfig, OriginCustomHeader};
use gameday::{
    engine::{Graph, Ref},
    resources::{
        distribution::{DeployedDistribution, Distribution},
        internet_gateway::InternetGateway,
        load_balancer::LoadBalancer,
        parameter::Parameter,
        security_group::SecurityGroup,
        subnet::Subnet,
        vpc::Vpc,
    },
};

type Test = Result<(), Box<dyn std::error::Error>>;

const KEY: &str = "distribution/main";
const DEPLOYED: &str = "distribution-deployed/main";

/// Returns a balancer with a distribution before it.
fn edge(w: &World, ttl: u32, query: &[&str], headers: &[&str]) -> Graph {
    edge_with(w, ttl, query, headers, false)
}

/// Returns the same, whose distribution sends a header if `is_recognised`.
fn edge_with(w: &World, ttl: u32, query: &[&str], headers: &[&str], is_recognised: bool) -> Graph {
    let (mut g, aws) = (Graph::default(), || w.aws.clone());
    let vpc = g.add("main", Vpc { aws: aws(), cidr: "10.0.0.0/16".into(), existing: None });
    let gateway = g.add("main", InternetGateway { aws: aws(), vpc: vpc.clone() });
    let mut subnet = |zone: &str, cidr: &str| {
        let (cidr, zone) = (cidr.into(), format!("{REGION}{zone}"));
        let name = format!("public-{}", &zone[REGION.len()..]);
        g.add(&name, Subnet { aws: aws(), vpc: vpc.clone(), cidr, zone, public: true, existing: None })
    };
    let subnets: Vec<Ref<Subnet>> = vec![subnet("a", "10.0.0.0/24"), subnet("b", "10.0.1.0/24")];
    let group = g.add("alb", SecurityGroup { aws: aws(), vpc, description: "load balancer".into() });
    let balancer =
        LoadBalancer { aws: aws(), subnets, groups: vec![group], internal: false, idle_timeout: 60, named: None };
    let balancer = g.add_after("main", balancer, &[gateway.key()]);
    let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect();
    let path = "/gameday/demo/cdn-header".into();
    let parameter = Parameter { aws: aws(), path, existing: false, reveal: true };
    let distribution = Distribution {
        aws: aws(),
        header: is_recognised.then(|| g.add("cdn-header", parameter)),
        balancer,
        comment: "distribution/main of stack demo".into(),
        ttl,
        query: texts(query),
        headers: texts(headers),
        price_class: "PriceClass_100".into(),
    };
    let distribution = g.add("main", distribution);
    g.add("main", DeployedDistribution::new(aws(), distribution));
    g
}

/// Builds the network and the balancer, if they do not exist, so that the distribution can refer to them.
async fn with_balancer(w: &World, g: Graph) -> Graph {
    for node in g.nodes().filter(|n| !n.key().kind().starts_with("distribution")) {
        node.reconcile(&w.env).await.unwrap_or_else(|e| panic!("{}: {e}", node.key()));
    }
    g
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_distribution_is_kept_as_described() -> Test {
    let w = World::new().await;
    let g = with_balancer(&w, edge(&w, 60, &["*"], &[])).await;
    w.creates(&g, KEY).await;
    w.stands(&g, DEPLOYED).await;
    let id = w.look(&g, KEY).await.id.ok_or("an id")?;

    w.updates(&with_balancer(&w, edge(&w, 30, &["*"], &[])).await, KEY, &["default_ttl", "max_ttl"]).await;
    w.updates(&with_balancer(&w, edge(&w, 30, &["b", "a"], &["Accept"])).await, KEY, &["headers", "query"]).await;
    w.updates(&with_balancer(&w, edge(&w, 30, &[], &[])).await, KEY, &["headers", "query"]).await;
    w.updates(&g, KEY, &["default_ttl", "max_ttl", "query"]).await;

    // Changed by hand, and what is not gameday's stays.
    let cloudfront = &w.aws.cloudfront;
    let now = cloudfront.get_distribution_config().id(&id).send().await?;
    let mut config = now.distribution_config.ok_or("a configuration")?;
    (config.enabled, config.comment, config.default_root_object) = (false, "x".into(), Some("index.html".into()));
    let call = cloudfront.update_distribution().id(&id).set_if_match(now.e_tag).distribution_config(config);
    call.send().await?;
    w.updates(&g, KEY, &["comment", "enabled"]).await;
    let now =
        cloudfront.get_distribution_config().id(&id).send().await?.distribution_config.ok_or("a configuration")?;
    assert_eq!(now.default_root_object(), Some("index.html"));

    let arn = cloudfront.get_distribution().id(&id).send().await?.distribution.ok_or("a distribution")?.arn;
    let keys = |key: &str| aws_sdk_cloudfront::types::TagKeys::builder().items(key).build();
    cloudfront.untag_resource().resource(&arn).tag_keys(keys("team")).send().await?;
    w.updates(&g, KEY, &["tags.team"]).await;
    cloudfront.untag_resource().resource(&arn).tag_keys(keys("gameday:stack")).send().await?;
    w.refuses_what_is_not_ours(&g, KEY).await;
    let tags = gameday::aws::tags::cloudfront::to(&[("gameday:stack".to_owned(), "demo".to_owned())].into());
    cloudfront.tag_resource().resource(&arn).tags(tags).send().await?;

    w.goes(&g, KEY).await;
    // The reference of the one that is deleted is used up.
    w.creates(&g, KEY).await;
    w.goes(&g, KEY).await;
    w.down_all(&g).await;
    Ok(())
}

/// A deletion waits until the distribution is disabled everywhere.
#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_distribution_is_disabled_before_it_is_deleted() -> Test {
    let w = World::with_time().await;
    let g = edge(&w, 60, &["*"], &[]);
    for node in g.nodes().filter(|n| n.key().as_str() != DEPLOYED) {
        node.reconcile(&w.env).await?;
    }
    let look = w.look(&g, DEPLOYED).await;
    assert_ne!(look.phase, Some(gameday::engine::Phase::Ready), "the distribution is not waited for");
    w.up(&g, DEPLOYED).await;
    assert_eq!(w.look(&g, DEPLOYED).await.phase, Some(gameday::engine::Phase::Ready));
    w.down_all(&g).await;
    let left = w.aws.cloudfront.list_distributions().send().await?.distribution_list.ok_or("a list")?;
    assert_eq!(left.quantity, 0);
    Ok(())
}

/// The value of the header is the parameter's, and nobody is shown it.
#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_distribution_sends_the_header_of_the_stack() -> Test {
    let w = World::new().await;
    let with = async |header| with_balancer(&w, edge_with(&w, 60, &["*"], &[], header)).await;
    let g = with(true).await;
    w.creates(&g, KEY).await;
    let id = w.look(&g, KEY).await.id.ok_or("an id")?;
    let now = async || -> Result<_, Box<dyn std::error::Error>> {
        let answer = w.aws.cloudfront.get_distribution_config().id(&id).send().await?;
        Ok((answer.distribution_config.ok_or("a configuration")?, answer.e_tag))
    };
    let sent = |config: &DistributionConfig| -> Vec<(String, String)> {
        let headers = config.origins().and_then(|o| o.items().first()?.custom_headers());
        let pair = |h: &OriginCustomHeader| (h.header_name().to_owned(), h.header_value().to_owned());
        headers.map(|h| h.items().iter().map(pair).collect()).unwrap_or_default()
    };
    let secret = async || w.aws.secret("/gameday/demo/cdn-header").await;
    assert_eq!(sent(&now().await?.0), [("X-Gameday-Origin".to_owned(), secret().await?.reveal().to_owned())]);

    // By hand it sends another value, then none.
    for value in [Some("another"), None] {
        let (mut config, tag) = now().await?;
        let items =
            value.map(|v| OriginCustomHeader::builder().header_name("x-gameday-origin").header_value(v).build());
        let items: Vec<_> = items.transpose()?.into_iter().collect();
        let headers = CustomHeaders::builder().quantity(items.len() as i32).set_items(Some(items)).build()?;
        if let Some(origin) = config.origins.as_mut().and_then(|o| o.items.first_mut()) {
            origin.custom_headers = Some(headers);
        }
        w.aws.cloudfront.update_distribution().id(&id).set_if_match(tag).distribution_config(config).send().await?;
        w.updates(&g, KEY, &["header"]).await;
    }
    // The parameter is deleted, so that there is another value.
    let old = secret().await?;
    w.aws.ssm.delete_parameter().name("/gameday/demo/cdn-header").send().await?;
    w.updates(&with(true).await, KEY, &["header"]).await;
    let new = secret().await?;
    assert!(old != new && sent(&now().await?.0)[0].1 == new.reveal());

    w.updates(&with(false).await, KEY, &["header"]).await;
    assert!(sent(&now().await?.0).is_empty());
    let g = with(true).await;
    w.updates(&g, KEY, &["header"]).await;
    w.goes(&g, KEY).await;
    w.down_all(&g).await;
    Ok(())
}
