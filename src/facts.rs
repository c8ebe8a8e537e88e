//! What has to be looked up once before the stack can be wired: never created, never changed.
use crate::{
    aws::{Aws, error::AwsResult, listing, tags},
    config::{Config, Mode, Origin, Standing, Whose},
    engine::{STACK_TAG, STEP_TAG, Tags},
    error::{Class, Error, Result},
    resources::launch_template::OURS,
};
use aws_sdk_autoscaling::types::{AutoScalingGroup, Filter as AsgFilter};
use aws_sdk_ec2::types::{Filter, LaunchTemplateVersion, LocationType};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// The facts of one account and region that a stack depends on.
#[derive(Clone, Debug)]
pub struct Facts {
    pub account: String,
    pub region: String,
    /// The zones to use, in order.
    pub zones: Vec<String>,
    /// The image of the instances.
    pub image: String,
    /// The network to use, when it is not ours.
    pub network: Option<Network>,
    /// The ranges that are in use in our own network.
    pub ranges: Vec<Standing>,
    /// The names under which steps stand, where the stack file wants others by now.
    pub standing: BTreeMap<String, String>,
    /// Fleets of this stack from before the service got another name or port: they serve until the new one does.
    pub older: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Network {
    pub vpc: String,
    pub cidr: String,
    /// One subnet a zone with a route to the internet.
    pub public: Vec<Subnet>,
    /// One subnet a zone for data: without a route to the internet where there is such a one.
    pub private: Vec<Subnet>,
    /// Why nothing can be built in it. What stands there is looked at and torn down all the same.
    pub unfit: Option<Error>,
}

#[derive(Clone, Debug)]
pub struct Subnet {
    pub id: String,
    pub zone: String,
    pub cidr: String,
}

/// The newest Amazon Linux 2023 for x86-64 (aws-facts 4.1).
const AMAZON_LINUX: &str = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";

impl Facts {
    /// Looks everything up, at once where it can.
    pub async fn gather(aws: &Aws, config: &Config) -> Result<Self> {
        let (_, service) = config.service();
        let (account, image, network, found, older, standing, ranges) = futures::try_join!(
            async {
                // Who owns what we made is us, and that is looked at anyway.
                if let Some(owner) = owner(aws, config).await {
                    return Ok(owner);
                }
                let id = aws.sts.get_caller_identity().send().await.during("GetCallerIdentity")?;
                Ok(id.account.unwrap_or_default())
            },
            async {
                match &service.image {
                    Some(id) => Ok(id.clone()),
                    None => image(aws, config).await,
                }
            },
            async {
                match config.network.mode {
                    Origin::Use => existing(aws, config.network.vpc.as_deref().unwrap_or("default")).await.map(Some),
                    Origin::Create => Ok(None),
                }
            },
            async {
                match (config.network.mode, config.zones.is_empty()) {
                    (Origin::Create, true) => zones(aws, config).await,
                    _ => Ok(config.zones.clone()),
                }
            },
            async { Ok(older(aws, config).await) },
            async { Ok(standing(aws, config).await.as_ref().clone()) },
            async { Ok(ranges(aws, config).await.unwrap_or_default()) },
        )?;
        let (zones, network) = match network {
            None => (found, None),
            Some(there) => {
                let zones = match found.is_empty() {
                    true => there.zones_to_build_in(aws, config).await?,
                    false => found,
                };
                let network = there.network(aws, config, &zones).await?;
                let zones = match network.unfit {
                    None => zones,
                    Some(_) => network.public.iter().map(|s| s.zone.clone()).collect(),
                };
                (zones, Some(network))
            }
        };
        Ok(Self { account, region: aws.region.clone(), zones, image, network, ranges, standing, older })
    }

    /// For those who build: whether the network to use is one that can be built in.
    pub fn fit(&self) -> Result<()> {
        self.network.as_ref().and_then(|n| n.unfit.clone()).map_or(Ok(()), Err)
    }

    /// Stand-ins, for what is rendered without AWS.
    pub fn offline(config: &Config) -> Self {
        let zones = match config.zones.as_slice() {
            [] => ["a", "b"].map(|z| format!("{}{z}", config.region)).to_vec(),
            given => given.to_vec(),
        };
        let (_, service) = config.service();
        let network = (config.network.mode == Origin::Use).then(|| {
            let subnets: Vec<Subnet> = zones
                .iter()
                .map(|z| Subnet { id: format!("(subnet in {z})"), zone: z.clone(), cidr: "10.0.0.0/24".into() })
                .collect();
            Network {
                vpc: config.network.vpc.clone().unwrap_or_default(),
                cidr: "10.0.0.0/16".into(),
                public: subnets.clone(),
                private: subnets,
                unfit: None,
            }
        });
        Self {
            account: "(account)".into(),
            region: config.region.clone(),
            zones,
            image: service.image.clone().unwrap_or_else(|| "(newest Amazon Linux 2023)".into()),
            network,
            ranges: vec![],
            standing: BTreeMap::new(),
            older: vec![],
        }
    }
}

/// All Auto Scaling groups of the stack.
pub async fn fleets(aws: &Aws, stack: &str) -> Result<Rc<Vec<AutoScalingGroup>>> {
    let call = async || {
        let filter = AsgFilter::builder().name(format!("tag:{STACK_TAG}")).values(stack).build();
        let call = aws.autoscaling.describe_auto_scaling_groups().filters(filter);
        call.into_paginator().items().send().try_collect().await.during("DescribeAutoScalingGroups")
    };
    aws.reads.get(format!("Auto Scaling groups of stack {stack}"), call).await
}

/// The steps that say so in their tags.
pub fn steps_of(fleets: &[AutoScalingGroup]) -> impl Iterator<Item = &str> {
    let steps = fleets.iter().flat_map(|g| g.tags()).filter(|t| t.key() == Some(STEP_TAG)).filter_map(|t| t.value());
    steps.filter_map(|s| s.strip_prefix("auto-scaling-group/"))
}

/// Fleets of the stack that still serve and are not the one of the stack file. Where they may not be looked at, the
/// fleet's own step says so.
async fn older(aws: &Aws, config: &Config) -> Vec<String> {
    let now = config.slot();
    // Nothing that is named after another one: that needs no call of its own.
    let tagged = tags::of_stack(aws, &config.name).await.unwrap_or_default();
    let other =
        |t: &Tags| t.get(STEP_TAG).and_then(|s| s.strip_prefix("target-group/")).is_some_and(|slot| slot != now);
    if !tagged.is_empty() && !tagged.values().any(other) {
        return vec![];
    }
    let fleets = fleets(aws, &config.name).await.unwrap_or_default();
    let serving: Vec<_> = fleets.iter().filter(|g| g.status().is_none()).cloned().collect();
    steps_of(&serving).filter(|slot| *slot != now).map(Into::into).collect()
}

/// The account that owns the subnets which the stack has made, if any.
async fn owner(aws: &Aws, config: &Config) -> Option<String> {
    if config.network.mode == Origin::Use {
        return None;
    }
    let subnets = listing::subnets(aws).await.ok()?;
    let ours = subnets.iter().find(|s| tags::ec2::from(s.tags()).get(STACK_TAG) == Some(&config.name));
    ours?.owner_id().map(Into::into)
}

/// The ranges of all subnets in the VPC that is ours. Where they may not be looked at, the subnets' own steps say so.
async fn ranges(aws: &Aws, config: &Config) -> Result<Vec<Standing>> {
    if config.network.mode == Origin::Use {
        return Ok(vec![]);
    }
    let (subnets, vpcs) = futures::try_join!(listing::subnets(aws), listing::vpcs(aws))?;
    let ours = |tags: &Tags| tags.get(STACK_TAG) == Some(&config.name);
    let by_tag = vpcs.iter().filter(|v| ours(&tags::ec2::from(v.tags()))).filter_map(|v| v.vpc_id());
    let by_subnet = subnets.iter().filter(|s| ours(&tags::ec2::from(s.tags()))).filter_map(|s| s.vpc_id());
    let homes: BTreeSet<&str> = by_tag.chain(by_subnet).collect();
    let range = |s: &aws_sdk_ec2::types::Subnet| {
        let tags = tags::ec2::from(s.tags());
        let step = tags.get(STEP_TAG).filter(|_| ours(&tags)).and_then(|s| s.strip_prefix("subnet/"));
        let whose = match step {
            Some(name) if name.starts_with("public-") => Whose::Public,
            Some(name) if name.starts_with("private-") => Whose::Private,
            // The stack's tag alone, or the step's: what is left of ours.
            _ if tags.get(STACK_TAG).is_none_or(|s| *s == config.name) => Whose::Unsaid,
            _ => Whose::Others,
        };
        Some(Standing { cidr: s.cidr_block()?.parse().ok()?, zone: s.availability_zone()?.into(), whose })
    };
    Ok(subnets.iter().filter(|s| s.vpc_id().is_some_and(|id| homes.contains(id))).filter_map(range).collect())
}

/// The image of the launch template that stands, so that a newer one does not replace the fleet in the middle of
/// an event; without one, the newest.
async fn image(aws: &Aws, config: &Config) -> Result<String> {
    let (service, _) = config.service();
    let key = format!("launch-template/{service}");
    let name = name_in_account(aws, config, &key).await;
    let versions = listing::template_versions(aws, &name).await?;
    let standing = ours(&versions)
        .and_then(|v| v.launch_template_data()?.image_id().map(str::to_owned))
        .filter(|id| id.starts_with("ami-"));
    if let Some(id) = standing {
        return Ok(id);
    }
    let found = aws.ssm.get_parameter().name(AMAZON_LINUX).send().await.or_absent("GetParameter")?;
    found.and_then(|p| p.parameter?.value).ok_or_else(|| {
        Error::other(
            format!("the public SSM parameter {AMAZON_LINUX} is not to be had in {}", aws.region),
            "give an image under [service.NAME]: image = \"ami-…\"",
        )
    })
}

/// The names under which steps stand, by the tags of their objects, where those are not the file's: a name under
/// `[names]` that was changed, given or taken away after the object was made. An account that does not let us list
/// them has none.
async fn standing(aws: &Aws, config: &Config) -> Rc<BTreeMap<String, String>> {
    let look = async || {
        let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (arn, tags) in tags::of_stack(aws, &config.name).await?.iter() {
            let Some(step) = tags.get(STEP_TAG) else { continue };
            let name = match arn.split_once(":launch-template/") {
                Some((_, id)) => template_name(aws, &config.name_of(step), id).await,
                None => tags::name_in(arn).map(Into::into),
            };
            if let Some(name) = name {
                names.entry(step.clone()).or_default().insert(name);
            }
        }
        // Groups are not listed by their tags either. Where the one of the usual name stands, nobody looks for others.
        let usual = config.name_of(&format!("auto-scaling-group/{}", config.slot()));
        let fleets = match listing::auto_scaling_group(aws, &usual).await? {
            Some(_) => Rc::default(),
            None => fleets(aws, &config.name).await?,
        };
        for fleet in fleets.iter() {
            let step = fleet.tags().iter().find(|t| t.key() == Some(STEP_TAG)).and_then(|t| t.value());
            if let (Some(step), Some(name)) = (step, fleet.auto_scaling_group_name()) {
                names.entry(step.into()).or_default().insert(name.into());
            }
        }
        if config.iam.mode == Mode::Create {
            for (step, name) in identity(aws, config, &names).await {
                names.entry(step.into()).or_default().insert(name);
            }
        }
        let other = |(step, names): (String, BTreeSet<String>)| {
            let name = names.into_iter().try_fold(None, |_, n| (n != config.name_of(&step)).then_some(Some(n)));
            Some((step, name??))
        };
        Ok(names.into_iter().filter_map(other).collect::<BTreeMap<_, _>>())
    };
    aws.reads.get("names that are not the file's", look).await.unwrap_or_default()
}

/// The name under which a step stands, or would.
async fn name_in_account(aws: &Aws, config: &Config, key: &str) -> String {
    standing(aws, config).await.get(key).cloned().unwrap_or_else(|| config.name_of(key))
}

/// The instance profile of the launch template that stands and the role in it, by step: IAM's are not listed by their
/// tags.
async fn identity(
    aws: &Aws,
    config: &Config,
    names: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<(&'static str, String)> {
    let look = async || {
        let step = format!("launch-template/{}", config.service().0);
        let template = names.get(&step).and_then(|n| n.first().cloned()).unwrap_or_else(|| config.name_of(&step));
        let versions = listing::template_versions(aws, &template).await.ok()?;
        let name = ours(&versions)?.launch_template_data()?.iam_instance_profile()?.name()?.to_owned();
        let profile = listing::instance_profile(aws, &name).await.ok()?;
        let profile = profile.as_ref().as_ref()?;
        let is_ours = |tags: &[aws_sdk_iam::types::Tag], step: &str| {
            let tags = tags::iam::from(tags);
            tags.get(STACK_TAG) == Some(&config.name) && tags.get(STEP_TAG).is_some_and(|s| s == step)
        };
        let [of_profile, of_role] = ["instance-profile/instance", "role/instance"];
        let mut found = vec![];
        if is_ours(profile.tags(), of_profile) {
            found.push((of_profile, name));
        }
        // One that somebody put in its place is not ours under another name.
        if let Some(role) = profile.roles().first().map(|r| r.role_name())
            && role != config.name_of(of_role)
            && let Ok(answer) = aws.iam.get_role().role_name(role).send().await
            && answer.role().is_some_and(|r| is_ours(r.tags(), of_role))
        {
            found.push((of_role, role.to_owned()));
        }
        Some(found)
    };
    look().await.unwrap_or_default()
}

/// The newest version of a launch template that is ours: somebody else's default must not become what we want.
fn ours(versions: &[LaunchTemplateVersion]) -> Option<&LaunchTemplateVersion> {
    let ours = versions.iter().filter(|v| v.version_description().is_some_and(|d| d.starts_with(OURS)));
    ours.max_by_key(|v| v.version_number())
}

/// The name of a launch template, which is asked for only when none has the usual one.
async fn template_name(aws: &Aws, usual: &str, id: &str) -> Option<String> {
    if !listing::template_versions(aws, usual).await.ok()?.is_empty() {
        return Some(usual.into());
    }
    let call = aws.ec2.describe_launch_templates().launch_template_ids(id).send().await;
    call.or_absent("DescribeLaunchTemplates").ok()??.launch_templates?.pop()?.launch_template_name
}

/// The zones our subnets are in; without any, the first two that offer the instance type.
async fn zones(aws: &Aws, config: &Config) -> Result<Vec<String>> {
    let subnets = listing::subnets(aws).await?;
    let public = |s: &&aws_sdk_ec2::types::Subnet| {
        let tags = tags::ec2::from(s.tags());
        tags.get(STACK_TAG) == Some(&config.name)
            && tags.get(STEP_TAG).is_some_and(|step| step.starts_with("subnet/public-"))
    };
    let standing: BTreeSet<String> =
        subnets.iter().filter(public).filter_map(|s| s.availability_zone.clone()).collect();
    if standing.len() >= 2 {
        return Ok(standing.into_iter().collect());
    }
    let mut zones = offering(aws, config).await?;
    zones.truncate(2);
    if zones.len() < 2 {
        let (_, service) = config.service();
        return Err(Error::other(
            format!("{} is offered in fewer than two zones of {}", service.instance_type, aws.region),
            "choose another instance_type, or another region",
        ));
    }
    Ok(zones)
}

/// The region's own zones (no Local Zones) that offer the instance type, in order.
async fn offering(aws: &Aws, config: &Config) -> Result<Vec<String>> {
    let (_, service) = config.service();
    let offered: Vec<_> = aws
        .ec2
        .describe_instance_type_offerings()
        .location_type(LocationType::AvailabilityZone)
        .filters(Filter::builder().name("instance-type").values(&service.instance_type).build())
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .during("DescribeInstanceTypeOfferings")?;
    let offered: BTreeSet<String> = offered.into_iter().filter_map(|o| o.location).collect();
    let all = aws
        .ec2
        .describe_availability_zones()
        .filters(Filter::builder().name("zone-type").values("availability-zone").build())
        .send()
        .await
        .during("DescribeAvailabilityZones")?;
    let zones: BTreeSet<String> = all
        .availability_zones
        .unwrap_or_default()
        .into_iter()
        .filter(|z| z.state().is_none_or(|s| s.as_str() == "available"))
        .filter_map(|z| z.zone_name)
        .filter(|z| offered.contains(z))
        .collect();
    Ok(zones.into_iter().collect())
}

/// An existing VPC with all its subnets.
struct Existing {
    vpc: String,
    cidr: String,
    /// And whether their routes reach the internet.
    subnets: Vec<(Subnet, bool)>,
}

/// The VPC of this id; `default` is the account's default one.
async fn existing(aws: &Aws, wanted: &str) -> Result<Existing> {
    let by = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let call = match wanted {
        "default" => aws.ec2.describe_vpcs().filters(by("is-default", "true")),
        id => aws.ec2.describe_vpcs().vpc_ids(id),
    };
    let vpc = call.send().await.or_absent("DescribeVpcs")?.and_then(|p| p.vpcs?.into_iter().next());
    let Some(vpc) = vpc else {
        let what = if wanted == "default" { "a default VPC".to_owned() } else { format!("VPC {wanted}") };
        return Err(Error::other(
            format!("{what} does not exist in {}", aws.region),
            "name another one under [network], or set mode = \"create\"",
        ));
    };
    let id = vpc.vpc_id.unwrap_or_default();
    let (subnets, tables) = futures::try_join!(
        async {
            let pages = aws.ec2.describe_subnets().filters(by("vpc-id", &id)).into_paginator().items().send();
            pages.try_collect().await.during("DescribeSubnets")
        },
        async {
            let pages = aws.ec2.describe_route_tables().filters(by("vpc-id", &id)).into_paginator().items().send();
            pages.try_collect().await.during("DescribeRouteTables")
        },
    )?;
    let reaches_internet = |table: &aws_sdk_ec2::types::RouteTable| {
        table.routes().iter().any(|r| {
            r.destination_cidr_block() == Some("0.0.0.0/0") && r.gateway_id().is_some_and(|g| g.starts_with("igw-"))
        })
    };
    let is_public = |subnet: &str| {
        let explicit = tables.iter().find(|t| t.associations().iter().any(|a| a.subnet_id() == Some(subnet)));
        let main = || tables.iter().find(|t| t.associations().iter().any(|a| a.main() == Some(true)));
        explicit.or_else(main).is_some_and(reaches_internet)
    };
    let subnets = subnets.into_iter().map(|s: aws_sdk_ec2::types::Subnet| {
        let text = |s: Option<String>| s.unwrap_or_default();
        let subnet = Subnet { id: text(s.subnet_id), zone: text(s.availability_zone), cidr: text(s.cidr_block) };
        let public = is_public(&subnet.id);
        (subnet, public)
    });
    Ok(Existing { vpc: id, cidr: vpc.cidr_block.unwrap_or_default(), subnets: subnets.collect() })
}

impl Existing {
    /// The first two zones that have a public subnet and offer the instance type.
    async fn zones_to_build_in(&self, aws: &Aws, config: &Config) -> Result<Vec<String>> {
        let fits = match offering(aws, config).await {
            // Where that may not be asked, any will have to do.
            Err(e) if e.class() == Some(Class::Denied) => None,
            other => Some(other?),
        };
        let fits = |zone: &String| fits.as_ref().is_none_or(|f| f.contains(zone));
        let public: BTreeSet<String> = self.subnets.iter().filter(|(_, p)| *p).map(|(s, _)| s.zone.clone()).collect();
        Ok(public.into_iter().filter(fits).take(2).collect())
    }

    /// One subnet a zone of each side.
    async fn network(self, aws: &Aws, config: &Config, zones: &[String]) -> Result<Network> {
        let one_a_zone = |zones: &[String], is_public: &dyn Fn(&Subnet, bool) -> bool| {
            let (mut public, mut private) = (BTreeMap::new(), BTreeMap::new());
            for (s, reaches) in self.subnets.iter().filter(|(s, _)| zones.contains(&s.zone)) {
                let side = if is_public(s, *reaches) { &mut public } else { &mut private };
                side.entry(s.zone.clone()).or_insert_with(|| s.clone());
            }
            // The default VPC has public subnets only; data then goes there, shut off by its security groups.
            for (zone, subnet) in &public {
                private.entry(zone.clone()).or_insert_with(|| subnet.clone());
            }
            (public, private)
        };
        let (vpc, cidr) = (self.vpc.clone(), self.cidr.clone());
        // In the order of the zones: what is in one goes by that.
        let all = |zones: &[String], mut side: BTreeMap<String, Subnet>| -> Vec<Subnet> {
            zones.iter().filter_map(|zone| side.remove(zone)).collect()
        };
        let (public, private) = one_a_zone(zones, &|_, reaches| reaches);
        if zones.len() >= 2 && public.len() >= zones.len() && private.len() >= zones.len() {
            return Ok(Network { vpc, cidr, public: all(zones, public), private: all(zones, private), unfit: None });
        }
        let unfit = Error::other(
            format!(
                "VPC {vpc} has no public subnet in at least two zones ({} wanted)",
                if zones.is_empty() { "any".to_owned() } else { zones.join(", ") },
            ),
            "a public subnet has a route to an internet gateway: add one, choose other zones, \
             or set mode = \"create\" under [network]",
        );
        // A route that is gone takes no subnet from what stands there: theirs, else any.
        let used = in_use(aws, config).await;
        let every: BTreeSet<&String> = self.subnets.iter().map(|(s, _)| &s.zone).collect();
        let theirs: BTreeSet<&String> =
            self.subnets.iter().filter(|(s, _)| used.contains(&s.id)).map(|(s, _)| &s.zone).collect();
        let zones: Vec<String> = match (config.zones.is_empty(), theirs.is_empty()) {
            (false, _) => config.zones.clone(),
            (true, false) => theirs.into_iter().cloned().collect(),
            (true, true) => every.into_iter().take(2).cloned().collect(),
        };
        let (mut public, private) = one_a_zone(&zones, &|s, _| used.contains(&s.id));
        for (zone, subnet) in &private {
            public.entry(zone.clone()).or_insert_with(|| subnet.clone());
        }
        Ok(Network { vpc, cidr, public: all(&zones, public), private: all(&zones, private), unfit: Some(unfit) })
    }
}

/// The subnets of the stack's balancer and fleet, as far as they can be seen.
async fn in_use(aws: &Aws, config: &Config) -> BTreeSet<String> {
    let balancer = name_in_account(aws, config, "load-balancer/main").await;
    let fleet = name_in_account(aws, config, &format!("auto-scaling-group/{}", config.slot())).await;
    let (balancer, fleet) = futures::join!(listing::balancer(aws, &balancer), listing::auto_scaling_group(aws, &fleet));
    let (balancer, fleet) = (balancer.ok().flatten(), fleet.ok().flatten());
    let balancers = balancer.iter().flat_map(|b| b.availability_zones()).filter_map(|z| z.subnet_id());
    let fleets = fleet.iter().filter_map(|g| g.vpc_zone_identifier()).flat_map(|ids| ids.split(','));
    balancers.chain(fleets).map(Into::into).collect()
}

/// Whether anything in the user data has to be a password in clear: there is a database of ours to log in to and no
/// profile to fetch the password with.
pub fn passwords_in_user_data(config: &Config) -> bool {
    config.iam.mode == Mode::Off && config.database.mode != Mode::Off
}
