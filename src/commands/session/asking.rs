//! The request paths that a verb shows: their identity, what the stack file says about them, and what to ask from
//! outside.
use super::{super::Failure, Session};
use crate::{
    aws::Aws,
    cli::{ProbeArgs, ServiceArgs},
    config::{Config, Loaded, ServiceScope},
    engine::{Ref, TagKeys},
    facts::Facts,
    resources::target_group::TargetGroup,
    snapshot::{self, Asking, Depth, Expected, Snapshot, Whose, host_and_path},
};
use futures::future::join_all;

/// The request paths that a verb shows: those of all services, or one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    /// The service that the user has named.
    service: Option<String>,
    /// The URL to ask instead of the balancer's own.
    url: Option<String>,
    no_probe: bool,
}

impl Paths {
    /// Returns the paths for the options of a verb.
    pub(crate) fn new(service: &ServiceArgs, url: Option<String>, no_probe: bool) -> Self {
        Self { service: service.service.clone(), url, no_probe }
    }

    /// Returns the paths of all services.
    pub(crate) fn all(probe: &ProbeArgs) -> Self {
        Self::new(&ServiceArgs::default(), probe.probe.clone(), probe.no_probe)
    }

    /// Keeps only the service that the URL reaches, if there is a URL.
    pub(crate) fn of_url(mut self, config: &Config) -> Self {
        let taker = self.taker(config).map(Into::into);
        self.service = self.service.or(taker);
        self
    }

    /// Returns the service that the URL reaches.
    fn taker<'a>(&self, config: &'a Config) -> Option<&'a str> {
        let (host, path) = host_and_path(self.url.as_deref()?);
        config.service_of_request(&host, &path)
    }

    /// Returns the services to show.
    fn services<'a>(&self, config: &'a Config) -> Vec<ServiceScope<'a>> {
        config.services().filter(|s| self.service.as_deref().is_none_or(|name| name == s.name)).collect()
    }

    /// Fails if the user has named a service that the stack file does not have.
    pub(crate) fn check(&self, config: &Config) -> Result<(), Failure> {
        self.service.as_deref().map_or(Ok(()), |name| named(config, name).map(drop))
    }

    /// Takes a snapshot of each service's path. What the services share is asked once.
    pub(super) async fn look(
        &self,
        aws: &Aws,
        loaded: &Loaded,
        facts: &Facts,
        steps: &[String],
        depth: Depth,
    ) -> Vec<Snapshot> {
        let look = async |service: ServiceScope<'_>| {
            let expected = expected(loaded, facts, service, steps.to_vec());
            let asking = self.asking(aws, &loaded.config, service, &expected);
            snapshot::gather(aws, whose(loaded, facts, service), expected, &asking, depth).await
        };
        join_all(self.services(&loaded.config).into_iter().map(look)).await
    }

    /// Returns what to ask from outside. The addresses of a sandbox are not reachable, and those of an internal balancer
    /// only from its VPC.
    fn asking(&self, aws: &Aws, config: &Config, service: ServiceScope<'_>, expected: &Expected) -> Asking {
        let is_asked = self.service.is_some() || self.taker(config) == Some(service.name);
        match (self.url.clone().filter(|_| is_asked), self.no_probe, &aws.endpoint) {
            (url, true, _) => Asking::Nothing { at: url.unwrap_or_else(|| expected.at()), why: "--no-probe".into() },
            (Some(url), false, _) => Asking::Url(url),
            (None, false, Some(_)) => {
                Asking::Nothing { at: expected.at(), why: "sandbox addresses are not reachable".into() }
            }
            (None, false, None) if expected.internal => Asking::Nothing {
                at: expected.at(),
                why: "the balancer is internal, so only its VPC and connected networks reach it; give its URL to ask \
                      it from there"
                    .into(),
            },
            (None, false, None) if expected.host().is_some() && expected.name().is_none() => {
                Asking::Host(expected.at())
            }
            (None, false, None) => Asking::Path(expected.path()),
        }
    }
}

/// A service whose requests a verb waits for.
pub(crate) struct Awaited<'a> {
    pub whose: Whose,
    pub expected: Expected,
    pub asking: Asking,
    pub target: &'a Ref<TargetGroup>,
}

impl Session {
    /// Returns the services to wait for.
    pub(crate) fn awaited(&self, paths: &Paths) -> Vec<Awaited<'_>> {
        let awaited = |service: ServiceScope<'_>| {
            let expected = expected(&self.loaded, &self.facts, service, self.steps());
            Awaited {
                whose: whose(&self.loaded, &self.facts, service),
                asking: paths.asking(&self.aws, &self.loaded.config, service, &expected),
                expected,
                target: self.target_group(service.name),
            }
        };
        paths.services(&self.loaded.config).into_iter().map(awaited).collect()
    }

    /// Returns the target group of a service.
    pub(crate) fn target_group(&self, service: &str) -> &Ref<TargetGroup> {
        let wired = self.stack.services.iter().find(|wired| wired.name == service);
        &wired.expect("each service is wired").target
    }

    fn steps(&self) -> Vec<String> {
        self.stack.graph.nodes().map(|n| n.key().to_string()).collect()
    }

    /// Takes a snapshot of everything that carries requests, for each service.
    pub(crate) async fn snapshots(&self, paths: &Paths) -> Vec<Snapshot> {
        paths.look(&self.aws, &self.loaded, &self.facts, &self.steps(), Depth::Events).await
    }
}

/// Returns the service of this name.
pub(crate) fn named<'a>(config: &'a Config, name: &str) -> Result<ServiceScope<'a>, Failure> {
    config.service_called(name).ok_or_else(|| {
        let help = format!("the stack file has {}", names(config));
        Failure::usage("no_such_service", format!("there is no service {name}"), help)
    })
}

/// Returns the service that a verb is about: the named one, or the only one.
pub(crate) fn one<'a>(config: &'a Config, service: &ServiceArgs) -> Result<ServiceScope<'a>, Failure> {
    if let Some(name) = &service.service {
        return named(config, name);
    }
    let mut all = config.services();
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only),
        _ => {
            let help = format!("name one of them with --service: {}", names(config));
            Err(Failure::usage("which_service", "the stack has several services", help))
        }
    }
}

fn names(config: &Config) -> String {
    config.services().map(|service| service.name).collect::<Vec<_>>().join(", ")
}

/// Returns what the stack file says about the request path of a service; `steps` are the keys of its graph.
pub(super) fn expected(loaded: &Loaded, facts: &Facts, service: ServiceScope<'_>, steps: Vec<String>) -> Expected {
    Expected::new(&loaded.config, service, facts, steps)
}

/// Returns the identity of the request path of a service.
pub(super) fn whose(loaded: &Loaded, facts: &Facts, service: ServiceScope<'_>) -> Whose {
    Whose {
        stack: loaded.config.name.clone(),
        service: service.name.into(),
        account: facts.account.clone(),
        region: facts.region.clone(),
        keys: TagKeys::new(&loaded.config.tag_prefix),
    }
}
