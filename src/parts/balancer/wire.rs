//! The steps of the load balancer, its listener and its listener rules.
use super::block;
use crate::{
    config::{LAST_PRIORITY, Routing, ServiceScope},
    engine::{Key, Ref, Resource as _},
    parts::{
        Builder,
        access::{self, HTTP, HTTPS},
        network::Network,
        service::Fleet,
        tls::{self, Shown},
    },
    resources::{
        elb::Answer,
        listener::Listener,
        listener_rule::{ListenerRule, Order, Then, WantedRule},
        load_balancer::{ActiveLoadBalancer, LoadBalancer},
        parameter::Parameter,
        rule_condition::Condition,
    },
};
use std::rc::Rc;

/// The handle of the load balancer.
pub(crate) type Balancer = Ref<LoadBalancer>;

/// The steps that route the requests of one service to its target group: the listener, and its rules for the service.
pub(crate) type Route = Vec<Key>;

/// Wires the load balancer.
///
/// Other steps need only its ARN, so waiting until it is active is a step of its own.
pub(crate) fn wire(b: &mut Builder<'_>, network: &Network, groups: &access::Groups, rules: &access::Rules) -> Balancer {
    let internal = b.config.has_internal_balancer();
    // AWS refuses an internet-facing balancer in a VPC without an internet gateway.
    let reachable: Vec<&Key> = network.reachable.iter().filter(|_| !internal).collect();
    let subnets = match internal {
        false => &network.public,
        true if b.config.has_private_instances() => &network.app,
        true => &network.private,
    };
    let (subnets, groups) = (subnets.clone(), vec![groups.balancer.clone()]);
    let named = b.config.dns.as_ref().map(|dns| dns.name.clone());
    let balancer = LoadBalancer { aws: b.aws(), internal, subnets, groups, idle_timeout: 60, named };
    let balancer = b.add_after("main", balancer, &reachable);
    b.add_after("main", ActiveLoadBalancer::new(b.aws(), balancer.clone()), &[&rules.balancer]);
    balancer
}

/// Returns the service to which a rule of this name belongs, if it belongs to one: `api` for `api-1`.
pub(crate) fn service_of(rule: &str) -> Option<&str> {
    let (service, number) = rule.strip_suffix(tls::SUFFIX).unwrap_or(rule).rsplit_once('-')?;
    Some(service).filter(|service| *service != block::PREFIX && number.parse::<u32>().is_ok())
}

/// Wires the listeners and their rules.
///
/// Both listeners have all rules, so that no request is lost when one of them is added or removed: only then requests
/// on port 80 are redirected, or answered again.
///
/// With a `header`, they forward only requests that have it.
pub(crate) fn route(
    b: &mut Builder<'_>,
    balancer: &Balancer,
    fleets: &[Fleet],
    rules: &access::Rules,
    header: Option<Ref<Parameter>>,
) -> Vec<Route> {
    let door = Door { name: "http", port: HTTP, suffix: "", certificate: None, header };
    let (listener, all, mut routes) = serve(b, balancer, fleets, rules, &door);
    if let Some(certificate) = tls::wire(b) {
        let door =
            Door { certificate: Some(certificate), name: "https", port: HTTPS, suffix: tls::SUFFIX, header: None };
        let (_, _, secure) = serve(b, balancer, fleets, rules, &door);
        tls::redirect(b, &listener, all, &secure, rules);
        routes.iter_mut().zip(secure).for_each(|(route, more)| route.extend(more));
    }
    routes
}

/// A listener of the balancer, and what distinguishes the names of its rules.
struct Door {
    name: &'static str,
    port: u16,
    suffix: &'static str,
    certificate: Option<Shown>,
    /// The value of the header that requests must have.
    header: Option<Ref<Parameter>>,
}

/// The name of the rule for the requests of CloudFront that no service's rule matches.
const FROM_CLOUDFRONT: &str = "cloudfront-requests";

/// The key of that rule.
pub(crate) const CLOUDFRONT_RULE: &str = "listener-rule/cloudfront-requests";

/// Wires one listener and its rules. Returns the listener, its rules as they see each other, and the routes.
///
/// While an older fleet serves, the routes change only after the new fleet exists and is healthy. The fleet itself must
/// never wait for the routes, or both would wait for each other.
fn serve(
    b: &mut Builder<'_>,
    balancer: &Balancer,
    fleets: &[Fleet],
    rules: &access::Rules,
    door: &Door,
) -> (Ref<Listener>, Rc<[WantedRule]>, Vec<Route>) {
    let (config, facts) = (b.config, b.facts);
    let each = || config.services().zip(fleets);
    let handed_over = each().filter(|(service, _)| facts.is_handed_over(config, *service));
    let mut after: Vec<&Key> = handed_over.map(|(_, fleet)| fleet.group.key()).collect();
    if !after.is_empty() {
        after.push(&rules.balancer);
    }
    after.extend(door.certificate.iter().flat_map(|shown| &shown.issued));
    // If every service has routes, the balancer itself answers other paths with 404.
    let default = each().find(|(service, _)| service.is_default());
    let listener = Listener {
        aws: b.aws(),
        balancer: balancer.clone(),
        target: default.map(|(_, fleet)| fleet.target.clone()),
        closed: door.header.is_some(),
        port: door.port,
        certificate: door.certificate.as_ref().map(|shown| shown.certificate.clone()),
        enough: default.or_else(|| each().next()).map_or(1, |(service, _)| service.desired as i32),
    };
    let listener = b.add_after(door.name, listener, &after);
    let mut routes = vec![];
    let name = |service: &str, n: usize| format!("{service}-{}{}", n + 1, door.suffix);
    let of_service = |s: ServiceScope<'_>| {
        let wanted = |(n, routing): (usize, Routing)| WantedRule {
            key: Key::new(ListenerRule::KIND, &name(s.name, n)),
            order: Order::Specific { service: s.name.to_owned(), routing },
        };
        config.rules_of(&s).into_iter().enumerate().map(wanted).collect::<Vec<_>>()
    };
    let of_services = config.services().flat_map(of_service);
    let redirect = tls::rule(config).filter(|_| door.certificate.is_none());
    // No rule can match what lacks a header. So each rule asks for it, and the last one takes what only has it.
    let last = WantedRule { key: Key::new(ListenerRule::KIND, FROM_CLOUDFRONT), order: Order::At(LAST_PRIORITY) };
    let last = door.header.is_some().then_some(last);
    let all: Rc<[WantedRule]> =
        block::rules(config, door.suffix).chain(of_services).chain(last).chain(redirect).collect();
    let refused = block::wire(b, &listener, door.suffix, &all);
    let mut index = refused.len();
    for (service, fleet) in each() {
        let mut route = [std::slice::from_ref(listener.key()), &refused].concat();
        for (i, routing) in config.rules_of(&service).into_iter().enumerate() {
            let rule = ListenerRule {
                aws: b.aws(),
                listener: listener.clone(),
                conditions: conditions(routing),
                header: door.header.clone(),
                then: Then::Forward(fleet.target.clone()),
                enough: service.desired as i32,
                all: all.clone(),
                index,
            };
            index += 1;
            route.push(b.add(&name(service.name, i), rule).key().clone());
        }
        routes.push(route);
    }
    if door.header.is_some() {
        let rule = ListenerRule {
            aws: b.aws(),
            listener: listener.clone(),
            conditions: vec![],
            header: door.header.clone(),
            then: match default {
                Some((_, fleet)) => Then::Forward(fleet.target.clone()),
                None => Then::Answer(Answer::NotFound),
            },
            enough: default.map_or(1, |(service, _)| service.desired as i32),
            all: all.clone(),
            index,
        };
        let key = b.add(FROM_CLOUDFRONT, rule).key().clone();
        let of_default = each().position(|(service, _)| service.is_default());
        routes
            .iter_mut()
            .enumerate()
            .filter(|(i, _)| of_default.is_none_or(|d| d == *i))
            .for_each(|(_, route)| route.push(key.clone()));
    }
    (listener, all, routes)
}

/// Returns the conditions of a rule that routes requests to a service.
fn conditions(Routing { hosts, paths }: Routing) -> Vec<Condition> {
    let both = [Condition::Host(hosts), Condition::Path(paths)];
    both.into_iter().filter(|condition| !condition.is_empty()).collect()
}
