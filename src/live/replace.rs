//! The replacement of an instance: the only change that the live screen makes.
use crate::{
    aws::{Aws, error::AwsResult},
    error::Result,
};

/// Terminates an instance. Its Auto Scaling group launches another one.
pub async fn replace(aws: &Aws, instance: &str) -> Result<()> {
    let call = aws.autoscaling.terminate_instance_in_auto_scaling_group().instance_id(instance);
    let answer = call.should_decrement_desired_capacity(false).send().await;
    answer.during("TerminateInstanceInAutoScalingGroup").map(drop)
}
