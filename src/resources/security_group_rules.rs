//! The exact rules of a security group: missing ones are added, extra ones are revoked.
use super::{prelude::*, security_group::SecurityGroup};
use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, SecurityGroup as AwsGroup, SecurityGroupRule,
    SecurityGroupRuleRequest, SecurityGroupRuleUpdate, UserIdGroupPair,
};
use std::fmt;

/// The wanted rules of a security group.
pub struct SecurityGroupRules {
    pub aws: Aws,
    pub group: Ref<SecurityGroup>,
    /// Inbound rules. At least one rule must exist in total, since a group without rules counts as one without this
    /// step.
    pub ingress: Vec<Rule>,
    pub egress: Vec<Rule>,
    /// Groups whose rules are removed last, because an older fleet still needs them.
    pub spared: Vec<Ref<SecurityGroup>>,
    /// A port of which the same holds.
    pub spared_port: Option<u16>,
    /// True if a rule that lets everybody in is removed last, because requests may still come without the distribution.
    pub is_closing: bool,
}

/// A wanted rule.
pub struct Rule {
    /// `tcp`, `udp`, or `-1` for all protocols and ports.
    pub protocol: &'static str,
    /// The port, 0 for protocol `-1`.
    pub port: u16,
    pub peer: Peer,
    /// The rule's description, with the characters of a group's description.
    pub why: String,
}

/// The other side of a rule.
pub enum Peer {
    /// A range without bits beyond the prefix, as AWS writes it, or the id of a prefix list.
    Cidr(String),
    Group(Ref<SecurityGroup>),
}

/// The range that lets everybody in.
const ANYWHERE: &str = "0.0.0.0/0";

/// The managed fields of a security group's rules.
#[derive(Serialize)]
pub struct Spec {
    rules: Vec<Line>,
}

/// The output, which is empty because no other step refers to the object.
#[derive(Clone, Serialize)]
pub struct Output {}

/// One rule, wanted or found. The field order is the sort order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    egress: bool,
    protocol: String,
    from: i32,
    to: i32,
    peer: Known<String>,
    why: String,
    /// AWS's id of a rule that was found.
    id: Option<String>,
}

impl Resource for SecurityGroupRules {
    const KIND: &'static str = "security-group-rules";
    const OF_PARENT: bool = true;
    const PATIENCE: Duration = Duration::from_secs(120);
    const ACTIONS: &'static [&'static str] = &[
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeSecurityGroups",
        "ec2:ModifySecurityGroupRules",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        // The group is needed even if no rule refers to one.
        let _ = inputs.read(&self.group, |_| ());
        let line = |egress, rule: &Rule| Line {
            egress,
            protocol: rule.protocol.into(),
            from: if rule.protocol == "-1" { -1 } else { rule.port.into() },
            to: if rule.protocol == "-1" { -1 } else { rule.port.into() },
            peer: match &rule.peer {
                Peer::Cidr(cidr) => Known::Now(cidr.clone()),
                Peer::Group(group) => inputs.read(group, |g| g.id.clone()),
            },
            why: rule.why.clone(),
            id: None,
        };
        let (ingress, egress) = (self.ingress.iter(), self.egress.iter());
        let rules = ingress.map(|r| line(false, r)).chain(egress.map(|r| line(true, r)));
        let mut rules = sorted(rules.collect::<Vec<_>>());
        // AWS allows one rule per protocol, port and peer, whatever its description.
        rules.dedup_by(|a, b| a.is(b));
        Spec { rules }
    }
    fn typical(&self) -> Typical {
        Typical::secs(1, 1, 1)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(group) = cx.read(&self.group, |g| g.id.clone()).now() else { return Ok(None) };
        let rules = match self.shown(&group).await? {
            Some(rules) => rules,
            None => self.lines(cx, &group).await?,
        };
        let spec = Spec { rules: sorted(rules) };
        // AWS's initial rule does not count as this step's, unless it is exactly what is wanted.
        if spec.rules.iter().all(Line::is_initial) && !Diff::between(&spec, &self.spec(&Inputs::default())).is_empty() {
            return Ok(None);
        }
        Ok(Some(Found { id: group, spec, output: Some(Output {}), phase: Phase::Ready, tags: cx.inherited() }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let group = cx.read(&self.group, |g| g.id.clone());
        let group = group.get()?;
        self.set(group, &self.lines(cx, group).await?, &want.rules).await
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        self.set(&found.id, &self.with_ids(cx, found).await?, &want.rules).await
    }

    fn interim(&self, cx: &Cx<'_>, found: &Found<Self>, mut want: Spec) -> Spec {
        let spared: Vec<String> = self.spared.iter().filter_map(|g| cx.read(g, |g| g.id.clone()).now()).collect();
        let is_open = |l: &Line, peer: &str| self.is_closing && !l.egress && peer == ANYWHERE;
        let needed = |l: &&Line| {
            l.peer.clone().now().is_some_and(|peer| spared.contains(&peer) || is_open(l, &peer))
                || !l.egress && self.spared_port.is_some_and(|port| (l.from, l.to) == (port.into(), port.into()))
        };
        let more: Vec<Line> =
            found.spec.rules.iter().filter(needed).filter(|l| !want.rules.iter().any(|w| w.is(l))).cloned().collect();
        want.rules.extend(more);
        want.rules.sort();
        want
    }

    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        revoke(&self.aws, &found.id, &self.with_ids(cx, found).await?.iter().collect::<Vec<_>>()).await
    }
}

impl SecurityGroupRules {
    /// Returns the rules as the group shows them: without an extra call, but without ids.
    ///
    /// Only for a look. `None` if the group is not listed or something is being built.
    async fn shown(&self, group: &str) -> Result<Option<Vec<Line>>> {
        if !self.aws.reads.is_look() {
            return Ok(None);
        }
        let all = listing::security_groups(&self.aws).await?;
        Ok(all.iter().find(|g| g.group_id() == Some(group)).map(shown))
    }

    /// Returns the rules that were found, with AWS's ids.
    async fn with_ids(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<Vec<Line>> {
        let known = found.spec.rules.iter().all(|l| l.id.is_some());
        if known { Ok(found.spec.rules.clone()) } else { self.lines(cx, &found.id).await }
    }

    /// Returns the group's rules, from one call for all steps of this kind.
    async fn lines(&self, cx: &Cx<'_>, group: &str) -> Result<Vec<Line>> {
        let groups = ec2_list!(self.aws, cx, security_groups);
        let mut ids: Vec<String> = groups.iter().filter_map(|g| g.group_id().map(Into::into)).collect();
        // A new group may not be listed yet. A filter accepts 200 values.
        if ids.len() > 200 || !ids.iter().any(|id| id == group) {
            ids = vec![group.into()];
        }
        let ids = sorted(ids);
        let key = format!("rules of {}", ids.join(" "));
        let all = self.aws.reads.get(key, async || listed(&self.aws, ids).await).await?;
        Ok(all.iter().filter(|r| r.group_id() == Some(group)).map(line).collect())
    }

    async fn set(&self, group: &str, have: &[Line], want: &[Line]) -> Result<()> {
        let missing: Vec<&Line> = want.iter().filter(|w| !have.iter().any(|h| h.is(w))).collect();
        self.authorize(group, &missing).await?;
        for wanted in want {
            if let Some(old) = have.iter().find(|h| h.is(wanted) && h.why != wanted.why) {
                self.describe(group, old, &wanted.why).await?;
            }
        }
        // Wanted rules are added before others are removed.
        let extra: Vec<&Line> = have.iter().filter(|h| !want.iter().any(|w| h.is(w))).collect();
        revoke(&self.aws, group, &extra).await
    }

    /// Adds the missing rules.
    ///
    /// Only missing ones are sent, because AWS refuses the whole call if one rule exists [AWS 4.5].
    async fn authorize(&self, group: &str, rules: &[&Line]) -> Result<()> {
        for egress in [false, true] {
            let rules = rules.iter().filter(|r| r.egress == egress).map(|r| r.permission());
            let rules = rules.collect::<Result<Vec<_>>>()?;
            if rules.is_empty() {
                continue;
            }
            let ec2 = &self.aws.ec2;
            if egress {
                let call = ec2.authorize_security_group_egress().group_id(group).set_ip_permissions(Some(rules));
                call.send().await.during("AuthorizeSecurityGroupEgress").map(drop).map_err(look_again)?;
            } else {
                let call = ec2.authorize_security_group_ingress().group_id(group).set_ip_permissions(Some(rules));
                call.send().await.during("AuthorizeSecurityGroupIngress").map(drop).map_err(look_again)?;
            }
        }
        Ok(())
    }

    async fn describe(&self, group: &str, rule: &Line, why: &str) -> Result<()> {
        let update = SecurityGroupRuleUpdate::builder()
            .security_group_rule_id(rule.id.clone().unwrap_or_default())
            .security_group_rule(rule.request(why)?)
            .build();
        let call = self.aws.ec2.modify_security_group_rules().group_id(group).security_group_rules(update);
        call.send().await.during("ModifySecurityGroupRules").map(drop)
    }
}

impl Line {
    /// True for AWS's initial rule of a new group, which allows all outbound traffic.
    fn is_initial(&self) -> bool {
        let anywhere = matches!(&self.peer, Known::Now(p) if p == "0.0.0.0/0" || p == "::/0");
        self.egress && self.protocol == "-1" && anywhere && self.why.is_empty()
    }

    /// True if AWS considers the rules equal, whatever their descriptions.
    fn is(&self, other: &Line) -> bool {
        let identity = |l: &Line| (l.egress, l.protocol.clone(), l.from, l.to, l.peer.clone());
        identity(self) == identity(other)
    }

    fn permission(&self) -> Result<IpPermission> {
        let to_peer = IpPermission::builder().ip_protocol(&self.protocol);
        let to_peer = if self.protocol == "-1" { to_peer } else { to_peer.from_port(self.from).to_port(self.to) };
        let (peer, why) = (self.peer.get()?, Some(self.why.clone()).filter(|w| !w.is_empty()));
        Ok(if peer.starts_with("sg-") {
            to_peer.user_id_group_pairs(UserIdGroupPair::builder().group_id(peer).set_description(why).build())
        } else if peer.starts_with("pl-") {
            to_peer.prefix_list_ids(PrefixListId::builder().prefix_list_id(peer).set_description(why).build())
        } else if peer.contains(':') {
            to_peer.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(peer).set_description(why).build())
        } else {
            to_peer.ip_ranges(IpRange::builder().cidr_ip(peer).set_description(why).build())
        }
        .build())
    }

    fn request(&self, why: &str) -> Result<SecurityGroupRuleRequest> {
        // AWS shows the ports as -1 if all are allowed.
        let rule = SecurityGroupRuleRequest::builder().ip_protocol(&self.protocol).description(why);
        let rule = rule.from_port(self.from).to_port(self.to);
        let peer = self.peer.get()?;
        Ok(if peer.starts_with("sg-") {
            rule.referenced_group_id(peer)
        } else if peer.starts_with("pl-") {
            rule.prefix_list_id(peer)
        } else if peer.contains(':') {
            rule.cidr_ipv6(peer)
        } else {
            rule.cidr_ipv4(peer)
        }
        .build())
    }
}

/// Returns the rules of groups, with AWS's ids.
async fn listed(aws: &Aws, groups: Vec<String>) -> Result<Vec<SecurityGroupRule>> {
    let filter = aws_sdk_ec2::types::Filter::builder().name("group-id").set_values(Some(groups)).build();
    let pages = aws.ec2.describe_security_group_rules().filters(filter).into_paginator();
    pages.items().send().try_collect().await.during("DescribeSecurityGroupRules")
}

/// Revokes rules by id.
///
/// By content, AWS requires every detail to match, and reports success if one does not.
async fn revoke(aws: &Aws, group: &str, rules: &[&Line]) -> Result<()> {
    for egress in [false, true] {
        let ids: Vec<String> = rules.iter().filter(|r| r.egress == egress).filter_map(|r| r.id.clone()).collect();
        if ids.is_empty() {
            continue;
        }
        let (ec2, ids) = (&aws.ec2, Some(ids));
        if egress {
            let call = ec2.revoke_security_group_egress().group_id(group).set_security_group_rule_ids(ids);
            call.send().await.during("RevokeSecurityGroupEgress").map(drop).map_err(look_again)?;
        } else {
            let call = ec2.revoke_security_group_ingress().group_id(group).set_security_group_rule_ids(ids);
            call.send().await.during("RevokeSecurityGroupIngress").map(drop).map_err(look_again)?;
        }
    }
    Ok(())
}

/// Revokes all rules of a group.
pub(super) async fn revoke_all(aws: &Aws, group: &str) -> Result<()> {
    let rules: Vec<Line> = listed(aws, vec![group.into()]).await?.iter().map(line).collect();
    revoke(aws, group, &rules.iter().collect::<Vec<_>>()).await
}

/// Returns the rules as the group shows them: without ids.
pub(super) fn shown(group: &AwsGroup) -> Vec<Line> {
    let (ingress, egress) = (group.ip_permissions().iter(), group.ip_permissions_egress().iter());
    ingress.flat_map(|p| lines(false, p)).chain(egress.flat_map(|p| lines(true, p))).collect()
}

/// Returns one rule per peer, in the form of [`line()`].
fn lines(egress: bool, p: &IpPermission) -> Vec<Line> {
    let protocol = p.ip_protocol().unwrap_or_default();
    let port = |port: Option<i32>| port.filter(|_| protocol != "-1").unwrap_or(-1);
    let v4 = p.ip_ranges().iter().map(|r| (r.cidr_ip(), r.description()));
    let v6 = p.ipv6_ranges().iter().map(|r| (r.cidr_ipv6(), r.description()));
    let groups = p.user_id_group_pairs().iter().map(|g| (g.group_id(), g.description()));
    let lists = p.prefix_list_ids().iter().map(|l| (l.prefix_list_id(), l.description()));
    let line = |(peer, why): (Option<&str>, Option<&str>)| Line {
        egress,
        protocol: protocol.into(),
        from: port(p.from_port()),
        to: port(p.to_port()),
        peer: Known::Now(peer.unwrap_or_default().into()),
        why: why.unwrap_or_default().into(),
        id: None,
    };
    v4.chain(v6).chain(groups).chain(lists).map(line).collect()
}

fn line(rule: &SecurityGroupRule) -> Line {
    let group = rule.referenced_group_info().and_then(|g| g.group_id());
    let peer = group.or(rule.cidr_ipv4()).or(rule.cidr_ipv6()).or(rule.prefix_list_id());
    Line {
        egress: rule.is_egress().unwrap_or_default(),
        protocol: rule.ip_protocol().unwrap_or_default().into(),
        from: rule.from_port().unwrap_or(-1),
        to: rule.to_port().unwrap_or(-1),
        peer: Known::Now(peer.unwrap_or_default().into()),
        why: rule.description().unwrap_or_default().into(),
        id: rule.security_group_rule_id().map(Into::into),
    }
}

/// Writes a rule such as `tcp 3306 from sg-1 (the instances)`.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.protocol.as_str(), self.from, self.to) {
            ("-1", ..) => write!(f, "all")?,
            (protocol, from, to) if from == to => write!(f, "{protocol} {from}")?,
            (protocol, from, to) => write!(f, "{protocol} {from}-{to}")?,
        }
        write!(f, " {} {}", if self.egress { "to" } else { "from" }, self.peer)?;
        if self.why.is_empty() { Ok(()) } else { write!(f, " ({})", self.why) }
    }
}

impl Serialize for Line {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
