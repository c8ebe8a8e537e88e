//! The wiring: a stack file and the facts of an account become a graph of steps.
//!
//! The module is pure, and reads from top to bottom like the architecture.
use crate::{
    aws::Aws,
    config::{ALARMS, Egress, Loaded, Mode, ServiceScope},
    engine::{Graph, Key, Ref},
    facts::Facts,
    parts::{
        Builder, access, balancer, cache, cdn, database, files, monitoring, network,
        service::{self, Data, UserDataInputs},
    },
    resources::{distribution::Distribution, load_balancer::LoadBalancer, role::Master, target_group::TargetGroup},
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
    /// The master password, if the roles can read it until the database is set up.
    pub master: Option<Master>,
}

/// A service of the stack, for code that waits for it or shows it.
pub struct Service {
    pub name: String,
    /// The service's target group.
    pub target: Ref<TargetGroup>,
    /// The inputs of the user data, with texts in parentheses for what does not exist yet.
    pub user_data: Rc<UserDataInputs>,
}

/// Wires the stack.
///
/// # Errors
/// A template does not render, which the stack file's own rules cannot see.
pub fn wire(loaded: &Loaded, facts: &Facts, aws: &Aws) -> userdata::Result<Stack> {
    wire_with(loaded, facts, aws, &[loaded.config.network.egress])
}

/// Wires the stack with several ways out for private instances, which no stack file can describe.
pub(crate) fn wire_with(loaded: &Loaded, facts: &Facts, aws: &Aws, egress: &[Egress]) -> userdata::Result<Stack> {
    let config = &loaded.config;
    let b = &mut Builder::new(loaded, facts, aws, egress);

    let network = network::wire(b);
    let groups = access::groups(b, &network);
    let way_out = access::endpoints(b, &network, &groups);
    let rules = access::rules(b, &groups);

    let (database, passwords) = database::wire(b, &network, &groups);
    let cache = cache::wire(b, &network, &groups);
    let files = files::wire(b, &network, &groups);
    let data = Data { database, passwords, cache, files };

    let balancer = balancer::wire(b, &network, &groups, &rules);
    let cdn = cdn::wire(b, &balancer);
    let master = service::master(b, data.passwords.as_ref())?;
    let mut fleets = vec![];
    for (index, scope) in config.services().enumerate() {
        let after: Vec<&Key> = way_out.iter().chain([&rules.services[index]]).chain(&rules.data).collect();
        fleets.push(service::wire(b, (index, scope), &network, &groups, &data, master.as_ref(), &after)?);
    }
    let routes = balancer::route(b, &balancer, &fleets, &rules);
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
        services: watched,
        database: data.database.clone().filter(|_| config.database.mode == Mode::Create),
        cache: data.cache.clone().filter(|_| config.cache.mode == Mode::Create),
    };
    monitoring::wire(b, &watched);

    let service = |(scope, fleet): (ServiceScope<'_>, service::Fleet)| Service {
        name: scope.name.into(),
        target: fleet.target,
        user_data: fleet.user_data,
    };
    let services = config.services().zip(fleets).map(service).collect();
    Ok(Stack { graph: std::mem::take(&mut b.graph), balancer, cdn, services, master })
}

#[cfg(test)]
mod tests {
    use crate::{
        aws::{Aws, Target, note},
        config::SERVICES,
        engine::Record,
        facts::Facts,
    };

    /// Wires as many services as a stack takes, with all that a stack can have besides.
    async fn largest() -> (crate::config::Loaded, super::Stack) {
        let mut text = "name = \"billing\"\n[cache]\nnodes = 2\n[balancer]\nblock = [{ path = \"/a\" }]\n\
                        [balancer.tls]\nself_signed = true\n"
            .to_owned();
        for n in 1..=SERVICES {
            text += &format!("[service.s{n}]\nsource = \"https://example.com/server\"\nroutes = [\"/s{n}\"]\n");
        }
        let loaded =
            crate::config::parse("gameday.toml", &text).map_err(|e| e.render(false, 100)).expect("it is sound");
        let aws = Aws::connect(&Target { region: loaded.config.region.clone(), ..Target::default() }).await;
        let wired = super::wire(&loaded, &Facts::offline(&loaded.config), &aws);
        (loaded, wired.map_err(|e| e.to_string()).expect("it renders"))
    }

    #[tokio::test]
    async fn the_largest_stack_is_within_the_limits() {
        let (loaded, stack) = largest().await;
        let of = |kind: &str| stack.graph.nodes().filter(|n| n.key().kind() == kind).count();
        assert_eq!(of("listener-rule"), loaded.config.balancer_rules(), "the rules are counted as they are made");
        assert!(of("alarm") <= 100, "an alarm widget takes 100 alarms, not {}", of("alarm"));
        // Each service is a rule in the groups of the balancer and the stores, and two during a change of its name.
        assert!(SERVICES < 60 && of("target-group") <= 100);
        let mut record = Record::default();
        for node in stack.graph.nodes() {
            record.add(node.key().as_str(), "id");
        }
        let size = serde_json::to_string(&record).expect("a record serialises").len();
        assert!(size <= note::LARGEST, "the record of {} steps has {size} bytes", of("role"));
    }
}
