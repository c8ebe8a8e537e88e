//! The instance profile and the passwords.
use super::{Rules, names};
use crate::Mode;
use crate::check::Issue;
use crate::derived::partition;
use crate::place::at;
use std::collections::BTreeMap;

pub(super) fn check(rules: &mut Rules<'_>) {
    let iam = &rules.config.iam;
    let named = [
        ("instance_profile", &iam.instance_profile, "an instance profile", "LabInstanceProfile"),
        ("role", &iam.role, "a role", "LabRole"),
    ];
    for (key, name, what, example) in named {
        let Some(name) = name else { continue };
        let bad = name.chars().find(|c| !(c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c)));
        let longest = if key == "role" { 64 } else { 128 };
        if !name.is_empty() && name.len() <= longest && bad.is_none() {
            continue;
        }
        let bare = name.rsplit('/').next().unwrap_or_default();
        let arn = name.starts_with("arn:");
        rules.found.error(
            "instance_profile",
            at("iam").key(key),
            format!("{name:?} is not the name of {what}"),
            if arn { "this is an ARN".into() } else { format!("1 to {longest} letters, digits and _ + = , . @ -") },
            if arn { format!("write its last part: \"{bare}\"") } else { format!("for example \"{example}\"") },
        );
    }
    for (i, arn) in iam.read_objects.iter().enumerate() {
        let here = at("iam.read_objects").item(i);
        let Some((why, fix)) = object_arn(arn) else { continue };
        rules.found.error("object_arn", here, format!("{arn:?} does not name S3 objects"), why, fix);
    }
    organisation(rules);
    if iam.mode == Mode::Off && rules.config.database.mode != Mode::Off {
        let issue = Issue::warning(
            "passwords_in_user_data",
            at("iam.mode"),
            "the user data will contain the application's password",
            "without a profile the instances cannot read it elsewhere",
            "use a ready profile if the event has one: mode = \"use\", instance_profile = \"LabInstanceProfile\"",
        );
        rules.found.push(issue.with(at("database.mode"), "there is a database"));
    }
    let secrets = &rules.config.secrets;
    let (master, app) = (&secrets.master_password, &secrets.app_password);
    for (key, name) in [("secrets.master_password", master), ("secrets.app_password", app)] {
        if let Some(name) = name
            && let Some(why) = names::parameter(name)
        {
            rules.found.error(
                "secret_name",
                at(key),
                "this is not the name of an SSM parameter",
                why,
                "the password itself does not belong in this file: store it as a SecureString parameter and give \
                 the parameter's name, such as \"/event/app-password\"",
            );
        }
    }
    if let (Some(one), Some(other)) = (master, app)
        && one == other
        && !one.is_empty()
    {
        rules.found.warn(
            "secrets_same",
            at("secrets.app_password"),
            "master user and application share one password",
            "the same parameter as `master_password`",
            "store a separate password for the application",
        );
    }
}

/// The most managed policies of a role by default, and with a raised quota.
const POLICIES: (usize, usize) = (10, 25);

/// Checks the settings that organisations require of a role.
fn organisation(rules: &mut Rules<'_>) {
    let iam = &rules.config.iam;
    let partition = partition(&rules.config.region);
    if let Some(arn) = &iam.permissions_boundary
        && let Some((why, fix)) = policy_arn(arn, partition)
    {
        let what = format!("{arn:?} is not the ARN of a managed policy");
        rules.found.error("permissions_boundary", at("iam.permissions_boundary"), what, why, fix);
    }
    let mut first = BTreeMap::new();
    for (i, arn) in iam.policies.iter().enumerate() {
        let here = at("iam.policies").item(i);
        if let Some((why, fix)) = policy_arn(arn, partition) {
            let what = format!("{arn:?} is not the ARN of a managed policy");
            rules.found.error("policy_arn", here, what, why, fix);
        } else if let Some(before) = first.insert(arn, i) {
            let issue = Issue::error(
                "policy_twice",
                here,
                "the same policy is given twice",
                "the second one has no effect",
                "delete one of them",
            );
            rules.found.push(issue.with(at("iam.policies").item(before), "first here"));
        }
    }
    let count = iam.policies.len();
    if count > POLICIES.1 {
        rules.found.error(
            "policies_too_many",
            at("iam.policies"),
            format!("{count} managed policies"),
            format!("a role has {} at most, even with a raised quota", POLICIES.1),
            "join their permissions in one policy",
        );
    } else if count > POLICIES.0 {
        rules.found.warn(
            "policies_quota",
            at("iam.policies"),
            format!("{count} managed policies"),
            format!("a role accepts {} unless the account's quota was raised", POLICIES.0),
            "join their permissions in one policy, or ask for more in Service Quotas",
        );
    }
    for (i, arn) in iam.kms_keys.iter().enumerate() {
        if let Some((why, fix)) = key_arn(arn, partition, &rules.config.region) {
            let what = format!("{arn:?} does not name a KMS key");
            rules.found.error("kms_key", at("iam.kms_keys").item(i), what, why, fix);
        }
    }
    let path = &iam.path;
    let bad = path.chars().find(|c| !c.is_ascii_graphic() || *c == '*' || *c == '?');
    let why = if !path.starts_with('/') || !path.ends_with('/') {
        Some("it has to begin and to end with /".to_owned())
    } else if path.len() > 512 {
        Some(format!("{} characters; IAM takes 512", path.len()))
    } else if path.contains("//") {
        Some("a part of it is empty".to_owned())
    } else if path.starts_with("/aws-service-role/") {
        Some("AWS reserves this path for the roles of its services".to_owned())
    } else {
        bad.map(|c| format!("IAM does not accept {c:?} here"))
    };
    if let Some(why) = why {
        let parts: Vec<_> = path.split('/').filter(|p| !p.is_empty()).collect();
        let fix = match parts.is_empty() || bad.is_some() || parts[0] == "aws-service-role" {
            true => "for example \"/event/\"".to_owned(),
            false => format!("write \"/{}/\"", parts.join("/")),
        };
        rules.found.error("iam_path", at("iam.path"), format!("{path:?} is not a path of IAM"), why, fix);
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.chars().all(|c| c.is_ascii_digit())
}

/// Explains why an ARN is of another partition than the region's.
fn wrong_partition(found: &str, wanted: &str, arn: &str) -> Option<(String, String)> {
    (found != wanted).then(|| {
        let rest = arn.splitn(3, ':').nth(2).unwrap_or_default();
        (format!("the region is in the partition {wanted}"), format!("write \"arn:{wanted}:{rest}\""))
    })
}

/// Explains why a text is no ARN of a managed policy, with a correct example.
fn policy_arn(arn: &str, partition: &str) -> Option<(String, String)> {
    let own = format!("\"arn:{partition}:iam::ACCOUNT:policy/NAME\"");
    let example = format!("for example {own}, or \"arn:{partition}:iam::aws:policy/NAME\" for one of AWS's own");
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let ["arn", found, service, region, account, resource] = parts[..] else {
        let name = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c);
        let bare = arn.trim_start_matches("policy/").trim_start_matches('/');
        if bare.is_empty() || !bare.chars().all(name) {
            return Some(("not an ARN".into(), example));
        }
        let owner = if bare.starts_with("Amazon") || bare.starts_with("AWS") { "aws" } else { "ACCOUNT" };
        return Some((
            "this is a name, not an ARN".into(),
            format!("write \"arn:{partition}:iam::{owner}:policy/{bare}\""),
        ));
    };
    if service != "iam" {
        return Some((format!("this is an ARN of {service}, not of IAM"), example));
    }
    if let Some(wrong) = wrong_partition(found, partition, arn) {
        return Some(wrong);
    }
    if !region.is_empty() {
        return Some(("IAM has no regions".into(), format!("write \"arn:{partition}:iam::{account}:{resource}\"")));
    }
    if !(account == "aws" || is_account(account)) {
        return Some(("the account is missing: 12 digits, or `aws` for AWS's own policies".into(), example));
    }
    let Some(name) = resource.strip_prefix("policy/") else {
        let kind = resource.split('/').next().unwrap_or_default();
        return Some((format!("this is a {kind}, not a policy"), example));
    };
    if name.is_empty() || name.ends_with('/') {
        return Some(("the policy's name is missing".into(), example));
    }
    let bad = name.chars().find(|c| !(c.is_ascii_alphanumeric() || "_+=,.@-/".contains(*c)));
    bad.map(|c| match c {
        '*' => ("a wildcard is not allowed".into(), example.clone()),
        c => (format!("IAM does not accept {c:?} in a name"), example.clone()),
    })
}

/// Explains why a text is no ARN of a KMS key, with a correct example.
fn key_arn(arn: &str, partition: &str, region: &str) -> Option<(String, String)> {
    let example =
        format!("for example \"arn:{partition}:kms:{region}:ACCOUNT:key/1234abcd-12ab-34cd-56ef-1234567890ab\"");
    let look_up = |alias: &str| {
        // The alias is printed in a shell command, so it must not need quotes.
        if !alias.chars().all(|c| c.is_ascii_alphanumeric() || ":/_-".contains(c)) {
            return example.clone();
        }
        format!(
            "`aws kms describe-key --key-id {alias} --query KeyMetadata.Arn` prints the key's own ARN; write that one"
        )
    };
    let is_key = |id: &str| {
        let hex = |text: &str, n: usize| text.len() == n && text.chars().all(|c| c.is_ascii_hexdigit());
        let parts: Vec<_> = id.split('-').collect();
        match parts[..] {
            ["mrk", id] => hex(id, 32),
            [a, b, c, d, e] => hex(a, 8) && hex(b, 4) && hex(c, 4) && hex(d, 4) && hex(e, 12),
            _ => false,
        }
    };
    if arn.starts_with("alias/") {
        return Some(("this is an alias, but IAM accepts only a key's own ARN".into(), look_up(arn)));
    }
    if arn == "*" || arn.ends_with("/*") {
        return Some(("least privilege: each key has to be listed".into(), example));
    }
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let ["arn", found, service, at, account, resource] = parts[..] else {
        let bare = arn.trim_start_matches("key/");
        if is_key(bare) {
            let fix = format!("write \"arn:{partition}:kms:{region}:ACCOUNT:key/{bare}\"");
            return Some(("this is a key's id, not its ARN".into(), fix));
        }
        return Some(("not an ARN of KMS".into(), example));
    };
    if service != "kms" {
        return Some((format!("this is an ARN of {service}, not of KMS"), example));
    }
    if let Some(wrong) = wrong_partition(found, partition, arn) {
        return Some(wrong);
    }
    if resource.starts_with("alias/") {
        return Some(("this is an alias, but IAM accepts only a key's own ARN".into(), look_up(arn)));
    }
    if at.is_empty() || at.contains('*') || !is_account(account) {
        return Some(("region and account are missing".into(), example));
    }
    match resource.strip_prefix("key/") {
        Some(id) if is_key(id) => None,
        _ => Some(("the key's id is missing".into(), example)),
    }
}

/// Explains why a text is no ARN of S3 objects, with a correct example.
fn object_arn(arn: &str) -> Option<(&'static str, String)> {
    let fix = |path: &str| {
        let path = path.trim_end_matches('/');
        if path.contains('/') {
            format!("write \"arn:aws:s3:::{path}\"")
        } else {
            format!("write \"arn:aws:s3:::{path}/*\"")
        }
    };
    if let Some(path) = arn.strip_prefix("s3://") {
        return Some(("this is an S3 URL", fix(path)));
    }
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    match parts[..] {
        ["arn", partition, "s3", "", "", path] if partition.starts_with("aws") => match path.split_once('/') {
            Some((bucket, key)) if !bucket.is_empty() && !bucket.contains('*') && !key.is_empty() => None,
            Some((bucket, _)) if bucket.contains('*') => {
                Some(("the bucket's name is missing", "least privilege: \"arn:aws:s3:::BUCKET/prefix/*\"".into()))
            }
            None if path == "*" => {
                Some(("the bucket's name is missing", "least privilege: \"arn:aws:s3:::BUCKET/prefix/*\"".into()))
            }
            _ => Some(("this is a bucket, not its objects", fix(path))),
        },
        _ => Some(("not an ARN of S3", "for example \"arn:aws:s3:::event-bucket/assets/*\"".into())),
    }
}
