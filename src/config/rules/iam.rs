//! The instance profile and the passwords.
use super::{Rules, names};
use crate::Mode;
use crate::check::Issue;
use crate::place::at;

pub(super) fn check(rules: &mut Rules<'_>) {
    let iam = &rules.config.iam;
    if let Some(profile) = &iam.instance_profile {
        let bad = profile.chars().find(|c| !(c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c)));
        if profile.is_empty() || profile.len() > 128 || bad.is_some() {
            let bare = profile.rsplit('/').next().unwrap_or_default();
            let arn = profile.starts_with("arn:");
            rules.found.error(
                "instance_profile",
                at("iam.instance_profile"),
                format!("{profile:?} is not the name of an instance profile"),
                if arn { "this is an ARN" } else { "1 to 128 letters, digits and _ + = , . @ -" },
                if arn {
                    format!("write its last part: \"{bare}\"")
                } else {
                    "for example \"LabInstanceProfile\"".into()
                },
            );
        }
    }
    for (i, arn) in iam.read_objects.iter().enumerate() {
        let here = at("iam.read_objects").item(i);
        let Some((why, fix)) = object_arn(arn) else { continue };
        rules.found.error("object_arn", here, format!("{arn:?} does not name S3 objects"), why, fix);
    }
    if iam.mode == Mode::Off && rules.config.database.mode != Mode::Off {
        let issue = Issue::warning(
            "passwords_in_user_data",
            at("iam.mode"),
            "the application's password will stand in the user data",
            "without a profile the instances cannot ask for it",
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
                "the password itself never stands in this file: store it as a SecureString parameter and give \
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
            "store a password of its own for the application",
        );
    }
}

/// Why this is no ARN of S3 objects, and what would be.
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
                Some(("the bucket has to be named", "least privilege: \"arn:aws:s3:::BUCKET/prefix/*\"".into()))
            }
            None if path == "*" => {
                Some(("the bucket has to be named", "least privilege: \"arn:aws:s3:::BUCKET/prefix/*\"".into()))
            }
            _ => Some(("this is a bucket, not its objects", fix(path))),
        },
        _ => Some(("not an ARN of S3", "for example \"arn:aws:s3:::event-bucket/assets/*\"".into())),
    }
}
