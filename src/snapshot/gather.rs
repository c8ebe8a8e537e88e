//! The look itself: three rounds of calls, each at once. What fails leaves a gap.
use super::{read, *};
use crate::{
    aws::{
        Aws,
        error::AwsResult,
        listing,
        public_access::{self, Options},
        tags,
    },
    config::{Mode, Origin},
    engine::Record,
    record,
    resources::{instance_refresh, token},
};
use aws_sdk_cloudwatch::types::StateValue;
use aws_sdk_ec2::types::{Filter, VpcAttributeName};
use aws_sdk_efs::types::MountTargetDescription;
use futures::{FutureExt, future::join_all};
use std::{cell::RefCell, collections::BTreeSet, future::Future, rc::Rc, time::Duration};

/// What to ask the service from outside.
#[derive(Clone, Debug)]
pub enum Asking {
    /// This path of the balancer's own address.
    Path(String),
    Url(String),
    /// Nothing, for this reason; the path or URL decides which rule is looked at.
    Nothing {
        at: String,
        why: String,
    },
}

struct Look<'a> {
    aws: &'a Aws,
    whose: &'a Whose,
    expected: &'a Expected,
    gaps: RefCell<Vec<Gap>>,
}

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// All that is needed to say what is wrong.
    Path,
    /// And what the fleet has done of late, also when nothing is wrong with it: for the list of events.
    Events,
}

/// Activities of an Auto Scaling group that are worth reading.
const ACTIVITIES: i32 = 20;
/// No answer may keep the look from ending.
const PATIENCE: Duration = Duration::from_secs(20);

/// Looks at everything once. Never fails: what could not be read is in `gaps`.
pub async fn gather(aws: &Aws, whose: Whose, expected: Expected, asking: &Asking, depth: Depth) -> Snapshot {
    let (calls, start) = (aws.calls.reads(), tokio::time::Instant::now());
    let look = Look { aws, whose: &whose, expected: &expected, gaps: RefCell::default() };

    // First what is found by name or tag. Boxed: a call of the SDK is a large future, and a stack is small.
    let (balancer, target_group, group, template, profile, vpc, gateways, database, cache, files, alarms) = futures::join!(
        look.balancer().boxed_local(),
        look.target_group().boxed_local(),
        look.group().boxed_local(),
        look.template().boxed_local(),
        look.profile().boxed_local(),
        look.vpc().boxed_local(),
        look.gateways().boxed_local(),
        look.database().boxed_local(),
        look.cache().boxed_local(),
        look.files().boxed_local(),
        look.alarms().boxed_local(),
    );
    let vpc_id = vpc.as_ref().map(|v| v.id.clone());
    let vpc_id = vpc_id.or_else(|| Some(balancer.as_ref()?.vpc.clone()));
    let vpc_id = vpc_id.or_else(|| Some(target_group.as_ref()?.vpc.clone())).filter(|v| !v.is_empty());

    // Then what hangs on an id of those.
    let in_vpc = vpc_id.as_deref();
    let (listeners, targets, attributes, network, dns, ways_out, instances, mounts, activities, probe) = futures::join!(
        look.listeners(balancer.as_ref()).boxed_local(),
        look.targets(target_group.as_ref()).boxed_local(),
        look.attributes(target_group.as_ref()).boxed_local(),
        look.network(in_vpc).boxed_local(),
        look.dns(vpc.as_ref()).boxed_local(),
        look.ways_out(in_vpc).boxed_local(),
        look.instances(in_vpc).boxed_local(),
        look.mount_targets(files.as_ref()).boxed_local(),
        look.activities(group.as_ref(), depth).boxed_local(),
        super::probe::ask(&aws.network, asking, balancer.as_ref(), group.as_ref().map_or(1, |g| g.members.len()))
            .boxed_local(),
    );

    // And what hangs on those.
    let (subnets, route_tables, acls, security_groups) = network;
    let (nat_gateways, endpoints) = ways_out;
    let (listeners, mount_targets, prefix_lists, public_access) = futures::join!(
        look.rules(listeners).boxed_local(),
        look.mount_groups(&mounts).boxed_local(),
        look.prefix_lists(&security_groups).boxed_local(),
        look.public_access(&subnets).boxed_local(),
    );

    let of_fleet = |i: &read::Found| {
        let is_sibling = |group: &String| expected.own.siblings.iter().any(|s| s.auto_scaling_group == *group);
        i.stack.as_deref() == Some(&whose.stack) && !i.group.as_ref().is_some_and(is_sibling)
            || group.as_ref().is_some_and(|g| g.members.iter().any(|m| m.id == i.instance.id))
            || targets.iter().any(|t| t.id == i.instance.id)
    };
    let instances = instances.into_iter().filter(of_fleet).map(|i| i.instance).collect();
    let group_version = group.as_ref().and_then(|g| g.template_version.clone());
    let gateways = gateways.into_iter().filter(|g| g.step.is_some() || g.vpc.is_some() && g.vpc == vpc_id);
    let mut gaps = look.gaps.into_inner();
    gaps.sort_by_key(|g| g.part);
    Snapshot {
        version: VERSION,
        at: Timestamp::now(),
        balancer,
        listeners,
        target_group: target_group.map(|t| TargetGroup { attributes, ..t }),
        targets,
        auto_scaling_group: group,
        activities,
        template: template.map(|t| that_matter(t, group_version.as_deref())),
        profile,
        instances,
        vpc: vpc.map(|v| Vpc { dns_support: dns.0, dns_hostnames: dns.1, ..v }),
        subnets,
        route_tables,
        internet_gateways: gateways.collect(),
        nat_gateways,
        endpoints,
        acls,
        security_groups,
        prefix_lists,
        public_access,
        database,
        cache,
        files: files.map(|f| Files { mount_targets, ..f }),
        alarms,
        probe,
        gaps,
        calls: aws.calls.reads() - calls,
        millis: start.elapsed().as_millis() as u64,
        whose,
        expected,
    }
}

/// Only what the verdict needs, for those who wait for it: the targets' health and the answers from outside, of a
/// balancer and a target group that are known. One call.
pub async fn verdict(
    aws: &Aws,
    balancer: Balancer,
    target_group: &str,
    expected: Expected,
    asking: &Asking,
) -> Snapshot {
    let each = expected.desired.try_into().unwrap_or(1);
    let (targets, probe) =
        futures::join!(targets(aws, target_group), super::probe::ask(&aws.network, asking, Some(&balancer), each));
    let (targets, gaps) = match targets {
        Ok(targets) => (targets, vec![]),
        Err(e) => (vec![], vec![Gap::new(Part::Targets, "DescribeTargetHealth", &e)]),
    };
    Snapshot {
        version: VERSION,
        at: Timestamp::now(),
        target_group: Some(TargetGroup { arn: target_group.into(), ..TargetGroup::default() }),
        targets,
        gaps,
        balancer: Some(balancer),
        probe,
        expected,
        ..Snapshot::default()
    }
}

/// Only the targets' health: one call.
pub async fn targets(aws: &Aws, target_group: &str) -> Result<Vec<Target>> {
    let call = aws.elb.describe_target_health().target_group_arn(target_group).send().await;
    let found = call.or_absent("DescribeTargetHealth")?.and_then(|f| f.target_health_descriptions);
    Ok(found.unwrap_or_default().into_iter().map(read::target).collect())
}

fn by(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// Of a template's versions the default, the latest, and the one that the Auto Scaling group names.
fn that_matter(mut t: Template, named: Option<&str>) -> Template {
    let named = named.and_then(|n| n.parse().ok());
    t.versions.retain(|v| v.number == t.default_version || v.number == t.latest_version || Some(v.number) == named);
    t
}

/// Every page of an EC2 listing in one VPC.
macro_rules! in_vpc {
    ($look:expr, $part:ident, $describe:ident, $call:literal, $vpc:expr, $read:expr) => {
        $look.see(Part::$part, $call, async {
            let call = $look.aws.ec2.$describe().filters(by("vpc-id", $vpc));
            let all: Vec<_> = call.into_paginator().items().send().try_collect().await.during($call)?;
            Ok(all.into_iter().map($read).collect::<Vec<_>>())
        })
    };
}

/// Those of the listing that everybody shares that are in one VPC.
macro_rules! listed {
    ($look:expr, $part:ident, $list:ident, $call:literal, $vpc:expr, $read:ident) => {
        $look.see(Part::$part, $call, async {
            let all = listing::$list($look.aws).await?;
            let here = all.iter().filter(|it| it.vpc_id() == Some($vpc)).cloned();
            Ok(here.map(|it| read::$read(it, $look.whose)).collect::<Vec<_>>())
        })
    };
}

impl Look<'_> {
    /// One part of the look: its value, or nothing and a gap.
    async fn see<T: Default>(&self, part: Part, call: &str, asked: impl Future<Output = Result<T>>) -> T {
        let late = || {
            Error::other(format!("no answer within {} s", PATIENCE.as_secs()), "check the network, and run it again")
        };
        let answer = tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(late()));
        answer.unwrap_or_else(|e| {
            self.gaps.borrow_mut().push(Gap::new(part, call, &e));
            T::default()
        })
    }

    async fn balancer(&self) -> Option<Balancer> {
        self.see(Part::Balancer, "DescribeLoadBalancers", async {
            Ok(listing::balancer(self.aws, &self.expected.names.balancer).await?.map(read::balancer))
        })
        .await
    }

    async fn target_group(&self) -> Option<TargetGroup> {
        self.see(Part::TargetGroup, "DescribeTargetGroups", async {
            Ok(listing::target_group(self.aws, &self.expected.names.target_group).await?.map(read::target_group))
        })
        .await
    }

    async fn group(&self) -> Option<AutoScalingGroup> {
        let name = &self.expected.names.auto_scaling_group;
        let found = self.see(Part::AutoScalingGroup, "DescribeAutoScalingGroups", async {
            Ok(listing::auto_scaling_group(self.aws, name).await?.map(read::group))
        });
        let mut group = found.await?;
        if !group.outdated().is_empty() {
            let refresh = instance_refresh::progress(self.aws, name);
            group.refresh = self.see(Part::Activities, "DescribeInstanceRefreshes", refresh).await;
        }
        Some(group)
    }

    /// They say why an instance is not there: of no use while all are.
    async fn activities(&self, group: Option<&AutoScalingGroup>, depth: Depth) -> Vec<Activity> {
        let complete = |g: &AutoScalingGroup| {
            let in_service = |m: &&Member| m.lifecycle == "InService" && m.health.eq_ignore_ascii_case("healthy");
            g.status.is_none()
                && g.members.len() as i32 == g.desired
                && g.members.iter().filter(in_service).count() == g.members.len()
        };
        if depth == Depth::Path && group.is_some_and(complete) {
            return vec![];
        }
        self.see(Part::Activities, "DescribeScalingActivities", async {
            let name = &self.expected.names.auto_scaling_group;
            let call = self.aws.autoscaling.describe_scaling_activities().auto_scaling_group_name(name);
            let found = call.max_records(ACTIVITIES).send().await.or_absent("DescribeScalingActivities")?;
            let all = found.and_then(|f| f.activities).unwrap_or_default();
            Ok(all.into_iter().map(read::activity).collect())
        })
        .await
    }

    async fn template(&self) -> Option<Template> {
        self.see(Part::Template, "DescribeLaunchTemplateVersions", async {
            let all = listing::template_versions(self.aws, &self.expected.names.template).await?;
            Ok(read::template(all.to_vec()))
        })
        .await
    }

    /// Only of ours: somebody else's may not be ours to see.
    async fn profile(&self) -> Option<Profile> {
        let name = self.expected.names.profile.as_ref().filter(|_| self.expected.iam == Mode::Create)?;
        self.see(Part::Profile, "GetInstanceProfile", async {
            let found = listing::instance_profile(self.aws, name).await?;
            let role = found.as_ref().as_ref().and_then(|p| Some(p.roles().first()?.role_name().to_owned()));
            Ok(Some(Profile { exists: found.is_some(), role }))
        })
        .await
    }

    /// What the stack has made; `None` where that is not known.
    async fn record(&self) -> Option<Record> {
        record::seen(self.aws, &self.whose.stack).await
    }

    async fn vpc(&self) -> Option<Vpc> {
        let sets = self
            .see(Part::DhcpOptions, "DescribeDhcpOptions", async { listing::dhcp_options(self.aws).await.map(Some) });
        let vpc = self.see(Part::Vpc, "DescribeVpcs", async {
            let all = listing::vpcs(self.aws).await?;
            let record = self.record().await;
            let is_this = |v: &&aws_sdk_ec2::types::Vpc| match (&self.expected.vpc, self.expected.network) {
                (Some(id), Origin::Use) => v.vpc_id() == Some(id),
                _ => tags::ec2::from(v.tags()).get(self.whose.keys.stack()) == Some(&self.whose.stack),
            };
            // A tag is a claim: of several, the one that the stack has made.
            let is_made = |v: &&aws_sdk_ec2::types::Vpc| {
                let step = tags::ec2::from(v.tags()).remove(self.whose.keys.step()).unwrap_or_default();
                record.as_ref().is_some_and(|r| r.may_have_made(&step, v.vpc_id().unwrap_or_default()))
            };
            let claim: Vec<_> = all.iter().filter(is_this).collect();
            Ok(claim.iter().copied().find(is_made).or(claim.first().copied()).cloned())
        });
        let (vpc, sets) = futures::join!(vpc, sets);
        vpc.map(|v| read::vpc(v, sets.as_deref().map(Vec::as_slice), &self.aws.region))
    }

    /// Whether its DNS server answers, and whether it gives names.
    async fn dns(&self, vpc: Option<&Vpc>) -> (Option<bool>, Option<bool>) {
        let Some(vpc) = vpc else { return (None, None) };
        self.see(Part::VpcAttributes, "DescribeVpcAttribute", async {
            futures::try_join!(
                listing::vpc_attribute(self.aws, &vpc.id, VpcAttributeName::EnableDnsSupport),
                listing::vpc_attribute(self.aws, &vpc.id, VpcAttributeName::EnableDnsHostnames),
            )
        })
        .await
    }

    /// All of the account: one that was detached has no VPC to be found by. An account has a handful.
    async fn gateways(&self) -> Vec<InternetGateway> {
        self.see(Part::InternetGateways, "DescribeInternetGateways", async {
            let all = listing::internet_gateways(self.aws).await?;
            let record = self.record().await;
            let of = |g: &aws_sdk_ec2::types::InternetGateway| {
                let mut gateway = read::gateway(g.clone(), self.whose);
                // A tag is a claim.
                let is_made = |step: &String| record.as_ref().is_none_or(|r| r.may_have_made(step, &gateway.id));
                gateway.step = gateway.step.take().filter(is_made);
                gateway
            };
            Ok(all.iter().map(of).collect())
        })
        .await
    }

    async fn database(&self) -> Option<Database> {
        if self.expected.database != Mode::Create {
            return None;
        }
        self.see(Part::Database, "DescribeDBInstances", async {
            Ok(listing::database(self.aws, &self.expected.names.database).await?.map(read::database))
        })
        .await
    }

    async fn cache(&self) -> Option<Cache> {
        if self.expected.cache != Mode::Create {
            return None;
        }
        // Only a member knows its security groups.
        let (group, members) = futures::join!(
            self.see(Part::Cache, "DescribeReplicationGroups", listing::cache(self.aws, &self.expected.names.cache)),
            self.see(Part::CacheNodes, "DescribeCacheClusters", listing::cache_nodes(self.aws)),
        );
        group.map(|g| read::cache(g, &members))
    }

    async fn files(&self) -> Option<Files> {
        if self.expected.files == Mode::Off {
            return None;
        }
        self.see(Part::Files, "DescribeFileSystems", async {
            let all = listing::file_systems(self.aws).await?;
            let is_this = |f: &&aws_sdk_efs::types::FileSystemDescription| match &self.expected.file_system {
                Some(id) => f.file_system_id() == id,
                None => tags::efs::from(f.tags()).get(self.whose.keys.stack()) == Some(&self.whose.stack),
            };
            // The step finds its own by this token, whatever its tags.
            let token = self.expected.step("file-system").map(|key| token(&[&self.whose.stack, key]));
            let is_its = |f: &&aws_sdk_efs::types::FileSystemDescription| Some(f.creation_token()) == token.as_deref();
            let its = all.iter().find(is_its).map(|f| (f, !is_this(&f)));
            let found = its.or_else(|| Some((all.iter().find(is_this)?, false)));
            Ok(found.map(|(f, untagged)| Files {
                id: f.file_system_id().into(),
                state: f.life_cycle_state().as_str().into(),
                untagged,
                mount_targets: vec![],
            }))
        })
        .await
    }

    async fn alarms(&self) -> Vec<Alarm> {
        if self.expected.alarms.is_empty() {
            return vec![];
        }
        self.see(Part::Alarms, "DescribeAlarms", async {
            let is_alarm = |a: &&aws_sdk_cloudwatch::types::MetricAlarm| {
                a.state_value() == Some(&StateValue::Alarm)
                    && a.alarm_name().is_some_and(|name| self.expected.alarms.iter().any(|e| e == name))
            };
            // One call for all of the stack's; a prescribed name may begin otherwise.
            let prefix = format!("{}-", self.whose.stack);
            let named = self.expected.alarms.iter().filter(|a| !a.starts_with(&prefix));
            let mut ours = vec![];
            for prefix in std::iter::once(&prefix).chain(named) {
                ours.extend(listing::alarms(self.aws, prefix).await?.iter().filter(is_alarm).cloned().map(read::alarm));
            }
            ours.sort_by(|a, b| a.name.cmp(&b.name));
            ours.dedup_by(|a, b| a.name == b.name);
            Ok(ours)
        })
        .await
    }

    async fn listeners(&self, balancer: Option<&Balancer>) -> Vec<Listener> {
        let Some(balancer) = balancer else { return vec![] };
        self.see(Part::Listeners, "DescribeListeners", async {
            let all = listing::listeners(self.aws, &balancer.arn).await?;
            Ok(all.iter().cloned().map(read::listener).collect())
        })
        .await
    }

    async fn rules(&self, mut listeners: Vec<Listener>) -> Vec<Listener> {
        let rules = listeners.iter().map(|l| {
            self.see(Part::Rules, "DescribeRules", async {
                let found = listing::rules(self.aws, &l.arn).await?;
                let mut rules: Vec<Rule> = found.iter().cloned().filter_map(read::rule).collect();
                rules.sort_by_key(|r| r.priority);
                Ok(rules)
            })
        });
        let rules = join_all(rules).await;
        for (listener, rules) in listeners.iter_mut().zip(rules) {
            listener.rules = rules;
        }
        listeners
    }

    async fn targets(&self, group: Option<&TargetGroup>) -> Vec<Target> {
        let Some(group) = group else { return vec![] };
        self.see(Part::Targets, "DescribeTargetHealth", targets(self.aws, &group.arn)).await
    }

    async fn attributes(&self, group: Option<&TargetGroup>) -> BTreeMap<String, String> {
        let Some(group) = group else { return BTreeMap::new() };
        self.see(Part::TargetGroupAttributes, "DescribeTargetGroupAttributes", async {
            let found = listing::target_group_attributes(self.aws, &group.arn).await?;
            Ok(found.unwrap_or_default().into_iter().filter_map(|a| Some((a.key?, a.value?))).collect())
        })
        .await
    }

    async fn network(&self, vpc: Option<&str>) -> (Vec<Subnet>, Vec<RouteTable>, Vec<Acl>, Vec<SecurityGroup>) {
        let Some(vpc) = vpc else { return Default::default() };
        futures::join!(
            listed!(self, Subnets, subnets, "DescribeSubnets", vpc, subnet),
            listed!(self, RouteTables, route_tables, "DescribeRouteTables", vpc, route_table),
            listed!(self, Acls, network_acls, "DescribeNetworkAcls", vpc, acl),
            listed!(self, SecurityGroups, security_groups, "DescribeSecurityGroups", vpc, security_group),
        )
    }

    /// What the prefix lists hold that the rules of the stack's groups name: mostly there are none. One that cannot be read
    /// may hold anything.
    async fn prefix_lists(&self, groups: &[SecurityGroup]) -> Vec<PrefixList> {
        let rules = groups.iter().filter(|g| g.step.is_some()).flat_map(|g| g.ingress.iter().chain(&g.egress));
        let ids: BTreeSet<&String> = rules.map(|r| &r.peer).filter(|peer| peer.starts_with("pl-")).collect();
        let read = ids.into_iter().map(async |id: &String| {
            let call = self.aws.ec2.get_managed_prefix_list_entries().prefix_list_id(id).into_paginator();
            let all: Vec<_> = call.items().send().try_collect().await.during("GetManagedPrefixListEntries").ok()?;
            Some(PrefixList { id: id.clone(), cidrs: all.into_iter().filter_map(|e| e.cidr).collect() })
        });
        join_all(read).await.into_iter().flatten().collect()
    }

    /// Who has the say, where a subnet shows that public access is blocked.
    async fn public_access(&self, subnets: &[Subnet]) -> Option<PublicAccess> {
        subnets.iter().find(|s| s.blocked.is_some())?;
        let Options { by_policy, exclusions, .. } = public_access::options(self.aws).await?;
        Some(PublicAccess { by_policy, exclusions })
    }

    /// What instances without public addresses go through: others need none of it.
    async fn ways_out(&self, vpc: Option<&str>) -> (Vec<NatGateway>, Vec<Endpoint>) {
        let Some(vpc) = vpc.filter(|_| self.expected.private_instances) else { return Default::default() };
        futures::join!(
            listed!(self, NatGateways, nat_gateways, "DescribeNatGateways", vpc, nat_gateway),
            listed!(self, Endpoints, vpc_endpoints, "DescribeVpcEndpoints", vpc, endpoint),
        )
    }

    async fn instances(&self, vpc: Option<&str>) -> Vec<read::Found> {
        let Some(vpc) = vpc else { return vec![] };
        let reservations: Vec<Vec<read::Found>> =
            in_vpc!(self, Instances, describe_instances, "DescribeInstances", vpc, |r| read::instances(r, self.whose))
                .await;
        reservations.into_iter().flatten().collect()
    }

    async fn mount_targets(&self, files: Option<&Files>) -> Rc<Vec<MountTargetDescription>> {
        let Some(files) = files else { return Rc::default() };
        self.see(Part::MountTargets, "DescribeMountTargets", listing::mount_targets(self.aws, &files.id)).await
    }

    async fn mount_groups(&self, all: &[MountTargetDescription]) -> Vec<MountTarget> {
        let groups = all.iter().map(|t| {
            self.see(Part::MountTargets, "DescribeMountTargetSecurityGroups", async {
                Ok(listing::mount_target_groups(self.aws, all, t.mount_target_id()).await?.unwrap_or_default())
            })
        });
        let groups = join_all(groups).await;
        all.iter().cloned().zip(groups).map(|(t, groups)| MountTarget { groups, ..read::mount_target(t) }).collect()
    }
}
