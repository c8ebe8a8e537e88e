//! The steps of the load balancer, its listener and its listener rules.
use crate::{
    config::{Routing, ServiceScope},
    engine::{Key, Ref, Resource as _},
    parts::{Builder, access, network::Network, service::Fleet},
    resources::{
        listener::Listener,
        listener_rule::{ListenerRule, WantedRule},
        load_balancer::{ActiveLoadBalancer, LoadBalancer},
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
    // AWS refuses an internet-facing balancer in a VPC without an internet gateway.
    let reachable: Vec<&Key> = network.reachable.iter().collect();
    let (subnets, groups) = (network.public.clone(), vec![groups.balancer.clone()]);
    let balancer = LoadBalancer { aws: b.aws(), subnets, groups, idle_timeout: 60 };
    let balancer = b.add_after("main", balancer, &reachable);
    b.add_after("main", ActiveLoadBalancer::new(b.aws(), balancer.clone()), &[&rules.balancer]);
    balancer
}

/// Wires the listener and its rules.
///
/// While an older fleet serves, the routes change only after the new fleet exists and is healthy. The fleet itself must
/// never wait for the routes, or both would wait for each other.
pub(crate) fn route(b: &mut Builder<'_>, balancer: &Balancer, fleets: &[Fleet], rules: &access::Rules) -> Vec<Route> {
    let (config, facts) = (b.config, b.facts);
    let each = || config.services().zip(fleets);
    let handed_over = each().filter(|(service, _)| facts.is_handed_over(config, *service));
    let mut after: Vec<&Key> = handed_over.map(|(_, fleet)| fleet.group.key()).collect();
    if !after.is_empty() {
        after.push(&rules.balancer);
    }
    // If every service has routes, the balancer itself answers other paths with 404.
    let default = each().find(|(service, _)| service.is_default());
    let listener = Listener {
        aws: b.aws(),
        balancer: balancer.clone(),
        target: default.map(|(_, fleet)| fleet.target.clone()),
        port: 80,
        enough: default.or_else(|| each().next()).map_or(1, |(service, _)| service.desired as i32),
    };
    let listener = b.add_after("http", listener, &after);
    let mut routes = vec![];
    let name = |service: &str, n: usize| format!("{service}-{}", n + 1);
    let of_service = |s: ServiceScope<'_>| {
        let wanted = |(n, routing): (usize, Routing)| WantedRule {
            key: Key::new(ListenerRule::KIND, &name(s.name, n)),
            service: s.name.to_owned(),
            routing,
        };
        s.rules().into_iter().enumerate().map(wanted).collect::<Vec<_>>()
    };
    let all: Rc<[WantedRule]> = config.services().flat_map(of_service).collect();
    for (service, fleet) in each() {
        let mut route = vec![listener.key().clone()];
        for (i, routing) in service.rules().into_iter().enumerate() {
            let rule = ListenerRule {
                aws: b.aws(),
                listener: listener.clone(),
                target: fleet.target.clone(),
                routing,
                enough: service.desired as i32,
                all: all.clone(),
            };
            route.push(b.add(&name(service.name, i), rule).key().clone());
        }
        routes.push(route);
    }
    routes
}
