//! Begins a look at the stack before the facts are known, which saves one round of calls.
//!
//! Facts and steps ask AWS for nearly the same. But only a graph knows what its steps ask for, and wiring one takes
//! facts. So the stack is wired a first time with stand-ins for the facts, and its look runs beside their gathering.
//! The answers stay in the shared reads ([`Reads`](crate::aws::reads::Reads)): the real look, on the graph of the real
//! facts, finds them there. A stand-in that was wrong costs one call more, never a wrong result.
use super::{
    super::Failure,
    asking::{Paths, expected, whose},
};
use crate::{
    aws::Aws,
    config::{Loaded, Origin},
    engine::{Env, Events, Names, glance},
    facts::Facts,
    snapshot::{Depth, Snapshot},
    stack,
};
use futures::future::{Either, select};
use std::{collections::BTreeMap, pin::pin};

/// The look that runs while the facts are gathered.
#[derive(Clone, Copy)]
pub(super) enum Prefetch<'a> {
    Nothing,
    Steps,
    /// The steps and the request paths.
    Path(&'a Paths),
}

impl Prefetch<'_> {
    /// Gathers the facts and, if asked for, takes a snapshot of each request path at the same time.
    pub(super) async fn with_facts(
        self,
        aws: &Aws,
        loaded: &Loaded,
    ) -> Result<(Facts, Option<Vec<Snapshot>>), Failure> {
        let mut gather = pin!(Facts::gather(aws, &loaded.config));
        // A look needs only one fact from AWS: an existing network.
        if matches!(self, Self::Nothing) || loaded.config.network.mode == Origin::Use {
            let facts = gather.await?;
            let seen = self.look(aws, loaded, &facts).await;
            return Ok((facts, seen));
        }
        let offline = Facts::offline(&loaded.config);
        let look = pin!(self.look(aws, loaded, &offline));
        let (facts, mut seen) = match select(&mut gather, look).await {
            // If the facts cannot be gathered, the look is not awaited.
            Either::Left((facts, look)) => (facts?, look.await),
            Either::Right((seen, facts)) => (facts.await?, seen),
        };
        for s in seen.iter_mut().flatten() {
            let steps = std::mem::take(&mut s.expected.steps);
            if let Some(service) = loaded.config.service_called(&s.whose.service) {
                (s.expected, s.whose) = (expected(loaded, &facts, service, steps), whose(loaded, &facts, service));
            }
        }
        Ok((facts, seen))
    }

    /// Looks at what was asked for, with these facts or with stand-ins for them.
    pub(super) async fn look(self, aws: &Aws, loaded: &Loaded, facts: &Facts) -> Option<Vec<Snapshot>> {
        if matches!(self, Self::Nothing) {
            return None;
        }
        // A mistake in a template is reported when the stack itself is wired.
        let graph = stack::wire(loaded, facts, aws).map(|s| s.graph).unwrap_or_default();
        let mut env = Env::new(&loaded.config.name, Events::silent());
        env.keys = aws.keys.clone();
        env.tags = loaded.config.tags.clone();
        env.names = Names::new(loaded.config.names.clone(), BTreeMap::new()).with_ends(loaded.config.name_ends());
        let path = async {
            let Self::Path(paths) = self else { return None };
            let steps: Vec<String> = graph.nodes().map(|n| n.key().to_string()).collect();
            Some(paths.look(aws, loaded, facts, &steps, Depth::Path).await)
        };
        futures::join!(glance(&graph, &env), path).1
    }
}
