//! Counts the calls, and knows when something was changed.
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, SharedInterceptor, context::FinalizerInterceptorContextRef},
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Calls made so far. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    reads: AtomicU64,
    writes: AtomicU64,
}

impl Calls {
    /// Calls that change nothing.
    pub fn reads(&self) -> u64 {
        self.0.reads.load(Relaxed)
    }
    /// Calls that may have changed something.
    pub fn writes(&self) -> u64 {
        self.0.writes.load(Relaxed)
    }
    pub(super) fn interceptor(&self) -> SharedInterceptor {
        SharedInterceptor::new(self.clone())
    }
}

/// Whether an operation only reads, by AWS's own naming.
pub fn only_reads(operation: &str) -> bool {
    ["Describe", "Get", "List", "Filter", "Simulate", "Lookup", "Search"].iter().any(|verb| operation.starts_with(verb))
}

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "Calls"
    }
    fn read_after_execution(
        &self,
        _: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let reads = cfg.load::<Metadata>().is_some_and(|m| only_reads(m.name()));
        if reads { &self.0.reads } else { &self.0.writes }.fetch_add(1, Relaxed);
        Ok(())
    }
}
