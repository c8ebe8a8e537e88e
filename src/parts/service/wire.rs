//! The steps of one service.
use super::user_data::{self, UserDataInputs};
use crate::{
    config::{Mode, Need, Run, ServiceScope},
    engine::{Input, Key, Ref},
    parts::{
        Builder,
        access::Groups,
        balancer::{Balancer, Route},
        cache,
        database::Passwords,
        files::Files,
        network::Network,
    },
    resources::{
        auto_scaling_group::{AutoScalingGroup, SpotMix},
        database::Database,
        instance_profile::InstanceProfile,
        launch_template::LaunchTemplate,
        log_group::LogGroup,
        parameter::Parameter,
        role::{Master, Role},
        scaling_policy::{Metric, ScalingPolicy},
        security_group::SecurityGroup,
        target_group::TargetGroup,
    },
    userdata,
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

/// The stores of the stack, or those that one service uses.
pub(crate) struct Data {
    pub database: Option<Ref<Database>>,
    pub passwords: Option<Passwords>,
    pub cache: Option<cache::Address>,
    pub files: Option<Files>,
}

impl Data {
    /// Returns the stores that a service uses.
    fn of(&self, service: ServiceScope<'_>) -> Self {
        let database = service.needs(Need::Database);
        Self {
            database: self.database.clone().filter(|_| database),
            passwords: self.passwords.clone().filter(|_| database),
            cache: self.cache.clone().filter(|_| service.needs(Need::Cache)),
            files: self.files.clone().filter(|_| service.needs(Need::Files)),
        }
    }
}

/// The handles of one service that other parts refer to.
#[derive(Clone)]
pub(crate) struct Fleet {
    pub group: Ref<AutoScalingGroup>,
    pub target: Ref<TargetGroup>,
    pub template: Ref<LaunchTemplate>,
    pub user_data: Rc<UserDataInputs>,
}

/// Returns the master password that roles are allowed to read until the database is set up.
///
/// `None` if the access is not limited in this way. A script of the user's own may need the password at any time. The
/// shipped script needs it only for the set-up.
pub(crate) fn master(b: &Builder<'_>, passwords: Option<&Passwords>) -> userdata::Result<Option<Master>> {
    let config = b.config;
    let mut users = config.services().filter(|service| service.needs(Need::Database)).peekable();
    let is_used = users.peek().is_some();
    let ours = config.iam.mode == Mode::Create && is_used && users.all(|service| service.user_data.is_none());
    let Some((Some(parameter), Some(app))) = passwords.map(|p| (&p.master, &p.app)).filter(|_| ours) else {
        return Ok(None);
    };
    Ok(Some(Master {
        parameter: parameter.clone(),
        app: app.clone(),
        what: user_data::set_up_id(b.loaded)?,
        done: Rc::new(RefCell::new(b.facts.set_up.done())),
        unseen: b.facts.set_up.unseen,
        has: Cell::new(None),
    }))
}

/// Wires one service.
///
/// `index` is its index among the services. The fleet waits for the steps in `after`.
///
/// # Errors
/// A template of the service does not render.
pub(crate) fn wire(
    b: &mut Builder<'_>,
    (index, service): (usize, ServiceScope<'_>),
    network: &Network,
    groups: &Groups,
    data: &Data,
    master: Option<&Master>,
    after: &[&Key],
) -> userdata::Result<Fleet> {
    let data = &data.of(service);
    let master = master.filter(|_| data.passwords.is_some());
    let logs = logs(b, service);
    let profile = profile(b, service, data, master, logs.as_deref());
    let user_data = Rc::new(UserDataInputs::new(b, service.name, data, logs, profile.clone())?);
    let template = template(b, service, &groups.services[index], profile, user_data.clone());
    let target = TargetGroup {
        aws: b.aws(),
        vpc: network.vpc.clone(),
        port: service.port,
        health_path: service.health_path.clone(),
        health_codes: service.health_codes.clone(),
        health_interval: service.health_interval,
    };
    let target = b.add(&service.slot(), target);
    let group = AutoScalingGroup {
        aws: b.aws(),
        template: template.clone(),
        subnets: network.app.clone(),
        targets: vec![target.clone()],
        min: service.min as i32,
        desired: service.desired as i32,
        max: service.max as i32,
        grace: service.grace_seconds as i32,
        warmup: service.warmup_seconds as i32,
        spot: service.spot.as_ref().map(|s| SpotMix {
            base: s.on_demand_base as i32,
            percent: s.on_demand_percent as i32,
            types: s.types.clone(),
        }),
        instance_type: service.instance_type.clone(),
    };
    // The rules are among these steps: an instance that boots before they exist cannot reach anything.
    let group = b.add_after(&service.slot(), group, after);
    Ok(Fleet { group, target, template, user_data })
}

/// Wires the log groups.
///
/// Otherwise the agent on an instance creates log groups without a retention period.
fn logs(b: &mut Builder<'_>, service: ServiceScope<'_>) -> Option<Vec<Ref<LogGroup>>> {
    let config = b.config;
    if !config.has_logs() {
        return None;
    }
    let days = config.monitoring.log_days as i32;
    let mut one = |what: &str| {
        let path = service.log_path(&config.name, what);
        b.add(&service.own(what), LogGroup { aws: b.aws(), path, days })
    };
    Some(vec![one("app"), one("boot")])
}

/// Wires the role and the instance profile, which hold the permissions of the instances.
fn profile(
    b: &mut Builder<'_>,
    service: ServiceScope<'_>,
    data: &Data,
    master: Option<&Master>,
    logs: Option<&[Ref<LogGroup>]>,
) -> Option<Ref<InstanceProfile>> {
    let (config, name) = (b.config, service.profile());
    let is_master = |p: &Ref<Parameter>| master.is_some_and(|m| m.parameter.key() == p.key());
    match config.iam.mode {
        Mode::Off => None,
        Mode::Use => {
            let existing = config.iam.instance_profile.clone();
            Some(b.add_used(&name, InstanceProfile { aws: b.aws(), role: None, existing, path: String::new() }))
        }
        Mode::Create => {
            let role = Role {
                aws: b.aws(),
                parameters: data.passwords.iter().flat_map(|p| p.all()).filter(|p| !is_master(p)).collect(),
                master: master.cloned(),
                log_groups: logs.unwrap_or_default().to_vec(),
                objects: user_data::readable_objects(config, service),
                repositories: user_data::repository(service).into_iter().collect(),
                keys: config.iam.kms_keys.clone(),
                keys_via: user_data::keys_via(config),
                sessions: config.iam.ssm,
                policies: config.iam.policies.clone(),
                boundary: config.iam.permissions_boundary.clone(),
                path: config.iam.path.clone(),
                profile: config.name_of(&service.key("instance-profile")),
            };
            let role = b.add(&name, role);
            let path = config.iam.path.clone();
            Some(b.add(&name, InstanceProfile { aws: b.aws(), role: Some(role), existing: None, path }))
        }
    }
}

/// Wires the launch template.
fn template(
    b: &mut Builder<'_>,
    service: ServiceScope<'_>,
    group: &Ref<SecurityGroup>,
    profile: Option<Ref<InstanceProfile>>,
    user_data: Rc<UserDataInputs>,
) -> Ref<LaunchTemplate> {
    let config = b.config;
    let named = |what: &str| config.names.get(&service.key(what)).cloned();
    let instance_name = || named("instance").unwrap_or_else(|| format!("{}-{}", config.name, service.name));
    let template = LaunchTemplate {
        aws: b.aws(),
        image: b.facts.image(service.name),
        instance_type: service.instance_type.clone(),
        other_types: service.spot.iter().flat_map(|s| s.types.clone()).collect(),
        key_pair: config.access.key_pair.clone(),
        groups: vec![group.clone()],
        public_address: match (config.has_private_instances(), &b.facts.network) {
            (true, _) => Some(false),
            (false, Some(_)) => Some(true),
            // The stack's own subnets give each instance a public address.
            (false, None) => None,
        },
        profile,
        user_data: Input::new(move |inputs| user_data.user_data(inputs)),
        volume_name: named("volume").unwrap_or_else(instance_name),
        instance_name: instance_name(),
        // A container is one hop further away from the metadata service. It reaches the service only if the stack file
        // allows it.
        hop_limit: if service.run == Run::Container && config.has_metadata() { 2 } else { 1 },
    };
    b.add(service.name, template)
}

/// Wires the scaling policies.
///
/// AWS refuses a resource label until the target group is attached to a balancer, by its listener or a rule.
pub(crate) fn scale(b: &mut Builder<'_>, service: ServiceScope<'_>, balancer: &Balancer, fleet: &Fleet, route: &Route) {
    let slot = service.slot();
    if let Some(per_minute) = service.scale.requests_per_target {
        let target = fleet.target.clone();
        let metric = Metric::RequestsPerTarget { per_minute, balancer: balancer.clone(), target };
        let policy = ScalingPolicy { aws: b.aws(), group: fleet.group.clone(), metric };
        b.add_after(&format!("{slot}-requests"), policy, &route.iter().collect::<Vec<_>>());
    }
    if let Some(percent) = service.scale.cpu {
        let policy = ScalingPolicy { aws: b.aws(), group: fleet.group.clone(), metric: Metric::Cpu { percent } };
        b.add(&format!("{slot}-cpu"), policy);
    }
}
