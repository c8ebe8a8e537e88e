//! Refusals by an organisation or by AWS itself, which no policy in the account can change, and the way out.
use crate::error::Class;

/// Returns the way out, or `None` for other refusals.
pub(super) fn help(call: &str, class: Class, code: &str, message: &str) -> Option<String> {
    organisation(call, class, code, message).or_else(|| account(code, message).map(Into::into))
}

/// Returns the way out if AWS restricts the account.
fn account(code: &str, message: &str) -> Option<&'static str> {
    Some(match code {
        // Said of new accounts; no policy changes it.
        "OperationNotPermitted" if message.contains("support creating load balancers") => {
            "AWS has not enabled load balancers for this account yet (new accounts): ask AWS Support to do so, under \
             Account and billing, then run the same command again: it resumes where it stopped"
        }
        "PendingVerification" | "Blocked" | "AccountProblem" => {
            "this is about the account, not about rights or the stack file: AWS Support and the account's mails say \
             more; then run the same command again"
        }
        _ => return None,
    })
}

/// Returns the way out if a rule of the organisation refuses the call.
fn organisation(call: &str, class: Class, code: &str, said: &str) -> Option<String> {
    let message = said.to_lowercase();
    if code.starts_with("TagPolicy") || message.contains("tag policy") {
        let key = said.split_once("tag key: ").and_then(|(_, rest)| {
            let key = rest.trim_start_matches(['\'', '"']).split(['\'', '"']).next()?.trim_end_matches('.');
            Some(key).filter(|key| !key.is_empty())
        });
        let place = match key {
            Some("Name") => "the names under [names] in gameday.toml".to_owned(),
            Some(key) => {
                format!(
                    "the value of {key:?} under [tags] in gameday.toml (or `tag_prefix`, if the tag is gameday's own)"
                )
            }
            None => "the values under [tags] in gameday.toml".to_owned(),
        };
        return Some(format!(
            "change {place}; what the organisation allows says \
             `aws organizations describe-effective-policy --policy-type TAG_POLICY`"
        ));
    }
    if class != Class::Denied {
        return None;
    }
    let by_rule = ["explicit deny", "service control policy", "permissions boundary"];
    let by_rule = by_rule.iter().any(|words| message.contains(words));
    match call {
        "DeleteRolePermissionsBoundary" | "PutRolePermissionsBoundary" => Some(
            "the organisation keeps its boundary on the role: name that one under [iam] in gameday.toml, \
             permissions_boundary = \"arn:aws:iam::ACCOUNT:policy/NAME\""
                .into(),
        ),
        "CreateRole" | "CreateInstanceProfile" | "PutRolePolicy" | "AttachRolePolicy" if by_rule => Some(
            "where an organisation lets roles be made only with a permissions boundary or under a path, give them under \
             [iam] in gameday.toml: permissions_boundary = \"arn:aws:iam::ACCOUNT:policy/NAME\", path = \"/…/\"; where it \
             lets none be made, take a ready profile: mode = \"use\", instance_profile = \"NAME\"; \
             `gameday policy` prints the IAM policy this stack needs"
                .into(),
        ),
        _ if message.contains("service control policy") => Some(
            "a service control policy of the organisation denies this, which no policy in the account can allow; it may \
             ask for a tag ([tags] in gameday.toml), another region or another type; else set the group to `use` or `off`"
                .into(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{AwsError, Error, Help as _};

    fn refused(call: &'static str, class: Class, code: &str, message: &str) -> String {
        let help = help(call, class, code, message);
        let (code, message) = (Some(code.to_owned()), message.to_owned());
        Error::Aws(Box::new(AwsError { call, class, code, message, request_id: None, help })).help().unwrap_or_default()
    }

    /// As EC2, DynamoDB, SNS and S3 word it, with and without the key.
    #[test]
    fn a_tag_policy_is_told_with_the_key_and_the_place() {
        let says = |code: &str, message: &str| refused("CreateVpc", Class::Invalid, code, message);
        let value = "The tag policy does not allow the specified value for the following tag key: ";
        for (code, message) in [
            ("TagPolicyViolation", format!("{value}'CostCenter'.")),
            ("TagPolicyException", format!("{value}'CostCenter'.")),
            ("ValidationException", format!("One or more parameter values were invalid: {value}'CostCenter'.")),
            ("InvalidParameterValue", format!("{value}CostCenter.")),
            ("TagPolicyViolation", format!("{}'CostCenter'.", value.replace("value", "capitalization"))),
        ] {
            let help = says(code, &message);
            assert!(help.contains("\"CostCenter\" under [tags] in gameday.toml"), "{message}: {help}");
            assert!(help.contains("--policy-type TAG_POLICY"), "{help}");
        }
        assert!(says("TagPolicyViolation", &format!("{value}'Name'.")).contains("under [names]"));
        assert!(says("TagPolicyViolation", &format!("{value}'gameday:stack'.")).contains("tag_prefix"));
        assert!(says("TagPolicyException", "Tag policy does not allow it.").contains("under [tags]"));
    }

    #[test]
    fn a_role_that_an_organisation_denies_names_its_keys() {
        let start = "User: arn:aws:sts::111122223333:assumed-role/team/anna is not authorized to perform: iam:CreateRole on \
                     resource: arn:aws:iam::111122223333:role/billing-instance";
        for end in [
            " with an explicit deny",
            " with an explicit deny in a service control policy",
            " with an explicit deny in an identity-based policy: arn:aws:iam::111122223333:policy/Team",
            " because no permissions boundary allows the iam:CreateRole action",
        ] {
            let help = refused("CreateRole", Class::Denied, "AccessDenied", &format!("{start}{end}"));
            for key in ["permissions_boundary = ", "path = ", "mode = \"use\"", "`gameday policy`"] {
                assert!(help.contains(key), "{end}: {help}");
            }
        }
        // What no rule of an organisation denies is a matter of the policy.
        let plain = format!("{start} because no identity-based policy allows the iam:CreateRole action");
        let help = refused("CreateRole", Class::Denied, "AccessDenied", &plain);
        assert!(help.starts_with("`gameday policy`"), "{help}");
        // A boundary that may not be taken off.
        let help = refused("DeleteRolePermissionsBoundary", Class::Denied, "AccessDenied", "… with an explicit deny");
        assert!(help.contains("permissions_boundary = "), "{help}");
        // Other calls that such a rule denies.
        let deny =
            "You are not authorized to perform this operation with an explicit deny in a service control policy.";
        let help = refused("CreateVpc", Class::Denied, "UnauthorizedOperation", deny);
        assert!(help.contains("[tags]") && help.contains("service control policy"), "{help}");
    }
}
