//! VPC Block Public Access: the options of the account and what exempts a VPC.
use super::{Aws, error::AwsResult};
use crate::shell::command;

/// The options of one region.
pub struct Options {
    /// `off`, or how it blocks.
    pub mode: String,
    /// True if a policy of the organization sets it, not the account.
    pub by_policy: bool,
    /// True if VPCs can be excluded.
    pub exclusions: bool,
}

/// Returns the command that lets requests through to a VPC although public access is blocked.
pub fn exclude(vpc: &str, region: &str) -> String {
    command!(
        "aws ec2 create-vpc-block-public-access-exclusion --vpc-id {} --internet-gateway-exclusion-mode \
         allow-bidirectional --region {}",
        vpc,
        region
    )
}

/// Returns the options, or `None` if reading them is not allowed: then nothing is reported about them.
pub async fn options(aws: &Aws) -> Option<Options> {
    let answer = aws.ec2.describe_vpc_block_public_access_options().send().await;
    let answer = answer.during("DescribeVpcBlockPublicAccessOptions").ok()?;
    let options = answer.vpc_block_public_access_options()?;
    Some(Options {
        mode: options.internet_gateway_block_mode().map_or("off", |m| m.as_str()).into(),
        by_policy: options.managed_by().is_some_and(|m| m.as_str() == "declarative-policy"),
        exclusions: options.exclusions_allowed().is_none_or(|e| e.as_str() != "not-allowed"),
    })
}
