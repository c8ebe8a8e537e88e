//! VPC Block Public Access: what the account's options say, and what lets a VPC through.
use super::{Aws, error::AwsResult};

/// The options of a region.
pub struct Options {
    /// `off`, or how it blocks.
    pub mode: String,
    /// An organization's policy sets it, not the account.
    pub by_policy: bool,
    /// Whether VPCs may be let through.
    pub exclusions: bool,
}

/// Returns the options; `None` where they may not be looked at: then nothing is known of them, and nothing is said.
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
