//! Sends create calls once: the SDK would repeat one whose answer was lost.
//!
//! The engine looks before it tries again, since only then it knows who made an existing object. "Already exists" would
//! answer the SDK's own second attempt just as it answers a caller that came too late.
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeSerializationInterceptorContextRef},
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{config_bag::ConfigBag, retry::RetryConfig};

/// Turns off retries of create calls.
#[derive(Clone, Debug)]
pub(super) struct Once;

/// True if an operation creates something, by AWS's naming. Putting tags twice is harmless.
fn creates(operation: &str) -> bool {
    let verb = ["Create", "Allocate", "PutParameter"].iter().any(|verb| operation.starts_with(verb));
    verb && !operation.ends_with("Tags")
}

impl Intercept for Once {
    fn name(&self) -> &'static str {
        "Once"
    }
    // The operation is not known in any earlier hook.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if cfg.load::<Metadata>().is_some_and(|m| creates(m.name())) {
            cfg.interceptor_state().store_put(RetryConfig::disabled());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_creates_by_aws_naming() {
        for operation in ["CreateVpc", "CreateLaunchTemplateVersion", "AllocateAddress", "PutParameter"] {
            assert!(creates(operation), "{operation}");
        }
        for operation in ["CreateTags", "CreateOrUpdateTags", "PutMetricAlarm", "DescribeVpcs", "ModifyDBInstance"] {
            assert!(!creates(operation), "{operation}");
        }
    }
}
