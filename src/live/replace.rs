//! The one change that the live screen makes.
use crate::{
    aws::{Aws, error::AwsResult},
    error::Result,
};

/// Ends an instance, so that its Auto Scaling group starts another one.
pub async fn replace(aws: &Aws, instance: &str) -> Result<()> {
    let call = aws.autoscaling.terminate_instance_in_auto_scaling_group().instance_id(instance);
    let answer = call.should_decrement_desired_capacity(false).send().await;
    answer.during("TerminateInstanceInAutoScalingGroup").map(drop)
}
