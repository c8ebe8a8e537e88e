//! What creates something is sent once: its answer may be lost, and the SDK would send it again.
//!
//! The engine looks before it tries again. Only then it is known who has made what is there: an answer that says
//! "already exists" would come to the SDK's own second try as well as to somebody who was too late.
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeSerializationInterceptorContextRef},
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{config_bag::ConfigBag, retry::RetryConfig};

#[derive(Clone, Debug)]
pub(super) struct Once;

/// True if an operation makes something, by AWS's own naming. Tags can be put twice.
fn creates(operation: &str) -> bool {
    let verb = ["Create", "Allocate", "PutParameter"].iter().any(|verb| operation.starts_with(verb));
    verb && !operation.ends_with("Tags")
}

impl Intercept for Once {
    fn name(&self) -> &'static str {
        "Once"
    }
    // Not earlier: which operation it is becomes known only then.
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
