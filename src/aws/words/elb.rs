//! Actions of listeners and rules, and the names in ARNs.
use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum};

/// Returns the target groups that an action forwards to, with their weights. AWS says one alone in two places.
pub(crate) fn forwards(action: &Action) -> Vec<(String, i32)> {
    if action.r#type() != Some(&ActionTypeEnum::Forward) {
        return vec![];
    }
    let groups = action.forward_config().map(|f| f.target_groups()).unwrap_or_default();
    let several = groups.iter().map(|g| (g.target_group_arn().unwrap_or_default().to_owned(), g.weight().unwrap_or(1)));
    let several: Vec<_> = several.collect();
    if several.is_empty() {
        action.target_group_arn().map(|arn| (arn.to_owned(), 1)).into_iter().collect()
    } else {
        several
    }
}

/// Returns the name of a target group: `billing-api` for `arn:…:targetgroup/billing-api/73e2d6bc24d8a067`.
pub(crate) fn target_group_name(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or(arn)
}

/// Returns the name of a load balancer: `billing` for `arn:…:loadbalancer/app/billing/50dc6c495c0c9188`.
pub(crate) fn balancer_name(arn: &str) -> &str {
    arn.split('/').nth(2).unwrap_or(arn)
}
