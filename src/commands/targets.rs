//! `gameday targets list|attach|detach`: the machines behind a balancer.
use super::{DONE, Outcome, session};
use crate::{
    cli::{Global, ServiceArgs, TargetsCommand},
    config::Config,
    facts,
    output::{Printer, targets as view},
    targets::{self, Error},
};

/// Runs `gameday targets`.
pub async fn run(global: &Global, out: Printer, what: TargetsCommand) -> Outcome {
    let loaded = session::load(global, &out)?;
    let (target, _) = session::target(global, &loaded.config, &out).await?;
    let aws = session::reach(&target).await?;
    let config = facts::in_account(&aws, &loaded.config).await;
    let named = |name: Option<String>| name.unwrap_or_else(|| config.name_of(BALANCER));
    match what {
        TargetsCommand::List { name } => {
            let balancer = named(name);
            let machines = targets::list(&aws, &balancer).await.map_err(Error::plain)?;
            view::list(&out, &balancer, &machines);
        }
        TargetsCommand::Attach { instance, balancer, service } => {
            // Another balancer has groups of its own.
            let group = target_group(&config, &service, balancer.is_some())?;
            let balancer = named(balancer);
            let done = targets::attach(&aws, &balancer, &group, &instance).await;
            view::attached(&out, &balancer, &done.map_err(Error::plain)?);
        }
        TargetsCommand::Detach { instance, balancer } => {
            let balancer = named(balancer);
            let done = targets::detach(&aws, &balancer, &instance).await;
            view::detached(&out, &balancer, &done.map_err(Error::plain)?);
        }
    }
    Ok(DONE)
}

/// The key of the stack's own balancer.
pub(super) const BALANCER: &str = "load-balancer/main";

/// Returns the name of the target group that an instance is attached to. The config has the names of the account
/// ([`facts::in_account`]).
pub(super) fn target_group(
    config: &Config,
    service: &ServiceArgs,
    is_elsewhere: bool,
) -> Result<String, super::Failure> {
    let service = match session::one(config, service) {
        Err(_) if is_elsewhere && service.service.is_none() => config.services().next().expect("it has one"),
        one => one?,
    };
    Ok(config.name_of(&service.key("target-group")))
}
