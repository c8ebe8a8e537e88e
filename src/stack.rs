//! The wiring: a stack file and the facts of an account become a graph of steps.
//!
//! The module is pure, and reads from top to bottom like the architecture.
use crate::{
    aws::Aws,
    config::{ALARMS, Egress, Loaded, Mode, ServiceScope},
    engine::{Graph, Key, Ref},
    facts::Facts,
    parts::{
        Builder, Earlier, access, balancer, cache, cdn, database, dns, files, monitoring, network,
        service::{self, Data, UserDataInputs},
    },
    resources::{
        distribution::Distribution, launch_template::LaunchTemplate, load_balancer::LoadBalancer, role::Master,
        subnet::Subnet, target_group::TargetGroup,
    },
    userdata,
};
use std::rc::Rc;

/// A stack, ready to be walked.
pub struct Stack {
    /// The steps.
    pub graph: Graph,
    pub balancer: Ref<LoadBalancer>,
    /// The distribution before the balancer.
    pub cdn: Option<Ref<Distribution>>,
    pub services: Vec<Service>,
    /// The subnets of the instances.
    pub subnets: Vec<Ref<Subnet>>,
    /// The master password, if the roles can read it until the database is set up.
    pub master: Option<Master>,
}

/// A service of the stack, for code that waits for it or shows it.
pub struct Service {
    pub name: String,
    /// The service's target group.
    pub target: Ref<TargetGroup>,
    /// The service's launch template.
    pub template: Ref<LaunchTemplate>,
    /// The inputs of the user data, with texts in parentheses for what does not exist yet.
    pub user_data: Rc<UserDataInputs>,
}

/// Wires the stack.
///
/// # Errors
/// A template does not render, which the stack file's own rules cannot see.
pub fn wire(loaded: &Loaded, facts: &Facts, aws: &Aws) -> userdata::Result<Stack> {
    wire_with(loaded, facts, aws, &[loaded.config.network.egress], &Earlier::default())
}

/// Wires the stack with several ways out for private instances, and several names, which no stack file can describe.
pub(crate) fn wire_with(
    loaded: &Loaded,
    facts: &Facts,
    aws: &Aws,
    egress: &[Egress],
    earlier: &Earlier,
) -> userdata::Result<Stack> {
    let config = &loaded.config;
    let b = &mut Builder::new(loaded, facts, aws, egress, earlier);

    let network = network::wire(b);
    let groups = access::groups(b, &network);
    let way_out = access::endpoints(b, &network, &groups);
    let rules = access::rules(b, &groups);

    let (database, passwords) = database::wire(b, &network, &groups);
    let cache = cache::wire(b, &network, &groups);
    let files = files::wire(b, &network, &groups);
    let data = Data { database, passwords, cache, files };

    let balancer = balancer::wire(b, &network, &groups, &rules);
    dns::wire(b, &network, &balancer);
    let header = cdn::header(b);
    let master = service::master(b, data.passwords.as_ref())?;
    let mut fleets = vec![];
    for (index, scope) in config.services().enumerate() {
        let after: Vec<&Key> = way_out.iter().chain([&rules.services[index]]).chain(&rules.data).collect();
        fleets.push(service::wire(b, (index, scope), &network, &groups, &data, master.as_ref(), &after)?);
    }
    let routes = balancer::route(b, &balancer, &fleets, &rules, header.clone());
    let cdn = cdn::wire(b, &balancer, header, &routes);
    let mut watched = vec![];
    for ((scope, fleet), route) in config.services().zip(&fleets).zip(&routes) {
        service::scale(b, scope, &balancer, fleet, route);
        watched.push(monitoring::WatchedService {
            name: scope.name.into(),
            alarms: ALARMS.map(|what| scope.own(what)),
            target: fleet.target.clone(),
            fleet: fleet.group.clone(),
            routed: if facts.is_handed_over(config, scope) { route.clone() } else { vec![] },
        });
    }
    let watched = monitoring::Watched {
        balancer: balancer.clone(),
        cdn: cdn.clone(),
        services: watched,
        database: data.database.clone().filter(|_| config.database.mode == Mode::Create),
        cache: data.cache.clone().filter(|_| config.cache.mode == Mode::Create),
    };
    monitoring::wire(b, &watched);

    let service = |(scope, fleet): (ServiceScope<'_>, service::Fleet)| Service {
        name: scope.name.into(),
        target: fleet.target,
        template: fleet.template,
        user_data: fleet.user_data,
    };
    let services = config.services().zip(fleets).map(service).collect();
    Ok(Stack { graph: std::mem::take(&mut b.graph), balancer, cdn, services, subnets: network.app, master })
}

#[cfg(test)]
mod tests;
