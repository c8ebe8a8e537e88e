//! AWS's refusals of a launch, row by row: the cause, the fix, and whether the refusal passes by itself.
//!
//! The wordings are AWS's own, from its documentation and from public reports. A row is found by an error code or by
//! words that no other refusal has. Names, ids, ARNs and encoded messages are removed first, because they can contain
//! any word. A message that no row matches is reported in AWS's words.
use crate::{
    diagnose::{FREE_ADDRESSES, Fix, UP, View},
    shell::command,
};

/// One kind of refusal.
struct Row {
    rule: &'static str,
    cause: &'static str,
    /// True if the refusal can pass by itself, since Auto Scaling keeps trying.
    trying: bool,
    /// The alternatives. One of them matches if the message contains all its words.
    words: &'static [&'static [&'static str]],
    out: Out,
}

/// The form of the fix.
enum Out {
    /// `gameday up` after another value in the service's table of the stack file.
    Service(&'static str),
    /// `gameday up`, with a note on what has to be done before or what the command does.
    Up(&'static str),
    /// A command with a note.
    Type(&'static str, &'static str),
    /// A permission that somebody else has to grant. AWS may name it in an encoded message.
    Allow,
    /// Free addresses in the subnets.
    Addresses,
}

/// The meaning of a refusal and its fix.
pub(super) struct Meaning {
    pub rule: &'static str,
    pub cause: &'static str,
    pub trying: bool,
    pub fix: Fix,
}

const fn row(
    rule: &'static str,
    trying: bool,
    words: &'static [&'static [&'static str]],
    cause: &'static str,
    out: Out,
) -> Row {
    Row { rule, cause, trying, words, out }
}

const PASSES: bool = true;
const STAYS: bool = false;

/// The rows. The first match counts, so a cause that AWS wraps into the words of another comes first.
#[rustfmt::skip] // a table
const ROWS: &[Row] = &[
    // The account.
    row("launch-verification", PASSES, &[&["pendingverification"], &["region is being validated"], &["account is currently being verified"]],
        "AWS is still validating the account for this region",
        Out::Type("gameday status --watch", "it ends by itself, in minutes, at most 4 hours; after that, ask AWS Support")),
    row("launch-blocked", STAYS, &[&["account is currently blocked"], &["not recognized as a valid account"]],
        "AWS has blocked the account",
        Out::Type("aws sts get-caller-identity", "shows the account: only AWS Support, or whoever runs the event, can unblock it")),
    row("launch-free-tier", STAYS, &[&["not eligible for free tier"]],
        "the account is on AWS's free plan, which does not include this instance type or image",
        Out::Type("aws ec2 describe-instance-types --filters Name=free-tier-eligible,Values=true --query 'InstanceTypes[].InstanceType'",
            "lists the types it includes; then `gameday up` with one of them")),
    row("launch-marketplace", STAYS, &[&["aws marketplace product"], &["accept terms and subscribe"]],
        "the image is from the AWS Marketplace, and the account has not accepted its terms",
        Out::Up("after accepting the terms at the address that AWS names, or setting another image")),
    row("launch-spot-role", PASSES, &[&["service-linked role for ec2 spot"], &["servicelinkedrolecreationnotpermitted"]],
        "the account has no service-linked role for Spot instances",
        Out::Type("aws iam create-service-linked-role --aws-service-name spot.amazonaws.com", "the group tries again by itself")),
    row("launch-role-new", PASSES, &[&["authentication failure"]],
        "Auto Scaling's service-linked role is not known everywhere yet",
        Out::Type("gameday status --watch", "the group tries again within minutes")),

    // Encryption.
    row("launch-kms-state", STAYS, &[&["invalidkmskey"], &["kms key provided is in an incorrect state"]],
        "volumes are encrypted with a KMS key that is disabled, deleted, or not usable by Auto Scaling",
        Out::Type("aws ec2 get-ebs-default-kms-key-id", "shows the key: enable it, and let AWSServiceRoleForAutoScaling use it in its \
            policy; or `aws ec2 reset-ebs-default-kms-key-id` switches to AWS's own")),
    row("launch-kms", STAYS, &[&["client error on launch"], &["inaccessible aws kms key"], &["not authorized to perform: kms:"]],
        "Auto Scaling is not allowed to use the KMS key that volumes are encrypted with",
        Out::Type("aws ec2 get-ebs-default-kms-key-id", "shows the key: let AWSServiceRoleForAutoScaling use it (kms:CreateGrant, \
            kms:Decrypt, kms:GenerateDataKeyWithoutPlaintext); or `aws ec2 reset-ebs-default-kms-key-id` switches to AWS's own")),

    // Rules for what is launched.
    row("launch-tag-policy", STAYS, &[&["tagpolicyviolation"], &["tag policy"]],
        "a tag policy of the organization refuses a tag's value",
        Out::Up("after setting an allowed value for that tag under [tags]")),
    row("launch-tag-key", STAYS, &[&["is not a valid tag key"], &["tag keys must match pattern"]],
        "the account shows tags in the instance metadata, which allows no space and no / in a tag's key",
        Out::Up("after renaming that key under [tags]")),
    row("launch-metadata", STAYS, &[&["httptokensenforced"], &["imdsv1"]],
        "the account requires metadata tokens (IMDSv2), and the launch template does not",
        Out::Up("restores gameday's launch template, which requires them")),

    // Permissions: before everything that such a refusal can name.
    row("launch-scp", STAYS, &[&["in a service control policy"], &["in a resource control policy"]],
        "a policy of the organization (SCP) forbids the launch",
        Out::Type("aws sts get-caller-identity", "shows the account: the administrator of the organization has to allow it, or says which image, type or region is allowed")),
    row("launch-boundary", STAYS, &[&["in a permissions boundary"], &["no permissions boundary allows"]],
        "a permissions boundary forbids the launch", Out::Allow),
    row("launch-pass-role", STAYS, &[&["iam:passrole"]],
        "the caller is not allowed to pass the instances' role to them", Out::Allow),
    row("launch-image", STAYS, &[&["not authorized for images"], &["invalidamiid"], &["image id", "does not exist"],
            &["permission to access the specified ami"], &["specified ami", "does not exist"],
            &["image id", "is not valid"], &["image is no longer available"]],
        "the image does not exist, or the account is not allowed to use it",
        Out::Service("another image (or none: the newest Amazon Linux)")),
    row("launch-denied", STAYS, &[&["not authorized to perform"], &["you are not authorized"], &["unauthorizedoperation"], &["accessdenied"],
            &["access denied"], &["explicit deny"]],
        "the account does not let the Auto Scaling group launch instances", Out::Allow),

    // Objects that the launch template names.
    row("launch-profile", PASSES, &[&["iam instance profile"], &["iaminstanceprofile"], &["invalidinstanceprofile"]],
        "the instance profile does not exist, or EC2 does not know it yet",
        Out::Up("creates it again if it is gone; the group tries again by itself")),
    row("launch-group-vpc", STAYS, &[&["belong to different networks"]],
        "the security group is in another VPC than the subnets", Out::Up("restores gameday's launch template")),
    row("launch-group", STAYS, &[&["security group", "does not exist"], &["invalidgroup."], &["invalidsecuritygroupid"]],
        "the security group of the launch template does not exist", Out::Up("creates it again")),
    row("launch-key-pair", STAYS, &[&["key pair", "does not exist"], &["invalidkeypair"]],
        "the key pair does not exist", Out::Up("after setting another key_pair under [access]")),
    row("launch-user-data", STAYS, &[&["user data is limited"], &["encoding of user data"], &["invaliduserdata"]],
        "EC2 does not accept the user data", Out::Type("gameday render --check", "says how large it is; then gameday up")),
    row("launch-volume-size", STAYS, &[&["smaller than snapshot"]],
        "the image needs a larger volume than the launch template gives", Out::Service("an image with a smaller disk")),
    row("launch-architecture", STAYS, &[&["does not match the architecture"]],
        "the image and the instance type have different architectures (arm64, x86_64)",
        Out::Service("an instance_type and an image of one architecture (no image: the newest Amazon Linux for x86_64)")),
    row("launch-device", STAYS, &[&["invalidblockdevicemapping"], &["invalid device name"]],
        "the launch template's volumes do not fit the image", Out::Up("restores gameday's launch template")),
    row("launch-template", STAYS, &[&["launch template", "does not exist"], &["launch template", "not found"], &["invalidlaunchtemplate"],
            &["could not find the specified version"]],
        "the launch template or its version is gone", Out::Up("creates it again")),

    // Quotas.
    row("launch-spot-quota", STAYS, &[&["maxspotinstancecountexceeded"], &["spot instance count exceeded"]],
        "the account's quota of Spot instances is used up", Out::Service("fewer Spot instances (spot.on_demand), or a smaller instance_type")),
    row("launch-volume-quota", STAYS, &[&["volumelimitexceeded"], &["maxiopslimitexceeded"], &["storage limit"], &["maximum", "iops"],
            &["maximum number of volumes"], &["volume limit"]],
        "the account's quota of EBS volumes is used up",
        Out::Type("aws ec2 describe-volumes --filters Name=status,Values=available --query 'Volumes[].[VolumeId,Size,VolumeType]'",
            "lists unused volumes: delete some, or request more in Service Quotas (EBS)")),
    row("launch-interface-quota", STAYS, &[&["networkinterfacelimitexceeded"], &["maximum number of network interfaces"], &["network interface limit"]],
        "the account's quota of network interfaces is used up",
        Out::Type("aws ec2 describe-network-interfaces --filters Name=status,Values=available --query 'NetworkInterfaces[].NetworkInterfaceId'",
            "lists unused interfaces: delete some, or request more in Service Quotas (VPC)")),
    row("launch-address-quota", STAYS, &[&["addresslimitexceeded"], &["maximum number of addresses has been reached"]],
        "the account's quota of public addresses is used up",
        Out::Type("aws ec2 describe-addresses --query 'Addresses[?AssociationId==null].AllocationId'",
            "lists unused addresses: release some, or request more in Service Quotas (EC2)")),
    row("launch-quota", STAYS, &[&["vcpulimitexceeded"], &["vcpu capacity"], &["vcpu limit"], &["instancelimitexceeded"], &["current instance limit"],
            &["reached your quota"], &["exceeded your quota"], &["quota for maximum fleet requests"]],
        "a quota of the account is used up", Out::Service("fewer instances, or a smaller instance_type")),

    // Place and market.
    row("launch-type", STAYS, &[&["supported in your requested availability zone"], &["instance type", "is not valid"], &["invalid instance type"]],
        "the instance type is not available in a zone", Out::Service("another instance_type, or other zones")),
    row("launch-spot-price", PASSES, &[&["spotmaxpricetoolow"], &["spot request price"], &["spot request fulfillment price"]],
        "the price of Spot instances is above the maximum price", Out::Service("other spot.types, or no spot")),
    row("launch-capacity", PASSES, &[&["insufficientinstancecapacity"], &["do not have sufficient"], &["insufficient capacity"],
            &["unfulfillablecapacity"], &["no spot capacity"], &["unable to fulfill capacity"], &["no more unused capacity"]],
        "AWS has no capacity for this instance type in the zone", Out::Service("another instance_type, or spot.types")),
    row("launch-spot-ended", PASSES, &[&["spotinstancetermination"], &["spot instance interruption"]],
        "AWS interrupted the Spot instance while it started",
        Out::Type("gameday status --watch", "the group starts another one; other spot.types make it rarer")),
    row("launch-ipv6", STAYS, &[&["ipv6-only"], &["ipv6 only"], &["ipv6 addresses are not supported"], &["ipv6native"]],
        "the instance type, or its public address, does not work in a subnet without IPv4",
        Out::Up("after setting subnets with IPv4 under [network], or another instance_type")),
    row("launch-subnet", STAYS, &[&["insufficientfreeaddresses"], &["enough free addresses"]],
        "a subnet has no free address", Out::Addresses),
    row("launch-subnet-gone", STAYS, &[&["invalidsubnetid"], &["subnet", "does not exist"]],
        "a subnet of the Auto Scaling group does not exist", Out::Up("creates it again")),
    row("launch-unsupported", STAYS, &[&["requested configuration is currently not supported"], &["unsupportedoperation"]],
        "EC2 does not support this instance type with this image, zone or Spot",
        Out::Service("another instance_type, image or zones")),

    // Instances that started and ended.
    row("launch-shutdown", PASSES, &[&["instanceinitiatedshutdown"], &["userinitiatedshutdown"]],
        "the instance was shut down while it started: by itself, or by somebody",
        Out::Type("gameday logs --since 10m", "shows its boot; the group starts another one")),
    row("launch-aws-fault", PASSES, &[&["server.internalerror"], &["internal error on launch"]],
        "EC2 itself failed to start the instance", Out::Type("gameday status --watch", "the group tries again by itself")),
];

/// Returns the meaning of the message of a failed launch.
pub(super) fn meaning(view: &View<'_>, group: &str, message: &str) -> Meaning {
    let plain = without_names(message);
    let fits = |r: &&Row| r.words.iter().any(|all| all.iter().all(|w| plain.contains(w)));
    let Some(row) = ROWS.iter().find(fits) else {
        let command =
            command!("aws autoscaling describe-scaling-activities --auto-scaling-group-name {} --max-items 5", group);
        return Meaning {
            rule: "launch-failed",
            cause: "the Auto Scaling group cannot launch instances, for a reason that gameday does not recognise",
            trying: true,
            fix: (command, "shows them in full; the group tries again by itself").into(),
        };
    };
    let service = &view.s.whose.service;
    let fix = match row.out {
        Out::Service(what) => (UP, format!("after setting {what} under [service.{service}]")).into(),
        Out::Up(note) => (UP, note).into(),
        Out::Type(command, note) => (command, note).into(),
        Out::Addresses => view.network_fix((FREE_ADDRESSES, "free addresses in the subnets")),
        Out::Allow => allow(message),
    };
    Meaning { rule: row.rule, cause: row.cause, trying: row.trying, fix }
}

/// The number of characters of a message that Auto Scaling keeps. An encoded message that was cut cannot be decoded.
const KEPT: usize = 1000;
const ENCODED: &str = "Encoded authorization failure message:";

/// Returns the fix for a missing permission.
fn allow(message: &str) -> Fix {
    let encoded = message.split_once(ENCODED).and_then(|(_, rest)| rest.split_whitespace().next());
    match encoded.filter(|_| message.len() < KEPT) {
        Some(code) => {
            let code = code.trim_end_matches('.');
            let command = command!("aws sts decode-authorization-message --encoded-message {}", code);
            (command, "shows which policy forbids what; `gameday policy` lists what has to be allowed").into()
        }
        None => ("gameday policy", "lists what has to be allowed: ask whoever runs the event").into(),
    }
}

/// Returns the message in lower case without quoted names, ARNs and encoded messages, since they can contain any word.
fn without_names(message: &str) -> String {
    let message = match message.split_once(ENCODED) {
        Some((before, rest)) => {
            let after = rest.trim_start().split_once(char::is_whitespace).map_or("", |(_, after)| after);
            format!("{before} {after}")
        }
        None => message.to_owned(),
    };
    let words = message.split_whitespace().filter(|w| !w.trim_matches(['(', '\'', '"', '[']).starts_with("arn:"));
    let spaced = words.collect::<Vec<_>>().join(" ");
    let (mut plain, mut rest) = (String::new(), spaced.as_str());
    // An opening quote precedes a word and a closing quote follows one. The apostrophe of `You've` does neither.
    while let Some(open) = rest.find(['\'', '"']) {
        let quote = &rest[open..=open];
        let before = rest[..open].chars().next_back();
        let inside = &rest[open + 1..];
        let close = inside
            .match_indices(quote)
            .map(|(at, _)| at)
            .find(|at| inside[at + 1..].chars().next().is_none_or(|c| !c.is_alphanumeric()));
        match close.filter(|_| before.is_none_or(|c| !c.is_alphanumeric())) {
            Some(close) => {
                plain += &rest[..open];
                rest = &inside[close + 1..];
            }
            None => {
                plain += &rest[..=open];
                rest = inside;
            }
        }
    }
    (plain + rest).split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Snapshot, Whose};
    use std::collections::BTreeSet;

    fn told(message: &str) -> Meaning {
        let s = Snapshot { whose: Whose { service: "api".into(), ..Whose::default() }, ..Snapshot::default() };
        meaning(&View::new(&s), "billing-api", message)
    }

    fn rule(message: &str) -> &'static str {
        told(message).rule
    }

    #[test]
    fn every_refusal_has_its_own_rule() {
        let text = include_str!("refusals.txt");
        let mut hit = BTreeSet::new();
        for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let (wanted, message) = line.split_once(": ").expect("rule: message");
            assert_eq!(rule(message), wanted, "{message}");
            // The description of an activity contains the message, too.
            let described =
                format!("Launching a new EC2 instance.  Status Reason: {message} Launching EC2 instance failed.");
            assert_eq!(rule(&described), wanted, "{described}");
            let wrapped = format!("Could not launch On-Demand Instances. {message} Launching EC2 instance failed.");
            assert_eq!(rule(&wrapped), wanted, "{wrapped}");
            hit.insert(wanted);
        }
        let unproved: Vec<&str> = ROWS.iter().map(|r| r.rule).filter(|r| !hit.contains(r)).collect();
        assert!(unproved.is_empty(), "rows without a message: {unproved:?}");
    }

    #[test]
    fn every_alternative_is_reached_by_its_own_words() {
        for row in ROWS {
            for words in row.words {
                let message = format!("{}. Launching EC2 instance failed.", words.join(" of this request "));
                assert_eq!(rule(&message), row.rule, "{words:?} is shadowed");
            }
        }
    }

    /// A profile that EC2 does not know yet is not a fault: `up` keeps waiting.
    #[test]
    fn what_passes_by_itself_is_waited_for() {
        let told = |message: &str| told(&format!("{message}. Launching EC2 instance failed."));
        assert!(
            told("Value (billing) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name")
                .trying
        );
        assert!(!told("The key pair 'ops' does not exist").trying);
    }

    #[test]
    fn what_is_filled_in_says_nothing() {
        for name in [
            "ami-vcpu",
            "security group",
            "image id",
            "tag policy",
            "key pair",
            "IMDSv1",
            "InvalidAMIID",
            "explicit deny",
        ] {
            assert_eq!(
                rule(&format!("The key pair '{name}' does not exist. Launching EC2 instance failed.")),
                "launch-key-pair"
            );
            assert_eq!(
                rule(&format!("You've met '{name}' and can't go on with \"{name}\". Launching EC2 instance failed.")),
                "launch-failed"
            );
        }
        let code = "xAmiInvalidKMSKeyVcpuLimitExceededImdsv1";
        let encoded = format!(
            "You are not authorized to perform this operation. Encoded authorization failure message: {code}. Launching EC2 instance failed."
        );
        let denied = told(&encoded);
        assert_eq!(
            (denied.rule, denied.fix.command.as_str()),
            (
                "launch-denied",
                "aws sts decode-authorization-message --encoded-message xAmiInvalidKMSKeyVcpuLimitExceededImdsv1",
            )
        );
        let cut = format!(
            "You are not authorized to perform this operation. Encoded authorization failure message: {}",
            code.repeat(30)
        );
        assert_eq!(told(&cut).fix.command, "gameday policy");
    }

    #[test]
    fn what_no_row_knows_is_not_guessed() {
        for message in [
            "Internal error. Launching EC2 instance failed.",
            "A familiar name, a dynamic team and an amicable image of the family. Launching EC2 instance failed.",
            "The subnet of the security group has a template. Launching EC2 instance failed.",
            "ami",
            "",
            "인스턴스를 시작할 수 없습니다 ‘ami’",
        ] {
            let told = told(message);
            assert_eq!((told.rule, told.trying), ("launch-failed", true), "{message}");
            assert!(
                told.fix.command.starts_with("aws autoscaling describe-scaling-activities"),
                "{}",
                told.fix.command
            );
        }
    }

    #[test]
    fn a_denial_that_names_the_image_is_a_denial() {
        let message = "You are not authorized to perform this operation. User: arn:aws:sts::111122223333:assumed-role/x is not authorized \
            to perform: ec2:RunInstances on resource: arn:aws:ec2:us-east-1::image/ami-0abc with an explicit deny in a service control policy.";
        assert_eq!(rule(message), "launch-scp");
        assert_eq!(
            rule(&message.replace("in a service control policy", "in an identity-based policy")),
            "launch-denied"
        );
        assert_eq!(
            rule(&message.replace("in a service control policy", "in a permissions boundary")),
            "launch-boundary"
        );
    }
}
