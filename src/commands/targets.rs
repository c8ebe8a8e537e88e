//! `gameday targets list|attach|detach`: the machines behind a balancer.
use super::{DONE, Outcome, session};
use crate::{
    cli::{Global, TargetsCommand},
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
    let own = OwnNames::of(&facts::in_account(&aws, &loaded.config).await);
    let named = |name: Option<String>| name.unwrap_or_else(|| own.balancer.clone());
    match what {
        TargetsCommand::List { name } => {
            let balancer = named(name);
            let machines = targets::list(&aws, &balancer).await.map_err(Error::plain)?;
            view::list(&out, &balancer, &machines);
        }
        TargetsCommand::Attach { instance, balancer } => {
            let balancer = named(balancer);
            let done = targets::attach(&aws, &balancer, &own.target_group, &instance).await;
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

/// The names of the stack's own balancer and target group.
pub(super) struct OwnNames {
    pub balancer: String,
    pub target_group: String,
}

impl OwnNames {
    /// Returns the names in a config that has the names of the account ([`facts::in_account`]).
    pub(super) fn of(config: &Config) -> Self {
        Self {
            balancer: config.name_of("load-balancer/main"),
            target_group: config.name_of(&session::shown(config).key("target-group")),
        }
    }
}
