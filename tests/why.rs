//! The rules of `gameday why`: each row breaks a snapshot of a working stack in one way, with its consequences, and
//! names the rule that has to come first.
//!
//! Some rows are also kept as files, as somebody without access would get them. `GAMEDAY_BLESS=1` rewrites these files.
use gameday::{
    config::{CacheEngine, DatabaseEngine},
    diagnose::{self, Chain, Finding, HopName, Severity, State},
    error::{Class, Error},
    snapshot::*,
    verdict::{Verdict, Word},
};
use std::{collections::BTreeSet, fs, path::PathBuf};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/why")
}

fn read(name: &str) -> Snapshot {
    Snapshot::from_json(&fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

fn unbroken() -> Snapshot {
    read("unbroken.json")
}

const OTHER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/other/0123456789abcdef";

fn balancer(s: &mut Snapshot) -> &mut Balancer {
    s.balancer.as_mut().unwrap()
}
fn fleet(s: &mut Snapshot) -> &mut AutoScalingGroup {
    s.auto_scaling_group.as_mut().unwrap()
}
fn target_group(s: &mut Snapshot) -> &mut TargetGroup {
    s.target_group.as_mut().unwrap()
}
/// Returns the target group; if there is none, a new one, so that changes to it are harmless.
fn target_group_of(s: &mut Snapshot) -> &mut TargetGroup {
    s.target_group.as_mut().unwrap_or_else(|| Box::leak(Box::default()))
}
fn database(s: &mut Snapshot) -> &mut Database {
    s.database.as_mut().unwrap()
}
/// Makes the database one of PostgreSQL, on its port.
fn of_postgres(s: &mut Snapshot) {
    s.expected.database_engine = DatabaseEngine::Postgres;
    database(s).port = Some(5432);
    for rule in s.security_groups.iter_mut().flat_map(|g| g.ingress.iter_mut().chain(&mut g.egress)) {
        if rule.ports == Some((3306, 3306)) {
            rule.ports = Some((5432, 5432));
        }
    }
}

/// Turns the cache into a cluster of memcached.
fn memcached(s: &mut Snapshot) {
    s.expected.cache_engine = CacheEngine::Memcached;
    let c = cache(s);
    (c.is_cluster, c.port) = (true, Some(11211));
    ports(s, 11211);
}

/// Opens the security groups between the instances and the cache for this port only.
fn ports(s: &mut Snapshot, port: i32) {
    let other = |p: Option<(i32, i32)>| p == Some((6379, 6379)) || p == Some((11211, 11211));
    for rule in &mut app_group(s).egress {
        if other(rule.ports) {
            rule.ports = Some((port, port));
        }
    }
    for rule in &mut group(s, "cache").ingress {
        rule.ports = Some((port, port));
    }
}

fn cache(s: &mut Snapshot) -> &mut Cache {
    s.cache.as_mut().unwrap()
}
fn files(s: &mut Snapshot) -> &mut Files {
    s.files.as_mut().unwrap()
}
fn version(s: &mut Snapshot) -> &mut TemplateVersion {
    &mut s.template.as_mut().unwrap().versions[0]
}
fn group<'a>(s: &'a mut Snapshot, name: &str) -> &'a mut SecurityGroup {
    let step = format!("security-group/{name}");
    s.security_groups.iter_mut().find(|g| g.step.as_deref() == Some(&step)).unwrap()
}
/// Returns the security group of the service's instances.
fn app_group(s: &mut Snapshot) -> &mut SecurityGroup {
    let name = s.expected.own.security_group.clone();
    group(s, &name)
}
fn vpc(s: &mut Snapshot) -> &mut Vpc {
    s.vpc.as_mut().unwrap()
}
/// Sets the name servers that DHCP gives to the instances.
fn told_to_ask(s: &mut Snapshot, servers: &[&str]) {
    let all = servers.iter().map(|&s| s.into()).collect::<Vec<String>>();
    vpc(s).options = Some((!all.is_empty()).then(|| ("domain-name-servers".to_owned(), all)).into_iter().collect());
}
fn public_routes(s: &mut Snapshot) -> &mut RouteTable {
    s.route_tables.iter_mut().find(|t| t.step.as_deref() == Some("route-table/public")).unwrap()
}
fn listener(s: &mut Snapshot) -> &mut Listener {
    &mut s.listeners[0]
}
/// Puts a distribution before the balancer, which is closed to everybody else: by its security group, and by a header
/// that its rules ask for.
fn fronted(s: &mut Snapshot) -> &mut Distribution {
    s.expected.cdn = Some(Cdn { step: "distribution/main".into(), endpoint: true, closed: true, header: true });
    s.expected.http = vec!["pl-0c".into()];
    group(s, "alb").ingress[0].peer = "pl-0c".into();
    s.probe.url = Some("http://d1.cloudfront.net/healthcheck".into());
    let origins = vec![balancer(s).dns_name.clone()];
    let domain = "d1.cloudfront.net".into();
    let to_us = std::mem::replace(&mut listener(s).default, vec![fixed("403")]);
    let header = Condition { header: Some("X-Gameday-Origin".into()), ..condition("http-header", "0a1b2c3d") };
    listener(s).rules.push(Rule { conditions: vec![header], actions: to_us, ..rule(50_000, "", fixed("403")) });
    let header = Some("0a1b2c3d".into());
    s.cdn.insert(Distribution { id: "E1".into(), domain, enabled: true, deployed: true, origins, header })
}
fn fixed(code: &str) -> Action {
    Action::FixedResponse { code: code.into() }
}
fn forward(to: &str) -> Action {
    Action::Forward { targets: vec![Weighted { target_group: to.into(), weight: 1 }] }
}
fn condition(field: &str, value: &str) -> Condition {
    Condition { field: field.into(), header: None, values: vec![value.into()] }
}
/// Turns the stack into one with HTTPS, and a rule that redirects port 80 to it.
fn secure<'a>(s: &'a mut Snapshot, tls: &str) -> &'a mut Certificate {
    s.expected.listener_port = 443;
    (s.expected.tls, s.expected.redirect) = (Some(tls.into()), true);
    let http = s.listeners[0].clone();
    let https = Listener { arn: "arn:listener/https".into(), port: 443, protocol: "HTTPS".into(), ..http };
    let to = Action::Redirect { to: "https://#{host}:443/#{path}".into(), code: "HTTP_301".into() };
    s.listeners[0].rules.insert(0, rule(99, "/*", to));
    s.listeners.push(https);
    for rule in &mut group(s, "alb").ingress {
        rule.ports = rule.ports.map(|_| (443, 443));
    }
    s.probe.url = s.probe.url.take().map(|url| url.replace("http://", "https://"));
    s.certificate.insert(Certificate {
        arn: CERTIFICATE.into(),
        names: vec!["billing.gameday.internal".into()],
        status: "ISSUED".into(),
        expires: Some(s.at + jiff::SignedDuration::from_hours(24 * 300)),
        reason: None,
    })
}
/// The same with a certificate that ACM has not issued, so that there is no listener yet.
fn requested<'a>(s: &'a mut Snapshot, status: &str) -> &'a mut Certificate {
    secure(s, "app.example.com");
    s.listeners.pop();
    let c = s.certificate.as_mut().unwrap();
    (c.names, c.status) = (vec!["app.example.com".into()], status.into());
    c
}
/// Gives the stack a name, whose record points at its balancer.
fn named(s: &mut Snapshot) -> &mut Name {
    s.expected.dns = Some(Dns { name: "app.example.com".into(), zone: None });
    s.probe.url = Some("http://app.example.com/healthcheck".into());
    s.probe.balancer_addresses = s.probe.addresses.clone();
    let target = Some(balancer(s).dns_name.clone());
    s.name.insert(Name { zone: Some("Z0A1B".into()), zone_name: "example.com".into(), target })
}
/// Makes the name one that resolvers do not know.
fn unresolved(s: &mut Snapshot) {
    s.probe.unresolved = Some("failed to lookup address information".into());
    s.probe.answers.clear();
    s.probe.addresses.clear();
}
const CERTIFICATE: &str = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d";

/// Adds an entry of `block`, its rule, and a query to the probed URL.
fn blocked(s: &mut Snapshot, pattern: &str, query: &str) {
    let conditions = vec![condition("query-string", pattern)];
    s.expected.blocks.push(conditions.clone());
    s.listeners[0].rules.insert(0, Rule { conditions, ..rule(1, "", fixed("403")) });
    s.probe.url = s.probe.url.take().map(|url| format!("{url}?{query}"));
}
fn rule(priority: u32, path: &str, action: Action) -> Rule {
    Rule {
        arn: format!("arn:rule/{priority}"),
        priority,
        conditions: vec![condition("path-pattern", path)],
        actions: vec![action],
    }
}
/// Turns the stack into one whose file names one route.
fn routed(s: &mut Snapshot) {
    let ours = target_group(s).arn.clone();
    s.expected.routes = vec!["/lookup*".into()];
    s.listeners[0].default = vec![fixed("404")];
    s.listeners[0].rules = vec![rule(100, "/lookup*", forward(&ours))];
    let host = balancer(s).dns_name.clone();
    s.probe.url = Some(format!("http://{host}/lookup"));
}

/// Makes every target fail its health check.
fn sick(s: &mut Snapshot, reason: &str, description: &str) {
    for t in &mut s.targets {
        (t.state, t.reason) = ("unhealthy".into(), Some(reason.into()));
        t.description = Some(description.into());
    }
    for a in &mut s.probe.answers {
        a.status = Some(503);
    }
}
fn timeouts(s: &mut Snapshot) {
    sick(s, "Target.Timeout", "Request timed out");
    for a in &mut s.probe.answers {
        a.status = Some(504);
    }
}
fn silence(s: &mut Snapshot) {
    for a in &mut s.probe.answers {
        (a.status, a.error) = (None, Some("no answer within 5 s".into()));
    }
}
/// Makes every instance boot and report this.
fn booting(s: &mut Snapshot, stage: &str, error: Option<&str>, seconds: u64) {
    sick(s, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]");
    for (a, i) in s.probe.answers.iter_mut().zip(&s.instances) {
        a.beacon = Some(Beacon {
            instance: Some(i.id.clone()),
            zone: Some(i.zone.clone()),
            stage: stage.into(),
            step: Some(5),
            of: Some(9),
            status: Some(if error.is_some() { "failed" } else { "running" }.into()),
            seconds: Some(seconds),
            error: error.map(Into::into),
            ..Beacon::default()
        });
    }
}
fn fails(s: &mut Snapshot, stage: &str, status: &str) {
    booting(s, stage, None, 70);
    for b in s.probe.answers.iter_mut().filter_map(|a| a.beacon.as_mut()) {
        (b.zone, b.status) = (None, Some(status.into()));
    }
}
fn no_instances(s: &mut Snapshot) {
    s.targets.clear();
    s.instances.clear();
    fleet(s).members.clear();
    for a in &mut s.probe.answers {
        a.status = Some(503);
    }
}
fn cannot_launch(s: &mut Snapshot, message: &str) {
    no_instances(s);
    s.activities.insert(
        0,
        Activity {
            start: "2026-11-21T09:59:00Z".parse().unwrap(),
            status: "Failed".into(),
            description: format!("Launching a new EC2 instance.  Status Reason: {message}"),
            message: Some(message.into()),
            ..Activity::default()
        },
    );
}

type Row = (&'static str, fn(&mut Snapshot), &'static str);

#[rustfmt::skip] // a table
const ROWS: &[Row] = &[
    // Name.
    ("name-does-not-resolve", |s| {
        s.probe.url = Some("http://api.example.com/healthcheck".into());
        s.probe.addresses.clear();
        s.probe.answers.clear();
        s.probe.unresolved = Some("failed to lookup address information".into());
    }, "name-unresolved"),
    ("name-leads-to-the-old-balancer", |s| {
        s.probe.url = Some("http://api.example.com/healthcheck".into());
        s.probe.balancer_addresses = vec!["198.51.100.99".into()];
    }, "name-elsewhere"),
    ("credentials-expired", |s| {
        let e = Error::other("the security token included in the request is expired", "");
        s.gaps = vec![Gap { class: Some(Class::Credentials), ..Gap::new(Part::Balancer, "DescribeLoadBalancers", &e) }];
        s.balancer = None;
        s.listeners.clear();
    }, "credentials"),
    ("answers-503-from-a-full-service", |s| s.probe.answers[0].status = Some(503), "bad-answer"),
    // Distribution.
    ("distribution-deleted", |s| { fronted(s); s.cdn = None; s.probe = Probe::default() }, "cdn-missing"),
    ("distribution-disabled", |s| { fronted(s).enabled = false; silence(s) }, "cdn-disabled"),
    ("distribution-asks-another-server", |s| { fronted(s).origins = vec!["old.example.com".into()] }, "cdn-origin"),
    ("distribution-being-deployed", |s| { fronted(s).deployed = false; silence(s) }, "cdn-deploying"),
    ("a-way-around-the-distribution", |s| { fronted(s); group(s, "alb").ingress[0].peer = "0.0.0.0/0".into() }, "cdn-bypass"),
    ("distribution-without-the-header", |s| { fronted(s).header = None; s.probe.answers[0].status = Some(403) }, "cdn-header-missing"),
    ("distribution-with-another-header", |s| { fronted(s).header = Some("ffffffff".into()); s.probe.answers[0].status = Some(403) }, "cdn-header"),
    ("a-rule-that-asks-for-another-header", |s| { fronted(s); listener(s).rules[0].conditions[0].values = vec!["ffffffff".into()]; s.probe.answers[0].status = Some(403) }, "cdn-header"),
    ("a-listener-that-asks-for-no-header", |s| { fronted(s); listener(s).default = listener(s).rules[0].actions.clone() }, "cdn-unchecked"),
    ("a-rule-that-asks-for-no-header", |s| { fronted(s); listener(s).rules[0].conditions = vec![condition("path-pattern", "/*")] }, "cdn-unchecked"),
    ("the-rule-of-the-distribution-s-requests-deleted", |s| { fronted(s); listener(s).rules.clear(); s.probe.answers[0].status = Some(403) }, "rule-missing"),
    ("the-rule-of-the-distribution-s-requests-answers-itself", |s| { fronted(s); listener(s).rules[0].actions = vec![fixed("503")]; s.probe.answers[0].status = Some(503) }, "rule-fixed"),
    ("a-url-around-the-distribution", |s| { fronted(s); s.probe.url = Some(format!("http://{}/healthcheck", balancer(s).dns_name)); silence(s) }, "cdn-around"),
    // Balancer.
    ("nothing-built-yet", |s| {
        let (whose, expected) = (s.whose.clone(), s.expected.clone());
        *s = Snapshot { version: VERSION, at: s.at, whose, expected, ..Snapshot::default() };
    }, "stack-missing"),
    ("balancer-deleted", |s| {
        s.balancer = None;
        s.listeners.clear();
        target_group(s).balancers.clear();
        for t in &mut s.targets {
            (t.state, t.reason) = ("unused".into(), Some("Target.NotInUse".into()));
        }
        s.probe = Probe::default();
    }, "balancer-missing"),
    ("balancer-being-made", |s| {
        balancer(s).state = "provisioning".into();
        s.probe.unresolved = Some("no such name".into());
        s.probe.answers.clear();
        for t in &mut s.targets {
            t.state = "initial".into();
            t.reason = Some("Elb.RegistrationInProgress".into());
        }
    }, "balancer-provisioning"),
    ("balancer-failed", |s| balancer(s).state = "failed".into(), "balancer-failed"),
    ("balancer-impaired", |s| balancer(s).state = "active_impaired".into(), "balancer-impaired"),
    ("balancer-of-the-internet-instead-of-the-vpc", |s| { s.expected.internal = true; s.probe.answers.clear() }, "balancer-public"),
    ("balancer-internal", |s| { balancer(s).scheme = "internal".into(); silence(s) }, "balancer-internal"),
    ("balancer-in-one-zone", |s| { balancer(s).zones.pop(); }, "balancer-zone-missing"),
    ("balancer-group-without-ingress", |s| { group(s, "alb").ingress.clear(); silence(s) }, "balancer-ingress-missing"),
    ("balancer-group-lets-in-another-port", |s| { group(s, "alb").ingress[0].ports = Some((8080, 8080)); silence(s) }, "balancer-ingress-missing"),
    ("balancer-group-without-egress", |s| { group(s, "alb").egress.clear(); timeouts(s) }, "balancer-egress-missing"),
    ("balancer-with-the-default-group", |s| { balancer(s).groups = vec!["sg-0default".into()]; timeouts(s) }, "balancer-group-wrong"),
    ("balancer-group-deleted", |s| { s.security_groups.retain(|g| g.name != "billing-alb"); silence(s) }, "balancer-group-missing"),
    ("vpc-deleted", |s| {
        s.vpc = None;
        s.subnets.clear();
        s.balancer = None;
        s.listeners.clear();
    }, "vpc-missing"),
    ("subnet-deleted", |s| { s.subnets.retain(|n| n.id != "subnet-0b2"); }, "subnet-missing"),
    ("subnet-without-addresses", |s| s.subnets[0].free_addresses = 3, "subnet-full"),
    ("route-to-the-internet-deleted", |s| { public_routes(s).routes.retain(|r| r.to != "0.0.0.0/0"); silence(s) }, "route-missing"),
    ("route-to-a-deleted-interface", |s| {
        let route = &mut public_routes(s).routes[1];
        (route.via, route.state) = ("eni-0gone".into(), "blackhole".into());
        silence(s);
    }, "route-blackhole"),
    ("route-to-a-nat-gateway", |s| { public_routes(s).routes[1].via = "nat-0any".into(); silence(s) }, "route-not-public"),
    ("route-table-not-associated", |s| { public_routes(s).subnets.clear(); silence(s) }, "route-missing"),
    ("internet-gateway-detached", |s| {
        s.internet_gateways[0].vpc = None;
        public_routes(s).routes[1].state = "blackhole".into();
        silence(s);
    }, "gateway-detached"),
    ("internet-gateway-deleted", |s| {
        s.internet_gateways.clear();
        public_routes(s).routes[1].state = "blackhole".into();
        silence(s);
    }, "gateway-missing"),
    ("network-acl-denies-requests", |s| {
        s.acls[0].entries.insert(0, AclEntry { number: 10, protocol: "6".into(), cidr: "0.0.0.0/0".into(), ports: Some((80, 80)), ..AclEntry::default() });
        silence(s);
    }, "acl-balancer"),
    ("network-acl-denies-answers", |s| {
        s.acls[0].entries.insert(2, AclEntry { number: 10, egress: true, protocol: "6".into(), cidr: "0.0.0.0/0".into(), ports: Some((1024, 65535)), ..AclEntry::default() });
        silence(s);
    }, "acl-balancer"),
    ("network-acl-swapped-for-an-empty-one", |s| {
        let subnets = std::mem::take(&mut s.acls[0].subnets);
        s.acls.push(Acl { id: "acl-0evil".into(), subnets, ..Acl::default() });
        silence(s);
    }, "acl-balancer"),
    // How instances resolve names and reach the internet.
    ("dhcp-names-another-server", |s| { told_to_ask(s, &["10.0.0.9"]); booting(s, "packages", Some("Could not resolve host"), 90) }, "dhcp-dns"),
    ("dhcp-names-nobody", |s| { told_to_ask(s, &[]); timeouts(s) }, "dhcp-no-dns"),
    ("dhcp-names-two-of-google", |s| told_to_ask(s, &["8.8.8.8", "8.8.4.4"]), "dhcp-dns"),
    ("dns-support-off", |s| { vpc(s).dns_support = Some(false); timeouts(s) }, "vpc-dns"),
    ("dns-hostnames-off", |s| { vpc(s).dns_hostnames = Some(false); timeouts(s) }, "vpc-dns-hostnames"),
    ("network-acl-denies-what-goes-out", |s| {
        s.acls[0].entries.insert(2, AclEntry { number: 9, egress: true, protocol: "6".into(), cidr: "0.0.0.0/0".into(), ports: Some((443, 443)), ..AclEntry::default() });
        timeouts(s);
    }, "acl-outbound"),
    // Listener.
    ("listener-deleted", |s| {
        s.listeners.clear();
        target_group(s).balancers.clear();
        sick(s, "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer");
        silence(s);
    }, "listener-missing"),
    ("listener-on-another-port", |s| { s.listeners[0].port = 8080; silence(s) }, "listener-port"),
    ("listener-answers-itself", |s| {
        s.listeners[0].default = vec![fixed("503")];
        target_group(s).balancers.clear();
        sick(s, "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer");
    }, "listener-default-fixed"),
    ("listener-redirects", |s| s.listeners[0].default = vec![Action::Redirect { to: "https://example.com:443/".into(), code: "HTTP_301".into() }], "listener-default-redirect"),
    ("listener-forwards-elsewhere", |s| { s.listeners[0].default = vec![forward(OTHER)]; target_group(s).balancers.clear() }, "listener-default-elsewhere"),
    ("listener-forwards-half-elsewhere", |s| {
        if let Action::Forward { targets } = &mut s.listeners[0].default[0] {
            targets.push(Weighted { target_group: OTHER.into(), weight: 1 });
        }
    }, "listener-default-split"),
    ("listener-speaks-https", |s| s.listeners[0].protocol = "HTTPS".into(), "listener-protocol"),
    ("url-with-a-port-nobody-listens-on", |s| { s.probe.url = s.probe.url.take().map(|u| u.replace("/health", ":8443/health")); silence(s) }, "url-port"),
    ("listener-open-for-paths-without-route", |s| {
        routed(s);
        let ours = target_group(s).arn.clone();
        s.listeners[0].default = vec![forward(&ours)];
    }, "listener-default-open"),
    // Rule.
    ("rule-deleted", |s| { routed(s); s.listeners[0].rules.clear() }, "rule-missing"),
    ("rule-with-another-path", |s| { routed(s); s.listeners[0].rules[0].conditions[0].values = vec!["/look".into()] }, "rule-missing"),
    ("rule-priority-stolen", |s| { routed(s); s.listeners[0].rules.insert(0, rule(1, "/*", fixed("503"))) }, "rule-stolen"),
    ("rule-added-before-the-default", |s| s.listeners[0].rules.push(rule(5, "/*", forward(OTHER))), "rule-stolen"),
    ("rule-forwards-elsewhere", |s| { routed(s); s.listeners[0].rules[0].actions = vec![forward(OTHER)] }, "rule-elsewhere"),
    ("rule-answers-itself", |s| { routed(s); s.listeners[0].rules[0].actions = vec![fixed("403")] }, "rule-fixed"),
    ("rule-for-some-other-path", |s| s.listeners[0].rules.push(rule(5, "/admin*", fixed("403"))), "rule-foreign"),
    ("request-that-a-rule-blocks", |s| { routed(s); blocked(s, "=*drop*", "q=x-DROP-y") }, "request-blocked"),
    ("request-that-a-rule-blocks-by-its-key", |s| blocked(s, "debug=?", "a=1&Debug=2"), "request-blocked"),
    ("request-that-a-rule-blocks-by-its-path", |s| {
        blocked(s, "=x", "y=1");
        let conditions = vec![condition("path-pattern", "/health*")];
        (s.expected.blocks[0], s.listeners[0].rules[0].conditions) = (conditions.clone(), conditions);
    }, "request-blocked"),
    ("block-whose-rule-is-deleted", |s| { blocked(s, "=*drop*", "q=1"); s.listeners[0].rules.clear() }, "block-missing"),
    ("block-whose-rule-answers-otherwise", |s| { blocked(s, "=*drop*", "q=1"); s.listeners[0].rules[0].actions = vec![fixed("200")] }, "block-missing"),
    // The stack's own name.
    ("zone-of-the-name-deleted", |s| { *named(s) = Name::default(); unresolved(s) }, "dns-zone-missing"),
    ("record-of-the-name-deleted", |s| { named(s).target = None; unresolved(s) }, "dns-record-missing"),
    ("record-of-the-name-points-elsewhere", |s| {
        named(s).target = Some("old-1.us-east-1.elb.amazonaws.com".into());
        s.probe.addresses = vec!["198.51.100.7".into()];
    }, "dns-record-elsewhere"),
    ("domain-of-the-name-not-delegated", |s| { named(s); unresolved(s) }, "dns-delegation"),
    ("domain-of-the-name-delegated-to-another-zone", |s| { named(s); s.probe.addresses = vec!["198.51.100.7".into()] }, "dns-delegation"),
    // Certificate.
    ("certificate-that-waits-for-its-proof", |s| { requested(s, "PENDING_VALIDATION"); }, "certificate-pending"),
    ("certificate-that-acm-refuses", |s| requested(s, "FAILED").reason = Some("CAA_ERROR".into()), "certificate-failed"),
    ("certificate-that-was-not-proven-in-time", |s| { requested(s, "VALIDATION_TIMED_OUT"); }, "certificate-failed"),
    ("certificate-expired", |s| { let at = s.at; secure(s, CERTIFICATE).expires = Some(at) }, "certificate-expired"),
    ("certificate-of-ours-expires", |s| {
        let at = s.at;
        secure(s, Expected::SELF_SIGNED).expires = Some(at + jiff::SignedDuration::from_hours(24 * 29));
    }, "certificate-expires"),
    ("certificate-revoked", |s| secure(s, CERTIFICATE).status = "REVOKED".into(), "certificate-not-issued"),
    ("certificate-of-somebody-else", |s| secure(s, CERTIFICATE).arn += "e", "certificate-other"),
    ("https-listener-deleted", |s| { secure(s, CERTIFICATE); s.listeners.pop(); }, "listener-port"),
    ("https-listener-speaks-http", |s| { secure(s, CERTIFICATE); s.listeners[1].protocol = "HTTP".into() }, "listener-protocol"),
    ("redirect-listener-deleted", |s| { secure(s, CERTIFICATE); s.listeners.remove(0); }, "redirect-missing"),
    ("redirect-deleted", |s| { secure(s, CERTIFICATE); s.listeners[0].rules.remove(0); }, "redirect-missing"),
    ("redirect-sent-elsewhere", |s| {
        secure(s, CERTIFICATE);
        let to = "https://example.com:443/".into();
        s.listeners[0].rules[0].actions = vec![Action::Redirect { to, code: "HTTP_301".into() }];
    }, "redirect-missing"),
    ("https-port-closed", |s| { secure(s, CERTIFICATE); group(s, "alb").ingress.clear(); silence(s) }, "balancer-ingress-missing"),
    ("url-that-no-route-takes", |s| { routed(s); s.probe.url = s.probe.url.take().map(|u| u.replace("/lookup", "/metrics")) }, "path-unrouted"),
    // Target group.
    ("target-group-deleted", |s| {
        s.target_group = None;
        s.targets.clear();
        s.listeners.clear();
    }, "listener-missing"),
    ("target-group-deleted-under-a-listener-of-routes", |s| {
        routed(s);
        s.target_group = None;
        s.targets.clear();
        s.expected.routes.clear();
        s.listeners[0].default = vec![fixed("404")];
    }, "listener-default-fixed"),
    ("target-group-on-another-port", |s| {
        target_group(s).port = 8080;
        sick(s, "Target.FailedHealthChecks", "Health checks failed");
    }, "target-group-port"),
    ("target-group-speaks-https", |s| { target_group(s).protocol = "HTTPS".into(); sick(s, "Target.FailedHealthChecks", "Health checks failed") }, "target-group-protocol"),
    ("target-group-in-another-vpc", |s| target_group(s).vpc = "vpc-0other".into(), "target-group-vpc"),
    ("target-group-of-addresses", |s| target_group(s).target_type = "ip".into(), "target-group-type"),
    ("health-check-asks-another-path", |s| {
        target_group(s).health.path = "/nowhere".into();
        sick(s, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [404]");
    }, "health-path"),
    ("health-check-takes-other-codes", |s| {
        target_group(s).health.matcher = "201".into();
        sick(s, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [200]");
    }, "health-codes"),
    ("health-check-on-another-port", |s| { target_group(s).health.port = "81".into(); timeouts(s) }, "health-port"),
    ("targets-time-out", timeouts, "target-timeout"),
    ("targets-refuse", |s| sick(s, "Target.FailedHealthChecks", "Health checks failed"), "target-failed-checks"),
    ("targets-answer-500", |s| sick(s, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [500]"), "target-code-mismatch"),
    ("targets-in-a-zone-that-is-off", |s| sick(s, "Target.NotInUse", "Target is in an Availability Zone that is not enabled for the load balancer"), "target-zone-off"),
    ("balancer-has-an-internal-fault", |s| sick(s, "Elb.InternalError", "Internal error"), "target-internal-error"),
    ("one-target-is-sick", |s| {
        s.targets[0].state = "unhealthy".into();
        s.targets[0].reason = Some("Target.Timeout".into());
    }, "target-timeout"),
    ("balancer-fails-open", |s| {
        timeouts(s);
        for a in &mut s.probe.answers {
            a.status = Some(200);
        }
    }, "target-timeout"),
    ("targets-deregistered", |s| {
        s.targets.clear();
        for a in &mut s.probe.answers {
            a.status = Some(503);
        }
    }, "targets-deregistered"),
    ("targets-draining", |s| {
        for t in &mut s.targets {
            (t.state, t.reason) = ("draining".into(), Some("Target.DeregistrationInProgress".into()));
        }
    }, "targets-deregistered"),
    // Instances.
    ("fleet-deleted", |s| { no_instances(s); s.auto_scaling_group = None }, "fleet-missing"),
    ("fleet-being-deleted", |s| { no_instances(s); fleet(s).status = Some("Delete in progress".into()) }, "fleet-deleting"),
    ("fleet-sized-to-zero", |s| {
        no_instances(s);
        (fleet(s).min, fleet(s).desired, fleet(s).max) = (0, 0, 0);
    }, "fleet-zero"),
    ("fleet-with-a-lower-maximum", |s| fleet(s).max = 2, "fleet-sizes"),
    ("fleet-detached-from-the-target-group", |s| {
        fleet(s).target_groups.clear();
        s.targets.clear();
    }, "fleet-unattached"),
    ("fleet-may-not-launch", |s| { no_instances(s); fleet(s).suspended = vec!["Launch".into()] }, "fleet-suspended"),
    ("fleet-may-not-replace", |s| fleet(s).suspended = vec!["ReplaceUnhealthy".into()], "fleet-suspended"),
    ("fleet-in-a-deleted-subnet", |s| { no_instances(s); fleet(s).subnets = vec!["subnet-0gone".into()] }, "fleet-subnet-gone"),
    ("fleet-in-one-zone", |s| { fleet(s).subnets.pop(); }, "fleet-zone-missing"),
    ("fleet-in-subnets-without-internet", |s| {
        fleet(s).subnets = vec!["subnet-0a2".into(), "subnet-0b2".into()];
        timeouts(s);
    }, "fleet-subnets-private"),
    ("fleet-does-not-ask-the-balancer", |s| fleet(s).health_check_type = "EC2".into(), "fleet-health-type"),
    ("fleet-without-patience", |s| { fleet(s).grace_seconds = 10; timeouts(s) }, "fleet-grace"),
    ("fleet-launches-another-template", |s| { fleet(s).template = Some("lt-0other".into()); timeouts(s) }, "template-foreign"),
    ("template-deleted", |s| { s.template = None; no_instances(s) }, "template-missing"),
    ("template-with-a-foreign-default", |s| {
        let t = s.template.as_mut().unwrap();
        (t.default_version, t.latest_version) = (2, 2);
        t.versions.push(TemplateVersion { number: 2, description: None, ..t.versions[0].clone() });
    }, "template-default-foreign"),
    ("fleet-launches-the-latest-version", |s| fleet(s).template_version = Some("$Latest".into()), "template-version-floating"),
    ("fleet-launches-a-version-that-is-gone", |s| { fleet(s).template_version = Some("7".into()); no_instances(s) }, "template-version-old"),
    ("template-with-the-default-group", |s| { version(s).groups = vec!["sg-0default".into()]; timeouts(s) }, "template-groups"),
    ("template-with-another-image", |s| { version(s).image = Some("ami-0evil".into()); timeouts(s) }, "template-image"),
    ("template-without-user-data", |s| { version(s).user_data_sha256 = None; timeouts(s) }, "template-user-data"),
    ("template-without-profile", |s| { version(s).profile = None; timeouts(s) }, "template-profile"),
    ("template-with-another-type", |s| version(s).instance_type = Some("t3.2xlarge".into()), "template-type"),
    ("template-with-a-key-pair", |s| version(s).key_pair = Some("evil".into()), "template-key-pair"),
    ("instances-of-an-older-version", |s| fleet(s).members[0].template_version = Some("9".into()), "instance-old-version"),
    ("instances-that-a-refresh-replaces", |s| { fleet(s).members[0].template_version = Some("9".into()); fleet(s).refresh = Some(50) }, "instance-refresh"),
    ("no-capacity", |s| cannot_launch(s, "We currently do not have sufficient t3.micro capacity in the Availability Zone you requested (us-east-1a). Launching EC2 instance failed."), "launch-capacity"),
    ("image-gone", |s| cannot_launch(s, "The image id '[ami-0c0ffee0c0ffee000]' does not exist. Launching EC2 instance failed."), "launch-image"),
    ("quota-used-up", |s| cannot_launch(s, "You have requested more vCPU capacity than your current vCPU limit of 5 allows. Launching EC2 instance failed."), "launch-quota"),
    ("template-names-a-deleted-group", |s| cannot_launch(s, "The security group 'sg-0gone' does not exist. Launching EC2 instance failed."), "launch-group"),
    ("profile-gone", |s| cannot_launch(s, "Invalid IAM Instance Profile name. Launching EC2 instance failed."), "launch-profile"),
    ("key-pair-gone", |s| cannot_launch(s, "The key pair 'anna' does not exist. Launching EC2 instance failed."), "launch-key-pair"),
    ("type-not-in-zone", |s| cannot_launch(s, "Your requested instance type (t3.micro) is not supported in your requested Availability Zone (us-east-1e)."), "launch-type"),
    ("subnet-used-up", |s| cannot_launch(s, "There are not enough free addresses in subnet 'subnet-0a1'."), "launch-subnet"),
    ("launching-forbidden", |s| cannot_launch(s, "You are not authorized to perform this operation. Launching EC2 instance failed."), "launch-denied"),
    ("launching-fails-somehow", |s| cannot_launch(s, "Internal error. Launching EC2 instance failed."), "launch-failed"),
    ("instances-are-being-launched", no_instances, "fleet-launching"),
    ("instances-stopped", |s| {
        for i in &mut s.instances {
            i.state = "stopped".into();
        }
        sick(s, "Target.InvalidState", "Target is in the stopped state");
    }, "instance-stopped"),
    ("one-instance-stopped", |s| {
        s.instances[0].state = "stopped".into();
        (s.targets[0].state, s.targets[0].reason) = ("unused".into(), Some("Target.InvalidState".into()));
    }, "instance-stopped"),
    ("instances-terminated", |s| {
        for i in &mut s.instances {
            i.state = "terminated".into();
        }
        s.targets.clear();
        for m in &mut fleet(s).members {
            m.health = "Unhealthy".into();
        }
    }, "instance-terminated"),
    ("instances-in-standby", |s| {
        for m in &mut fleet(s).members {
            m.lifecycle = "Standby".into();
        }
        s.targets.clear();
    }, "instance-standby"),
    ("a-lifecycle-hook-holds-instances", |s| {
        for m in &mut fleet(s).members {
            m.lifecycle = "Pending:Wait".into();
        }
        s.targets.clear();
    }, "instance-hook"),
    ("instances-without-their-profile", |s| {
        for i in &mut s.instances {
            i.profile = None;
        }
        timeouts(s);
    }, "instance-profile"),
    ("profile-deleted", |s| s.profile = Some(Profile::default()), "profile-missing"),
    ("profile-without-role", |s| s.profile = Some(Profile { exists: true, role: None }), "profile-without-role"),
    ("vpc-without-tags", |s| s.vpc = None, "vpc-untagged"),
    ("file-system-without-tags", |s| files(s).untagged = true, "files-untagged"),
    ("instances-with-the-default-group", |s| {
        for i in &mut s.instances {
            i.groups = vec!["sg-0default".into()];
        }
        timeouts(s);
    }, "instance-groups"),
    ("app-group-without-ingress", |s| { app_group(s).ingress.clear(); timeouts(s) }, "app-ingress-missing"),
    ("app-group-lets-in-another-group", |s| { app_group(s).ingress[0].peer = "sg-0default".into(); timeouts(s) }, "app-ingress-missing"),
    ("app-group-without-egress", |s| { app_group(s).egress.retain(|r| r.peer != "0.0.0.0/0"); timeouts(s) }, "app-egress-missing"),
    ("app-group-deleted", |s| { let name = app_group(s).name.clone(); s.security_groups.retain(|g| g.name != name); timeouts(s) }, "app-group-missing"),
    ("ssh-open-to-all", |s| app_group(s).ingress.push(GroupRule { protocol: "tcp".into(), ports: Some((22, 22)), peer: "0.0.0.0/0".into() }), "group-open"),
    ("ssh-of-the-team-revoked", |s| s.expected.ssh = vec!["198.51.100.7/32".into()], "app-ssh-missing"),
    ("instances-without-public-address", |s| {
        for i in &mut s.instances {
            i.public_ip = None;
        }
        timeouts(s);
    }, "instance-no-address"),
    ("one-zone-empty", |s| {
        for m in &mut fleet(s).members {
            m.zone = "us-east-1a".into();
        }
    }, "zone-empty"),
    ("zones-uneven", |s| {
        let more: Vec<Member> = (0..2).map(|n| Member { id: format!("i-{n}"), ..fleet(s).members[0].clone() }).collect();
        for m in &more {
            s.targets.push(Target { id: m.id.clone(), ..s.targets[0].clone() });
        }
        fleet(s).members.extend(more);
        fleet(s).desired = 4;
    }, "zone-imbalance"),
    ("a-copy-hangs", |s| {
        for a in &mut s.probe.answers {
            a.copies = [(1, CopyState::Up), (2, CopyState::Down)].into();
        }
    }, "copy-down"),
    ("booting", |s| booting(s, "packages", None, 20), "booting"),
    ("boot-hangs", |s| booting(s, "packages", None, 900), "boot-stuck"),
    // An instance's public report: only the stage, and that it fails.
    ("binary-is-not-to-be-had-and-nobody-is-told-why", |s| fails(s, "fetch", "failed"), "boot-fetch"),
    ("database-cannot-be-set-up-and-nobody-is-told-why", |s| fails(s, "database", "retrying"), "boot-database"),
    ("binary-is-not-to-be-had", |s| booting(s, "fetch", Some("https://example.com/server: curl: (22) The requested URL returned error: 404"), 70), "boot-fetch"),
    ("passwords-are-not-to-be-read", |s| booting(s, "secrets", Some("SSM parameter /gameday/billing/db-app-password: AccessDeniedException"), 70), "boot-secrets"),
    ("service-crashes", |s| booting(s, "service", Some("exit code 2: panic: no such table"), 90), "boot-service"),
    // Database.
    ("database-deleted", |s| { s.database = None; booting(s, "database", Some("MySQL is not reachable at billing-main:3306"), 90) }, "database-missing"),
    ("database-stopped", |s| { database(s).status = "stopped".into(); booting(s, "database", Some("MySQL is not reachable at billing-main:3306: no answer within 4 s"), 90) }, "database-stopped"),
    ("database-being-deleted", |s| database(s).status = "deleting".into(), "database-deleting"),
    ("database-full", |s| database(s).status = "storage-full".into(), "database-full"),
    ("database-broken", |s| database(s).status = "incompatible-parameters".into(), "database-failed"),
    ("database-being-made", |s| {
        database(s).status = "creating".into();
        database(s).host = None;
        no_instances(s);
        fleet(s).desired = 0;
        s.auto_scaling_group = None;
    }, "fleet-missing"),
    ("database-reboots", |s| { database(s).status = "rebooting".into(); sick(s, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [500]") }, "database-busy"),
    ("database-group-without-ingress", |s| { group(s, "db").ingress.clear(); booting(s, "database", Some("MySQL is not reachable at billing-main:3306: no answer within 4 s"), 90) }, "database-ingress"),
    ("database-with-the-default-group", |s| { database(s).groups = vec!["sg-0default".into()]; booting(s, "database", Some("MySQL is not reachable at billing-main:3306: no answer within 4 s"), 90) }, "database-groups"),
    ("app-group-without-egress-to-the-database", |s| { app_group(s).egress.retain(|r| r.ports != Some((3306, 3306))); booting(s, "database", Some("MySQL is not reachable at billing-main:3306: no answer within 4 s"), 90) }, "database-egress"),
    ("database-refuses-the-password", |s| booting(s, "database", Some("wrong password: billing-main refuses the master user: ERROR 1045 (28000)"), 90), "database-credentials"),
    ("database-without-the-table", |s| booting(s, "database", Some("setting up the database: ERROR 1064 (42000) at line 3"), 90), "database-sql"),
    ("database-waits-for-a-reboot", |s| { database(s).parameters.insert("billing-main".into(), "pending-reboot".into()); }, "database-parameters"),
    ("database-without-standby", |s| s.expected.multi_az = true, "database-standby"),
    ("postgres-group-without-ingress", |s| { of_postgres(s); group(s, "db").ingress.clear(); booting(s, "database", Some("PostgreSQL is not reachable at billing-main:5432: no answer within 4 s"), 90) }, "database-ingress"),
    ("postgres-refuses-the-password", |s| { of_postgres(s); booting(s, "database", Some("wrong password: billing-main refuses the master user: FATAL: password authentication failed"), 90) }, "database-credentials"),
    ("postgres-open-to-all", |s| { of_postgres(s); group(s, "db").ingress.push(GroupRule { protocol: "tcp".into(), ports: Some((5432, 5432)), peer: "0.0.0.0/0".into() }) }, "group-open"),
    ("database-open-to-all", |s| group(s, "db").ingress.push(GroupRule { protocol: "tcp".into(), ports: Some((3306, 3306)), peer: "0.0.0.0/0".into() }), "group-open"),
    ("network-acl-of-the-data-denies", |s| {
        s.acls[0].subnets.retain(|n| !n.ends_with('2'));
        s.acls.push(Acl { id: "acl-0evil".into(), subnets: vec!["subnet-0a2".into(), "subnet-0b2".into()], ..Acl::default() });
    }, "acl-database"),
    // Cache.
    ("cache-deleted", |s| { s.cache = None; booting(s, "cache", Some("Redis is not reachable at billing-main:6379"), 90) }, "cache-missing"),
    ("cache-being-made", |s| { cache(s).status = "creating".into(); cache(s).host = None; booting(s, "cache", Some("Redis is not reachable"), 90) }, "cache-creating"),
    ("cache-being-deleted", |s| cache(s).status = "deleting".into(), "cache-deleting"),
    ("cache-failed", |s| cache(s).status = "create-failed".into(), "cache-failed"),
    ("cache-wants-tls", |s| { cache(s).tls = true; booting(s, "cache", Some("Redis at billing-main:6379 is connected, but does not answer PING within 3 s (is TLS on?)"), 90) }, "cache-tls"),
    ("cache-group-without-ingress", |s| { group(s, "cache").ingress.clear(); booting(s, "cache", Some("Redis is not reachable at billing-main:6379: no answer within 4 s"), 90) }, "cache-ingress"),
    ("cache-with-the-default-group", |s| { cache(s).groups = vec!["sg-0default".into()]; booting(s, "cache", Some("Redis is not reachable"), 90) }, "cache-groups"),
    ("app-group-without-egress-to-the-cache", |s| { app_group(s).egress.retain(|r| r.ports != Some((6379, 6379))); booting(s, "cache", Some("Redis is not reachable"), 90) }, "cache-egress"),
    ("cache-without-replica", |s| s.expected.cache_nodes = 2, "cache-replica-missing"),
    ("memcached-deleted", |s| { memcached(s); s.cache = None }, "cache-missing"),
    ("memcached-is-rebooted", |s| { memcached(s); cache(s).status = "rebooting cluster nodes".into(); booting(s, "cache", Some("memcached is not reachable at billing-main:11211"), 90) }, "cache-rebooting"),
    ("memcached-in-a-wrong-network", |s| { memcached(s); cache(s).status = "incompatible-network".into() }, "cache-failed"),
    ("memcached-wants-tls", |s| { memcached(s); cache(s).tls = true; booting(s, "cache", Some("memcached at billing-main:11211 is connected, but does not tell its version within 3 s (is TLS on?)"), 90) }, "cache-tls"),
    ("memcached-without-its-second-node", |s| { memcached(s); s.expected.cache_nodes = 2 }, "cache-replica-missing"),
    ("memcached-with-the-port-of-redis", |s| { memcached(s); ports(s, 6379); booting(s, "cache", Some("memcached is not reachable at billing-main:11211: no answer within 4 s"), 90) }, "cache-ingress"),
    ("cache-is-silent", |s| booting(s, "cache", Some("Redis is not reachable at billing-main:6379"), 90), "boot-cache"),
    // Files.
    ("file-system-deleted", |s| { s.files = None; timeouts(s) }, "files-missing"),
    ("file-system-being-deleted", |s| files(s).state = "deleting".into(), "files-deleting"),
    ("mount-target-deleted", |s| { files(s).mount_targets.pop(); }, "files-zone-missing"),
    ("mount-target-being-made", |s| { files(s).mount_targets[0].state = "creating".into(); timeouts(s) }, "files-mount-target"),
    ("files-group-without-ingress", |s| group(s, "files").ingress.clear(), "files-ingress"),
    ("mount-target-with-the-default-group", |s| files(s).mount_targets[1].groups = vec!["sg-0default".into()], "files-groups"),
    ("app-group-without-egress-to-the-files", |s| app_group(s).egress.retain(|r| r.ports != Some((2049, 2049))), "files-egress"),
    // Alarms.
    ("alarm", |s| s.alarms.push(Alarm { name: "billing-slow".into(), reason: Some("Threshold Crossed".into()), ..Alarm::default() }), "alarm"),
];

/// The rows that are also kept as files.
const KEPT: &[&str] = &[
    "nothing-built-yet",
    "listener-deleted",
    "internet-gateway-detached",
    "app-group-without-ingress",
    "database-stopped",
    "database-refuses-the-password",
    "no-capacity",
    "rule-priority-stolen",
];

fn told(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|f| format!("\n    {:?} {}{}: {}", f.severity, f.rule, if f.symptom { "~" } else { "" }, f.cause))
        .collect()
}

#[test]
fn an_unbroken_stack_has_nothing_to_say() {
    let s = unbroken();
    let chain = diagnose::chain(&s);
    assert!(chain.findings().is_empty(), "{}", told(&diagnose::why(&s)));
    assert!(!chain.broken());
    let states: Vec<_> = chain.hops.iter().map(|h| (h.hop, h.state)).collect();
    assert!(states.iter().all(|(_, state)| *state == State::Good), "{states:?}");
    assert_eq!(states.len(), 10);
    let mut with_routes = unbroken();
    routed(&mut with_routes);
    assert_eq!(diagnose::why(&with_routes), vec![]);
}

#[test]
fn every_breakage_is_named_by_its_cause_first() {
    let mut wrong = vec![];
    for (name, mutate, expected) in ROWS {
        let mut s = unbroken();
        mutate(&mut s);
        let findings = diagnose::why(&s);
        if findings.first().map(|f| f.rule) != Some(expected) {
            wrong.push(format!("{name}: wanted {expected}, got{}", told(&findings)));
        }
        for f in &findings {
            assert!(!f.cause.is_empty() && !f.evidence.trim().is_empty() && !f.command.is_empty(), "{name}: {f:?}");
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ROWS.len(), wrong.join("\n"));
    every_command_can_be_pasted();
    let rules: BTreeSet<&str> = ROWS.iter().map(|r| r.2).collect();
    assert!(rules.len() >= 100, "{} distinct causes", rules.len());
}

/// Asserts that every command can be pasted into a shell, in every row and also if the network is the user's own.
fn every_command_can_be_pasted() {
    let mut commands = BTreeSet::new();
    for (_, mutate, _) in ROWS {
        let mut s = unbroken();
        mutate(&mut s);
        for network in [gameday::config::Origin::Create, gameday::config::Origin::Use] {
            s.expected.network = network;
            commands.extend(diagnose::why(&s).into_iter().map(|f| f.command));
        }
    }
    for command in &commands {
        assert!(command.split(" && ").all(|c| c.starts_with("gameday ") || c.starts_with("aws ")), "{command}");
        assert!(!command.contains('…'), "{command}");
    }
    let script = commands.iter().map(|c| format!("{c}\n")).collect::<String>();
    let check = std::process::Command::new("bash").args(["-n", "-c", &script]).output().expect("bash");
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

/// Objects that come with a VPC are repaired by `up` if the VPC is the stack's; in an existing VPC, a command is given.
#[test]
fn what_comes_with_a_vpc_is_repaired_in_ours_and_only_named_in_others() {
    let main_lost_its_route = |s: &mut Snapshot| {
        // No subnet has a route table of its own, so the main one decides.
        s.route_tables.retain(|t| t.main);
        let main = &mut s.route_tables[0];
        main.subnets.clear();
        main.routes.retain(|r| r.to != "0.0.0.0/0");
        silence(s);
    };
    type Row<'a> = (&'a dyn Fn(&mut Snapshot), &'a str, &'a str);
    let rows: [Row<'_>; 7] = [
        (
            &|s| {
                s.acls[0].entries.insert(
                    0,
                    AclEntry { number: 5, protocol: "-1".into(), cidr: "0.0.0.0/0".into(), ..AclEntry::default() },
                )
            },
            "acl-balancer",
            "aws ec2 delete-network-acl-entry --network-acl-id acl-0main --rule-number 5 --ingress",
        ),
        (
            &|s| s.acls[0].entries.retain(|e| !e.allow || !e.egress),
            "acl-balancer",
            "aws ec2 create-network-acl-entry --network-acl-id acl-0main --rule-number 90 --egress --protocol=-1 \
             --cidr-block 0.0.0.0/0 --rule-action allow",
        ),
        (
            &main_lost_its_route,
            "route-missing",
            "aws ec2 create-route --route-table-id rtb-0main --destination-cidr-block 0.0.0.0/0 --gateway-id igw-0main",
        ),
        (
            &|s| {
                told_to_ask(s, &["10.0.0.9"]);
                timeouts(s)
            },
            "dhcp-dns",
            "aws ec2 associate-dhcp-options --dhcp-options-id dopt-0usual --vpc-id vpc-0main",
        ),
        (
            &|s| {
                told_to_ask(s, &[]);
                vpc(s).usual_options = None;
                timeouts(s)
            },
            "dhcp-no-dns",
            "aws ec2 create-dhcp-options --dhcp-configurations Key=domain-name-servers,Values=AmazonProvidedDNS",
        ),
        (
            &|s| {
                vpc(s).dns_support = Some(false);
                timeouts(s)
            },
            "vpc-dns",
            "aws ec2 modify-vpc-attribute --vpc-id vpc-0main --enable-dns-support Value=true",
        ),
        (
            &|s| {
                vpc(s).dns_hostnames = Some(false);
                timeouts(s)
            },
            "vpc-dns-hostnames",
            "aws ec2 modify-vpc-attribute --vpc-id vpc-0main --enable-dns-hostnames Value=true",
        ),
    ];
    for (mutate, rule, command) in rows {
        let mut s = unbroken();
        mutate(&mut s);
        s.expected.network = gameday::config::Origin::Create;
        let found = diagnose::why(&s);
        assert_eq!((found[0].rule, found[0].command.as_str()), (rule, "gameday up"), "{}", told(&found));
        s.expected.network = gameday::config::Origin::Use;
        let found = diagnose::why(&s);
        assert_eq!((found[0].rule, found[0].command.as_str()), (rule, command), "{}", told(&found));
    }
    // The user's own name server can know every name. While everything works, the finding is weak; `up` does not give
    // up because of it.
    let mut s = unbroken();
    told_to_ask(&mut s, &["10.0.0.9", "10.0.0.10"]);
    s.expected.network = gameday::config::Origin::Use;
    assert_eq!(diagnose::why(&s).iter().map(|f| f.severity).collect::<Vec<_>>(), [Severity::Weak]);
    timeouts(&mut s);
    assert!(!diagnose::why(&s)[0].stays());
    // Nothing is wrong if Amazon's name server is also listed.
    let mut s = unbroken();
    told_to_ask(&mut s, &["AmazonProvidedDNS", "10.0.0.9"]);
    assert_eq!(diagnose::why(&s), vec![]);
}

/// A name has nothing to say when all is well, and neither has a certificate for it.
#[test]
fn a_name_that_points_at_the_balancer_is_no_breakage() {
    let mut s = unbroken();
    named(&mut s);
    assert_eq!(diagnose::why(&s), vec![]);
    secure(&mut s, "app.example.com").names = vec!["app.example.com".into()];
    assert_eq!(diagnose::why(&s), vec![]);
    // Without the look at Route 53 nothing is said about the record.
    s.name = None;
    assert_eq!(diagnose::why(&s), vec![]);
}

/// HTTPS has nothing to say when all is well, and neither has a URL that is redirected to it.
#[test]
fn a_redirect_to_https_is_no_breakage() {
    let mut s = unbroken();
    secure(&mut s, Expected::SELF_SIGNED);
    assert_eq!(diagnose::why(&s), vec![]);
    s.probe.url = s.probe.url.take().map(|url| url.replace("https://", "http://"));
    s.probe.answers.iter_mut().for_each(|a| a.status = Some(301));
    assert_eq!(diagnose::why(&s), vec![]);
    // Without HTTPS in the stack file such a rule takes the service's requests.
    s.expected.tls = None;
    assert_eq!(diagnose::why(&s)[0].rule, "rule-stolen");
}

/// A rule for all ports opens the one port of the store that the stack has.
#[test]
fn a_rule_for_all_ports_is_one_finding() {
    for name in ["db", "cache", "files"] {
        for memcached_and_postgres in [false, true] {
            let mut s = unbroken();
            if memcached_and_postgres {
                of_postgres(&mut s);
                memcached(&mut s);
            }
            let open = GroupRule { protocol: "-1".into(), ports: None, peer: "0.0.0.0/0".into() };
            group(&mut s, name).ingress.push(open);
            let rules: Vec<_> = diagnose::why(&s).into_iter().map(|f| f.rule).collect();
            assert_eq!(rules, ["group-open"], "{name}");
        }
    }
}

/// An internal balancer needs no way to the internet, and serves although nothing is asked from outside.
#[test]
fn an_internal_balancer_is_judged_from_its_vpc() {
    let mut s = unbroken();
    s.expected.internal = true;
    s.expected.http = vec!["10.0.0.0/16".into()];
    balancer(&mut s).scheme = "internal".into();
    let group = group(&mut s, "alb");
    group.ingress.iter_mut().for_each(|rule| rule.peer = "10.0.0.0/16".into());
    s.probe = Probe { url: s.probe.url.take(), unasked: Some("the balancer is internal".into()), ..Probe::default() };
    // The ways out of the instances are judged on their own: here they share the balancer's subnets.
    assert_eq!(diagnose::why(&s), vec![]);
    assert_eq!(Verdict::of(&s).word(), Word::Serving);
    for table in &mut s.route_tables {
        table.routes.retain(|r| r.to != "0.0.0.0/0");
    }
    let about_balancer = |s: &Snapshot| diagnose::chain(s).hop(HopName::Balancer).unwrap().findings.len();
    assert_eq!(about_balancer(&s), 0, "{:?}", diagnose::why(&s));
    s.expected.internal = false;
    assert!(about_balancer(&s) > 1, "{:?}", diagnose::why(&s));
}

/// If nothing is asked from outside, the verdict follows from what is known of the path: neither from weak findings,
/// nor from those about future instances or what instances need.
#[test]
fn a_way_that_is_broken_does_not_serve_although_the_targets_are_healthy() {
    let stops = [
        "balancer-group-without-ingress",
        "balancer-group-without-egress",
        "balancer-internal",
        "route-to-the-internet-deleted",
        "route-table-not-associated",
        "internet-gateway-detached",
        "network-acl-denies-requests",
        "network-acl-denies-answers",
        "listener-deleted",
        "listener-on-another-port",
        "listener-answers-itself",
        "listener-forwards-elsewhere",
        "rule-deleted",
        "rule-priority-stolen",
        "rule-added-before-the-default",
        "target-group-speaks-https",
        "instances-with-the-default-group",
        "app-group-without-ingress",
    ];
    let serves = [
        "balancer-impaired",
        "subnet-deleted",
        "subnet-without-addresses",
        "listener-open-for-paths-without-route",
        "rule-for-some-other-path",
        "target-group-on-another-port",
        "health-check-asks-another-path",
        "health-check-on-another-port",
        "fleet-with-a-lower-maximum",
        "fleet-may-not-replace",
        "fleet-does-not-ask-the-balancer",
        "template-with-a-foreign-default",
        "instances-without-their-profile",
        "instances-without-public-address",
        "one-zone-empty",
        "app-group-deleted",
        "ssh-open-to-all",
        "database-stopped",
        "database-deleted",
        "database-group-without-ingress",
        "cache-deleted",
        "file-system-deleted",
        "mount-target-being-made",
        "vpc-without-tags",
        "file-system-without-tags",
        "profile-deleted",
        "alarm",
    ];
    let serving = |mutate: &dyn Fn(&mut Snapshot)| {
        let mut s = unbroken();
        let (targets, instances, members) = (s.targets.clone(), s.instances.len(), fleet(&mut s).members.clone());
        mutate(&mut s);
        // The emulator's targets stay healthy, whatever the network is like.
        (s.targets, fleet(&mut s).members) = (targets, members);
        assert_eq!(s.instances.len(), instances);
        s.probe.answers.clear();
        (s.probe.addresses, s.probe.unasked) = (vec![], Some("an emulator".into()));
        Verdict::of(&s)
    };
    assert!(serving(&|_| {}).serving());
    let row = |name: &str| ROWS.iter().find(|r| r.0 == name).unwrap_or_else(|| panic!("{name} is a row")).1;
    for name in stops {
        let verdict = serving(&row(name));
        assert!(!verdict.serving() && verdict.to_string().starts_with("NOT SERVING"), "{name}: {verdict}");
    }
    for name in serves {
        let verdict = serving(&row(name));
        let word = verdict.to_string();
        assert!(verdict.serving() && (word.starts_with("SERVING") || word.starts_with("AT RISK")), "{name}: {verdict}");
    }
    // No new instances are launched, but the existing ones go on serving.
    for later in [
        |s: &mut Snapshot| (fleet(s).min, fleet(s).desired, fleet(s).max) = (0, 0, 0),
        |s: &mut Snapshot| fleet(s).status = Some("Delete in progress".into()),
    ] {
        assert!(serving(&later).serving());
    }
    // An answer from outside outweighs the findings.
    let mut s = unbroken();
    s.listeners[0].rules.push(rule(5, "/*", forward(OTHER)));
    assert!(Verdict::of(&s).serving());
}

#[test]
fn names_of_rows_are_unique() {
    let names: BTreeSet<&str> = ROWS.iter().map(|r| r.0).collect();
    assert_eq!(names.len(), ROWS.len());
}

/// A saved snapshot gives the same findings to somebody without access.
#[test]
fn a_saved_snapshot_says_the_same() {
    let bless = std::env::var_os("GAMEDAY_BLESS").is_some();
    if bless {
        fs::write(folder().join("unbroken.json"), unbroken().to_json()).unwrap();
    }
    for name in KEPT {
        let (_, mutate, expected) = ROWS.iter().find(|r| r.0 == *name).unwrap();
        let mut s = unbroken();
        mutate(&mut s);
        let file = format!("{name}.json");
        if bless {
            fs::write(folder().join(&file), s.to_json()).unwrap();
        }
        let saved = read(&file);
        assert!(saved == s, "{file} is not what the row makes");
        assert_eq!(diagnose::why(&saved)[0].rule, *expected, "{file}");
    }
    let text = fs::read_to_string(folder().join("unbroken.json")).unwrap();
    assert!(unbroken().to_json() == text, "the JSON of a snapshot has changed: is its version still right?");
}

/// A snapshot from before the keys of a service's own steps carried the service's name gives the same findings, also
/// with every breakage.
#[test]
fn a_snapshot_with_the_keys_of_another_time_says_the_same() {
    let old = || read("old-keys.json");
    assert_eq!(old().expected.own, Own { security_group: "app".into(), target_group: None, siblings: vec![] });
    let rules = |s: &Snapshot| diagnose::why(s).iter().map(|f| f.rule).collect::<Vec<_>>();
    assert_eq!(rules(&old()), rules(&unbroken()));
    for (name, mutate, _) in ROWS {
        let (mut then, mut now) = (old(), unbroken());
        mutate(&mut then);
        mutate(&mut now);
        assert_eq!(rules(&then), rules(&now), "{name}");
        assert_eq!(Verdict::of(&then).to_string(), Verdict::of(&now).to_string(), "{name}");
    }
}

#[test]
fn what_was_not_seen_is_unknown_and_never_missing() {
    let e = Error::other("not authorized", "");
    let all = [
        Part::Dns,
        Part::Balancer,
        Part::Listeners,
        Part::Rules,
        Part::Certificate,
        Part::TargetGroup,
        Part::TargetGroupAttributes,
        Part::Targets,
        Part::AutoScalingGroup,
        Part::Activities,
        Part::Template,
        Part::Profile,
        Part::Instances,
        Part::Vpc,
        Part::VpcAttributes,
        Part::DhcpOptions,
        Part::Subnets,
        Part::RouteTables,
        Part::InternetGateways,
        Part::NatGateways,
        Part::Endpoints,
        Part::Acls,
        Part::SecurityGroups,
        Part::Database,
        Part::RefusedRows,
        Part::Cache,
        Part::CacheNodes,
        Part::Files,
        Part::MountTargets,
        Part::Alarms,
    ];
    let unasked = || {
        let mut s = unbroken();
        s.probe = Probe { url: s.probe.url, unasked: Some("an emulator".into()), ..Probe::default() };
        s
    };
    // Each part alone, every pair, then all at once; with answers from outside and without.
    let pairs = all.iter().flat_map(|a| all.iter().map(move |b| if a == b { vec![*a] } else { vec![*a, *b] }));
    let parts = pairs.chain([all.to_vec()]).collect::<Vec<_>>();
    for (parts, is_asked) in parts.iter().flat_map(|p| [(p, true), (p, false)]) {
        let mut s = if is_asked { unbroken() } else { unasked() };
        for part in parts {
            s.gaps.push(Gap::new(*part, "Describe", &e));
            match part {
                Part::Dns => s.name = None,
                Part::Cdn => s.cdn = None,
                Part::Balancer => {
                    s.balancer = None;
                    s.listeners.clear();
                }
                Part::Listeners => s.listeners.clear(),
                Part::Rules => {}
                Part::Certificate => s.certificate = None,
                Part::TargetGroup => {
                    s.target_group = None;
                    s.targets.clear();
                }
                Part::TargetGroupAttributes => target_group_of(&mut s).attributes.clear(),
                Part::Targets => s.targets.clear(),
                Part::AutoScalingGroup => s.auto_scaling_group = None,
                Part::Activities => s.activities.clear(),
                Part::Template => s.template = None,
                Part::Profile => s.profile = None,
                Part::Instances => s.instances.clear(),
                Part::Vpc => s.vpc = None,
                Part::VpcAttributes => {
                    if let Some(v) = &mut s.vpc {
                        (v.dns_support, v.dns_hostnames) = (None, None);
                    }
                }
                Part::DhcpOptions => {
                    if let Some(v) = &mut s.vpc {
                        v.options = None;
                    }
                }
                Part::Subnets => s.subnets.clear(),
                Part::RouteTables => s.route_tables.clear(),
                Part::InternetGateways => s.internet_gateways.clear(),
                Part::NatGateways => s.nat_gateways.clear(),
                Part::Endpoints => s.endpoints.clear(),
                Part::Acls => s.acls.clear(),
                Part::SecurityGroups => s.security_groups.clear(),
                Part::Database => s.database = None,
                Part::RefusedRows => s.database.iter_mut().for_each(|d| d.refused_rows = None),
                Part::Cache => s.cache = None,
                Part::CacheNodes => s.cache.iter_mut().for_each(|c| c.groups.clear()),
                Part::Files => s.files = None,
                Part::MountTargets => {
                    if let Some(f) = &mut s.files {
                        f.mount_targets.clear();
                    }
                }
                Part::Alarms => s.alarms.clear(),
                Part::Name => {}
            }
        }
        let findings = diagnose::why(&s);
        assert!(findings.is_empty(), "{parts:?}:{}", told(&findings));
        for hop in diagnose::chain(&s).hops {
            let absent = hop.state == State::Unknown && hop.evidence.starts_with("no");
            assert!(!absent, "{parts:?}: {hop:?}");
        }
        assert!(diagnose::chain(&s).hops.iter().any(|h| h.state != State::Good) || parts.len() < 3);

        let (verdict, unseen) = (Verdict::of(&s), |of: &[Part]| parts.iter().any(|p| of.contains(p)));
        let way = [
            Part::Balancer,
            Part::Listeners,
            Part::Rules,
            Part::Subnets,
            Part::RouteTables,
            Part::InternetGateways,
            Part::Acls,
            Part::SecurityGroups,
        ];
        let blind = unseen(&[Part::TargetGroup, Part::Targets]) || !is_asked && unseen(&way);
        let word = if blind { Word::Unknown } else { Word::Serving };
        assert_eq!(verdict.word(), word, "{parts:?}, asked {is_asked}: {verdict}");
        assert!(!verdict.to_string().contains("there is no"), "{verdict}");
    }
}

#[test]
fn broken_comes_before_waiting_and_both_before_weak() {
    let mut s = unbroken();
    fleet(&mut s).max = 2;
    cache(&mut s).status = "creating".into();
    cache(&mut s).host = None;
    database(&mut s).status = "stopped".into();
    let severities: Vec<_> = diagnose::why(&s).iter().map(|f| f.severity).collect();
    assert_eq!(severities, [Severity::Broken, Severity::Waiting, Severity::Weak]);
    let chain: Chain = diagnose::chain(&s);
    assert_eq!(chain.hop(HopName::Cache).unwrap().state, State::Busy);
    assert_eq!(chain.hop(HopName::Database).unwrap().state, State::Bad);
    assert_eq!(chain.hop(HopName::Instances).unwrap().state, State::Weak);
}

#[test]
fn groups_that_the_stack_goes_without_are_no_hop() {
    let mut s = unbroken();
    use gameday::config::Mode;
    (s.expected.database, s.expected.cache, s.expected.files) = (Mode::Off, Mode::Off, Mode::Off);
    (s.database, s.cache, s.files) = (None, None, None);
    s.security_groups.retain(|g| !["billing-db", "billing-cache", "billing-files"].contains(&g.name.as_str()));
    assert_eq!(diagnose::why(&s), vec![]);
    assert_eq!(diagnose::chain(&s).hops.len(), 7);
}

#[test]
fn a_distribution_is_the_first_hop_of_a_request() {
    let mut s = unbroken();
    fronted(&mut s);
    assert_eq!(diagnose::why(&s), vec![]);
    let chain = diagnose::chain(&s);
    assert_eq!((chain.hops[1].hop, chain.hops[1].state), (HopName::Cdn, State::Good));
    assert!(chain.is_on_the_way(HopName::Cdn));
    assert_eq!(s.address(), Some("d1.cloudfront.net"));
    // A change that is under way loses nothing: the last one answers.
    s.cdn.as_mut().unwrap().deployed = false;
    let findings = diagnose::why(&s);
    assert_eq!(findings.iter().map(|f| (f.rule, f.severity)).collect::<Vec<_>>(), [("cdn-deploying", Severity::Weak)]);
    // One beside the address of the stack stops nothing.
    s.expected.cdn.as_mut().unwrap().endpoint = false;
    s.cdn = None;
    assert_eq!(diagnose::why(&s)[0].severity, Severity::Weak);
}

/// A diagnosis never panics if something is missing: each field of the snapshot is left out once.
#[test]
fn nothing_that_is_left_out_makes_it_panic() {
    let whole: serde_json::Value = serde_json::to_value(unbroken()).unwrap();
    let mut paths = vec![];
    collect(&whole, String::new(), &mut paths);
    for path in &paths {
        let mut cut = whole.clone();
        let (parent, last) = path.rsplit_once('/').unwrap();
        match cut.pointer_mut(parent).unwrap() {
            serde_json::Value::Object(map) => {
                map.remove(last);
            }
            serde_json::Value::Array(list) => {
                list.remove(last.parse().unwrap());
            }
            _ => unreachable!(),
        }
        if let Ok(s) = serde_json::from_value::<Snapshot>(cut) {
            diagnose::why(&s);
        }
    }
    assert!(paths.len() > 400);
}

fn collect(v: &serde_json::Value, at: String, into: &mut Vec<String>) {
    let mut one = |key: &str, v: &serde_json::Value| {
        let path = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        into.push(path.clone());
        collect(v, path, into);
    };
    match v {
        serde_json::Value::Object(map) => map.iter().for_each(|(k, v)| one(k, v)),
        serde_json::Value::Array(list) => list.iter().enumerate().for_each(|(n, v)| one(&n.to_string(), v)),
        _ => {}
    }
}
