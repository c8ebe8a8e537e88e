//! The request path that a verb shows: its identity, what the stack file says about it, and what to ask from outside.
use super::Session;
use crate::{
    aws::Aws,
    config::{Config, Loaded, ServiceScope},
    engine::{Ref, TagKeys},
    facts::Facts,
    resources::target_group::TargetGroup,
    snapshot::{self, Asking, Depth, Expected, Snapshot, Whose},
};

impl Session {
    /// Returns the service whose request path is shown.
    pub(crate) fn shown(&self) -> ServiceScope<'_> {
        shown(&self.loaded.config)
    }

    /// Returns the target group of the service that is shown.
    pub(crate) fn target_group(&self) -> &Ref<TargetGroup> {
        let shown = self.shown().name;
        let service = self.stack.services.iter().find(|service| service.name == shown);
        &service.expect("each service is wired").target
    }

    /// Returns the identity of the request path that is shown.
    pub(crate) fn whose(&self) -> Whose {
        whose(&self.loaded, &self.facts)
    }

    /// Returns what the stack file says about the request path.
    pub(crate) fn expected(&self) -> Expected {
        let steps = self.stack.graph.nodes().map(|n| n.key().to_string()).collect();
        expected(&self.loaded, &self.facts, steps)
    }

    /// Takes a snapshot of everything that carries requests.
    pub(crate) async fn snapshot(&self, asking: &Asking) -> Snapshot {
        snapshot::gather(&self.aws, self.whose(), self.expected(), asking, Depth::Events).await
    }

    /// Returns what to ask from outside. The addresses of a sandbox are not reachable.
    pub(crate) fn asking(&self, url: Option<String>, no_probe: bool) -> Asking {
        asking(&self.aws, &self.expected(), url, no_probe)
    }
}

/// Returns the service whose request path a verb shows.
pub(crate) fn shown(config: &Config) -> ServiceScope<'_> {
    config.services().next().expect("a checked config has a service")
}

/// Returns what the stack file says about the request path; `steps` are the keys of its graph.
pub(super) fn expected(loaded: &Loaded, facts: &Facts, steps: Vec<String>) -> Expected {
    Expected::new(&loaded.config, shown(&loaded.config), facts, steps)
}

/// Returns the identity of the request path that a verb shows.
pub(super) fn whose(loaded: &Loaded, facts: &Facts) -> Whose {
    Whose {
        stack: loaded.config.name.clone(),
        service: shown(&loaded.config).name.into(),
        account: facts.account.clone(),
        region: facts.region.clone(),
        keys: TagKeys::new(&loaded.config.tag_prefix),
    }
}

/// Returns what to ask from outside. The addresses of a sandbox are not reachable, and those of an internal balancer
/// only from its VPC.
pub(super) fn asking(aws: &Aws, expected: &Expected, url: Option<String>, no_probe: bool) -> Asking {
    match (url, no_probe, &aws.endpoint) {
        (url, true, _) => Asking::Nothing { at: url.unwrap_or_else(|| expected.path()), why: "--no-probe".into() },
        (Some(url), false, _) => Asking::Url(url),
        (None, false, Some(_)) => {
            Asking::Nothing { at: expected.path(), why: "sandbox addresses are not reachable".into() }
        }
        (None, false, None) if expected.internal => Asking::Nothing {
            at: expected.path(),
            why: "the balancer is internal, so only its VPC and connected networks reach it; give its URL to ask it \
                  from there"
                .into(),
        },
        (None, false, None) => Asking::Path(expected.path()),
    }
}
