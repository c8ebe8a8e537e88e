//! The look itself: three rounds of calls, each at once. What fails leaves a gap.
use super::{read, *};
use crate::{
    aws::{Aws, error::AwsResult, tags},
    config::{Mode, Origin},
    engine::STACK_TAG,
};
use aws_sdk_cloudwatch::types::StateValue;
use aws_sdk_ec2::types::Filter;
use futures::{FutureExt, future::join_all};
use std::{cell::RefCell, future::Future, time::Duration};

/// What to ask the service from outside.
#[derive(Clone, Debug)]
pub enum Asking {
    /// This path of the balancer's own address.
    Path(String),
    Url(String),
    /// Nothing, for this reason; the path or URL decides which rule is looked at.
    Nothing { at: String, why: String },
}

struct Look<'a> {
    aws: &'a Aws,
    whose: &'a Whose,
    expected: &'a Expected,
    gaps: RefCell<Vec<Gap>>,
}

/// Activities of an Auto Scaling group that are worth reading.
const ACTIVITIES: i32 = 20;
/// No answer may keep the look from ending.
const PATIENCE: Duration = Duration::from_secs(20);

/// Looks at everything once. Never fails: what could not be read is in `gaps`.
pub async fn gather(aws: &Aws, whose: Whose, expected: Expected, asking: &Asking) -> Snapshot {
    let (calls, start) = (aws.calls.reads(), tokio::time::Instant::now());
    let look = Look { aws, whose: &whose, expected: &expected, gaps: RefCell::default() };

    // First what is found by name or tag. Boxed: a call of the SDK is a large future, and a stack is small.
    let (balancer, target_group, group, activities, template, vpc, gateways, database, cache, files, alarms) = futures::join!(
        look.balancer().boxed_local(),
        look.target_group().boxed_local(),
        look.group().boxed_local(),
        look.activities().boxed_local(),
        look.template().boxed_local(),
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
    let (listeners, targets, attributes, network, instances, mounts, version, probe) = futures::join!(
        look.listeners(balancer.as_ref()).boxed_local(),
        look.targets(target_group.as_ref()).boxed_local(),
        look.attributes(target_group.as_ref()).boxed_local(),
        look.network(in_vpc).boxed_local(),
        look.instances(in_vpc).boxed_local(),
        look.mount_targets(files.as_ref()).boxed_local(),
        look.named_version(group.as_ref(), template.as_ref()).boxed_local(),
        super::probe::ask(asking, balancer.as_ref(), group.as_ref().map_or(1, |g| g.members.len())).boxed_local(),
    );

    // And what hangs on those.
    let (listeners, mount_targets) = futures::join!(look.rules(listeners).boxed_local(), look.mount_groups(mounts).boxed_local());

    let (subnets, route_tables, acls, security_groups) = network;
    let of_fleet = |i: &read::Found| {
        i.stack.as_deref() == Some(&whose.stack)
            || group.as_ref().is_some_and(|g| g.members.iter().any(|m| m.id == i.instance.id))
            || targets.iter().any(|t| t.id == i.instance.id)
    };
    let instances = instances.into_iter().filter(of_fleet).map(|i| i.instance).collect();
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
        template: template.map(|mut t| {
            t.versions.extend(version);
            t.versions.sort_by_key(|v| v.number);
            t.versions.dedup_by_key(|v| v.number);
            t
        }),
        instances,
        vpc,
        subnets,
        route_tables,
        internet_gateways: gateways.collect(),
        acls,
        security_groups,
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

/// Only the targets' health: one call.
pub async fn targets(aws: &Aws, target_group: &str) -> Result<Vec<Target>> {
    let call = aws.elb.describe_target_health().target_group_arn(target_group).send().await;
    let found = call.or_absent("DescribeTargetHealth")?.and_then(|f| f.target_health_descriptions);
    Ok(found.unwrap_or_default().into_iter().map(read::target).collect())
}

fn by(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// Every page of an EC2 listing in one VPC.
macro_rules! in_vpc {
    ($look:expr, $part:ident, $describe:ident, $call:literal, $filter:literal, $vpc:expr, $read:expr) => {
        $look.see(Part::$part, $call, async {
            let call = $look.aws.ec2.$describe().filters(by($filter, $vpc));
            let all: Vec<_> = call.into_paginator().items().send().try_collect().await.during($call)?;
            Ok(all.into_iter().map($read).collect::<Vec<_>>())
        })
    };
}

impl Look<'_> {
    /// One part of the look: its value, or nothing and a gap.
    async fn see<T: Default>(&self, part: Part, call: &str, asked: impl Future<Output = Result<T>>) -> T {
        let late = || Error::other(format!("no answer within {} s", PATIENCE.as_secs()), "try again");
        let answer = tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(late()));
        answer.unwrap_or_else(|e| {
            self.gaps.borrow_mut().push(Gap::new(part, call, &e));
            T::default()
        })
    }

    async fn balancer(&self) -> Option<Balancer> {
        self.see(Part::Balancer, "DescribeLoadBalancers", async {
            let call = self.aws.elb.describe_load_balancers().names(&self.expected.names.balancer).send().await;
            let found = call.or_absent("DescribeLoadBalancers")?;
            Ok(found.and_then(|f| f.load_balancers?.into_iter().next()).map(read::balancer))
        })
        .await
    }

    async fn target_group(&self) -> Option<TargetGroup> {
        self.see(Part::TargetGroup, "DescribeTargetGroups", async {
            let call = self.aws.elb.describe_target_groups().names(&self.expected.names.target_group).send().await;
            let found = call.or_absent("DescribeTargetGroups")?;
            Ok(found.and_then(|f| f.target_groups?.into_iter().next()).map(read::target_group))
        })
        .await
    }

    async fn group(&self) -> Option<AutoScalingGroup> {
        self.see(Part::AutoScalingGroup, "DescribeAutoScalingGroups", async {
            let name = &self.expected.names.auto_scaling_group;
            let call = self.aws.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(name).send().await;
            let found = call.during("DescribeAutoScalingGroups")?;
            Ok(found.auto_scaling_groups.and_then(|g| g.into_iter().next()).map(read::group))
        })
        .await
    }

    async fn activities(&self) -> Vec<Activity> {
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
            let call = self.aws.ec2.describe_launch_template_versions();
            let call = call.launch_template_name(&self.expected.names.template).versions("$Default").versions("$Latest");
            let found = call.send().await.or_absent("DescribeLaunchTemplateVersions")?;
            Ok(found.and_then(|f| f.launch_template_versions).and_then(read::template))
        })
        .await
    }

    /// The version that the Auto Scaling group launches, when it is neither the default nor the latest.
    async fn named_version(&self, group: Option<&AutoScalingGroup>, template: Option<&Template>) -> Option<TemplateVersion> {
        let named = group?.template_version.as_ref()?;
        let number: i64 = named.parse().ok()?;
        let template = template.filter(|t| group.is_some_and(|g| g.template.as_ref() == Some(&t.id)))?;
        if template.versions.iter().any(|v| v.number == number) {
            return None;
        }
        self.see(Part::Template, "DescribeLaunchTemplateVersions", async {
            let call = self.aws.ec2.describe_launch_template_versions().launch_template_id(&template.id).versions(named);
            let found = call.send().await.or_absent("DescribeLaunchTemplateVersions")?;
            Ok(found.and_then(|f| f.launch_template_versions?.pop()).map(read::template_version))
        })
        .await
    }

    async fn vpc(&self) -> Option<Vpc> {
        self.see(Part::Vpc, "DescribeVpcs", async {
            let call = self.aws.ec2.describe_vpcs();
            let call = match (&self.expected.vpc, self.expected.network) {
                (Some(id), Origin::Use) => call.vpc_ids(id),
                _ => call.filters(tags::filter(STACK_TAG, &self.whose.stack)),
            };
            let found = call.send().await.or_absent("DescribeVpcs")?;
            Ok(found.and_then(|f| f.vpcs?.into_iter().next()).map(|v| Vpc {
                id: v.vpc_id.unwrap_or_default(),
                cidr: v.cidr_block.unwrap_or_default(),
            }))
        })
        .await
    }

    /// All of the account: one that was detached has no VPC to be found by. An account has a handful.
    async fn gateways(&self) -> Vec<InternetGateway> {
        self.see(Part::InternetGateways, "DescribeInternetGateways", async {
            let call = self.aws.ec2.describe_internet_gateways().into_paginator().items().send();
            let all: Vec<_> = call.try_collect().await.during("DescribeInternetGateways")?;
            Ok(all.into_iter().map(|g| read::gateway(g, &self.whose.stack)).collect())
        })
        .await
    }

    async fn database(&self) -> Option<Database> {
        if self.expected.database != Mode::Create {
            return None;
        }
        self.see(Part::Database, "DescribeDBInstances", async {
            let call = self.aws.rds.describe_db_instances().db_instance_identifier(&self.expected.names.database);
            let found = call.send().await.or_absent("DescribeDBInstances")?;
            Ok(found.and_then(|f| f.db_instances?.into_iter().next()).map(read::database))
        })
        .await
    }

    async fn cache(&self) -> Option<Cache> {
        if self.expected.cache != Mode::Create {
            return None;
        }
        self.see(Part::Cache, "DescribeReplicationGroups", async {
            let name = &self.expected.names.cache;
            // Only a member knows its security groups.
            let (group, members) = futures::try_join!(
                async {
                    let call = self.aws.elasticache.describe_replication_groups().replication_group_id(name);
                    call.send().await.or_absent("DescribeReplicationGroups")
                },
                async {
                    let call = self.aws.elasticache.describe_cache_clusters().into_paginator().items().send();
                    call.try_collect().await.during("DescribeCacheClusters")
                },
            )?;
            let group = group.and_then(|g| g.replication_groups?.into_iter().next());
            Ok(group.map(|g| read::cache(g, &members)))
        })
        .await
    }

    async fn files(&self) -> Option<Files> {
        if self.expected.files == Mode::Off {
            return None;
        }
        self.see(Part::Files, "DescribeFileSystems", async {
            let call = self.aws.efs.describe_file_systems();
            let all = match &self.expected.file_system {
                Some(id) => {
                    let found = call.file_system_id(id).send().await.or_absent("DescribeFileSystems")?;
                    found.and_then(|f| f.file_systems).unwrap_or_default()
                }
                None => {
                    let pages = call.into_paginator().items().send().try_collect().await;
                    let mut all = pages.during("DescribeFileSystems")?;
                    all.retain(|f| tags::efs::from(f.tags()).get(STACK_TAG) == Some(&self.whose.stack));
                    all
                }
            };
            Ok(all.into_iter().next().map(|f| Files {
                id: f.file_system_id,
                state: f.life_cycle_state.as_str().into(),
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
            let call = self.aws.cloudwatch.describe_alarms().state_value(StateValue::Alarm).into_paginator();
            let mut ours = vec![];
            let mut pages = call.send();
            while let Some(page) = pages.next().await {
                let all = page.during("DescribeAlarms")?.metric_alarms.unwrap_or_default();
                let all = all.into_iter().map(read::alarm);
                ours.extend(all.filter(|a| self.expected.alarms.contains(&a.name)));
            }
            Ok(ours)
        })
        .await
    }

    async fn listeners(&self, balancer: Option<&Balancer>) -> Vec<Listener> {
        let Some(balancer) = balancer else { return vec![] };
        self.see(Part::Listeners, "DescribeListeners", async {
            let call = self.aws.elb.describe_listeners().load_balancer_arn(&balancer.arn);
            let found = call.send().await.or_absent("DescribeListeners")?;
            let all = found.and_then(|f| f.listeners).unwrap_or_default();
            Ok(all.into_iter().map(read::listener).collect())
        })
        .await
    }

    async fn rules(&self, mut listeners: Vec<Listener>) -> Vec<Listener> {
        let rules = listeners.iter().map(|l| {
            self.see(Part::Rules, "DescribeRules", async {
                let found = self.aws.elb.describe_rules().listener_arn(&l.arn).send().await;
                let found = found.or_absent("DescribeRules")?.and_then(|f| f.rules).unwrap_or_default();
                let mut rules: Vec<Rule> = found.into_iter().filter_map(read::rule).collect();
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
        self.see(Part::TargetGroup, "DescribeTargetGroupAttributes", async {
            let call = self.aws.elb.describe_target_group_attributes().target_group_arn(&group.arn).send().await;
            let found = call.or_absent("DescribeTargetGroupAttributes")?.and_then(|f| f.attributes);
            Ok(found.unwrap_or_default().into_iter().filter_map(|a| Some((a.key?, a.value?))).collect())
        })
        .await
    }

    async fn network(&self, vpc: Option<&str>) -> (Vec<Subnet>, Vec<RouteTable>, Vec<Acl>, Vec<SecurityGroup>) {
        let Some(vpc) = vpc else { return Default::default() };
        let stack = &self.whose.stack;
        futures::join!(
            in_vpc!(self, Subnets, describe_subnets, "DescribeSubnets", "vpc-id", vpc, |s| read::subnet(s, stack)),
            in_vpc!(self, RouteTables, describe_route_tables, "DescribeRouteTables", "vpc-id", vpc, |t| {
                read::route_table(t, stack)
            }),
            in_vpc!(self, Acls, describe_network_acls, "DescribeNetworkAcls", "vpc-id", vpc, read::acl),
            in_vpc!(self, SecurityGroups, describe_security_groups, "DescribeSecurityGroups", "vpc-id", vpc, |g| {
                read::security_group(g, stack)
            }),
        )
    }

    async fn instances(&self, vpc: Option<&str>) -> Vec<read::Found> {
        let Some(vpc) = vpc else { return vec![] };
        let reservations: Vec<Vec<read::Found>> =
            in_vpc!(self, Instances, describe_instances, "DescribeInstances", "vpc-id", vpc, read::instances).await;
        reservations.into_iter().flatten().collect()
    }

    async fn mount_targets(&self, files: Option<&Files>) -> Vec<MountTarget> {
        let Some(files) = files else { return vec![] };
        self.see(Part::MountTargets, "DescribeMountTargets", async {
            let call = self.aws.efs.describe_mount_targets().file_system_id(&files.id).send().await;
            let found = call.or_absent("DescribeMountTargets")?.and_then(|f| f.mount_targets);
            Ok(found.unwrap_or_default().into_iter().map(read::mount_target).collect())
        })
        .await
    }

    async fn mount_groups(&self, mut targets: Vec<MountTarget>) -> Vec<MountTarget> {
        let groups = targets.iter().map(|t| {
            self.see(Part::MountTargets, "DescribeMountTargetSecurityGroups", async {
                let call = self.aws.efs.describe_mount_target_security_groups().mount_target_id(&t.id).send().await;
                Ok(call.or_absent("DescribeMountTargetSecurityGroups")?.map(|g| g.security_groups).unwrap_or_default())
            })
        });
        let groups = join_all(groups).await;
        for (target, groups) in targets.iter_mut().zip(groups) {
            target.groups = groups;
        }
        targets
    }
}
