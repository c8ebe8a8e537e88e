//! The only place where errors of the SDK become errors of gameday.
use super::{
    account,
    network::{Destination, Unreachable},
    refusal::Refusal,
};
use crate::{
    error::{AwsError, Class, Error, Result},
    said,
};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::{display::DisplayErrorContext, metadata::ProvideErrorMetadata};
use aws_types::request_id::RequestId;

/// Converts results of the SDK.
pub trait AwsResult<T>: Sized {
    /// Names the call that failed.
    fn during(self, call: &'static str) -> Result<T>;
    /// Turns "no such object" into `None`.
    fn or_absent(self, call: &'static str) -> Result<Option<T>>;
    /// Turns "no such object" into success, for calls that delete.
    fn or_gone(self, call: &'static str) -> Result<()> {
        self.or_absent(call).map(drop)
    }
}

impl<T, E> AwsResult<T> for Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    SdkError<E, HttpResponse>: RequestId,
{
    fn during(self, call: &'static str) -> Result<T> {
        // The search for credentials already explained what is wrong.
        self.map_err(|e| match cause::<Error>(&e) {
            Some(ours) => ours.clone(),
            None => Error::Aws(Box::new(translate(call, &e))),
        })
    }
    fn or_absent(self, call: &'static str) -> Result<Option<T>> {
        match self.during(call) {
            Err(e) if e.class() == Some(Class::NotFound) => Ok(None),
            other => other.map(Some),
        }
    }
}

fn translate<E>(call: &'static str, e: &SdkError<E, HttpResponse>) -> AwsError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    SdkError<E, HttpResponse>: RequestId,
{
    let service = e.as_service_error();
    // Code and message are foreign text.
    let code = service.and_then(|s| s.code()).map(said::words);
    let message = said::words(&service.and_then(|s| s.message()).map_or_else(|| root_cause(e), str::to_owned));
    let answer = e.raw_response();
    let status = answer.map(|r| r.status().as_u16());
    if let Some(Unreachable { what, help, passes, .. }) = cause(e) {
        let class = if *passes { Class::Lost } else { Class::Invalid };
        let (message, help) = (what.clone(), Some(help.clone()));
        return AwsError { help, ..AwsError::new(call, class, message) };
    }
    let refusal = Refusal {
        code: code.as_deref().unwrap_or_default(),
        message: &message,
        asked: answer.and_then(Destination::of_answer),
        date: answer.and_then(|r| r.headers().get("date")),
        now: std::time::SystemTime::now(),
    };
    let class = match e {
        SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) if is_credentials(e) => Class::Credentials,
        SdkError::ConstructionFailure(_) => Class::Invalid,
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => Class::Lost,
        _ => classify(refusal.code, &message, status.unwrap_or(0)),
    };
    let help = refusal.help().or_else(|| account::help(call, class, refusal.code, &message));
    AwsError { call, class, message, request_id: e.request_id().map(said::words), code, help }
}

/// Makes the error for a refusal inside a successful answer.
pub(crate) fn refused(call: &'static str, code: &str, message: &str) -> AwsError {
    let (code, message) = (said::words(code), said::words(message));
    let class = classify(&code, &message, 400);
    let help = account::help(call, class, &code, &message);
    AwsError { call, class, code: Some(code), message, request_id: None, help }
}

/// True if the SDK found no credentials to sign with, which only the type of an inner error shows.
fn is_credentials<E: std::error::Error + 'static>(e: &SdkError<E, HttpResponse>) -> bool {
    cause::<aws_credential_types::provider::error::CredentialsError>(e).is_some()
}

/// Returns the first error of this type in the chain of causes.
pub(super) fn cause<T: std::error::Error + 'static>(e: &(impl std::error::Error + 'static)) -> Option<&T> {
    let mut cause = e.source();
    while let Some(c) = cause {
        if let Some(found) = c.downcast_ref() {
            return Some(found);
        }
        cause = c.source();
    }
    None
}

fn root_cause(e: &(impl std::error::Error + 'static)) -> String {
    let mut cause: &dyn std::error::Error = e;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let said = cause.to_string();
    if said.is_empty() { DisplayErrorContext(e).to_string() } else { said }
}

/// Returns the class of an error code [AWS 4.4]; codes differ from the names of the exception types.
pub fn classify(code: &str, message: &str, status: u16) -> Class {
    let bare = code.strip_suffix("Exception").unwrap_or(code);
    let bare = bare.strip_suffix("Fault").unwrap_or(bare);
    match bare {
        // EC2 says this of an address that a NAT gateway still uses; the credentials are fine.
        "AuthFailure" if message.contains("permission to access the specified resource") => return Class::InUse,
        "ExpiredToken"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClient"
        | "AuthFailure"
        | "SignatureDoesNotMatch"
        | "InvalidSignature"
        | "RequestTimeTooSkewed"
        | "InvalidAccessKeyId"
        | "MissingAuthenticationToken"
        | "IncompleteSignature"
        | "TokenRefreshRequired" => return Class::Credentials,
        "AccessDenied"
        | "UnauthorizedOperation"
        | "Unauthorized"
        | "OptInRequired"
        | "UnauthorizedAccess" => return Class::Denied,
        // Deletion protection, or an account that is not allowed any yet: no policy changes that.
        "OperationNotPermitted" => return Class::Invalid,
        "Throttling"
        | "Throttled"
        | "RequestThrottled"
        | "RequestLimitExceeded"
        | "TooManyRequests"
        | "SlowDown"
        | "PriorRequestNotComplete"
        | "EC2Throttled"
        | "BandwidthLimitExceeded" => {
            return Class::Throttled;
        }
        "InvalidGroup.Duplicate"
        | "InvalidPermission.Duplicate"
        | "RouteAlreadyExists"
        | "MountTargetConflict"
        | "Resource.AlreadyAssociated"
        | "EntityAlreadyExists"
        | "AlreadyExists"
        | "InvalidSubnet.Conflict"
        | "InvalidLaunchTemplateName.AlreadyExists"
        | "PriorityInUse" => return Class::AlreadyExists,
        "DependencyViolation"
        | "ResourceInUse"
        | "InvalidGroup.InUse"
        | "InvalidIPAddress.InUse"
        | "DeleteConflict"
        | "FileSystemInUse"
        | "CacheSubnetGroupInUse"
        | "InvalidDBParameterGroupState"
        | "InvalidDBSubnetGroupState"
        | "ScalingActivityInProgress" => return Class::InUse,
        "InvalidDBInstanceState"
        | "InvalidReplicationGroupState"
        | "InvalidCacheClusterState"
        | "IncorrectFileSystemLifeCycleState"
        | "IncorrectMountTargetState"
        | "ResourceContention"
        | "OperationAborted"
        | "ConcurrentModification"
        // CloudWatch, when the same dashboard is put twice at the same moment.
        | "Conflict"
        | "IncorrectState"
        | "IncorrectInstanceState"
        | "DependencyTimeout"
        | "EntityTemporarilyUnmodifiable"
        // SSM, for parameters that are created at the same moment or were just deleted: it passes.
        | "TooManyUpdates"
        | "InstanceRefreshInProgress"
        // CloudFront: somebody changed the configuration meanwhile, or it is still being disabled [AWS C1].
        | "PreconditionFailed"
        | "InvalidIfMatchVersion"
        | "DistributionNotDisabled" => return Class::WrongState,
        // RDS and the balancers do not know a new subnet or group immediately.
        // So do the balancers with a new certificate; they know others by ARNs that were looked up [AWS 6].
        "CertificateNotFound" => return Class::NotYetVisible,
        "ServiceLinkedRoleFailure" | "InvalidSecurityGroup" | "DBSubnetGroupDoesNotCoverEnoughAZs" => {
            return Class::NotYetVisible;
        }
        "NoSuchEntity"
        | "ParameterNotFound"
        | "ResourceNotFound"
        | "FileSystemNotFound"
        | "MountTargetNotFound"
        | "DashboardNotFoundError"
        | "NoSuchDistribution"
        | "NoSuchHostedZone"
        | "NoSuchResource"
        | "Gateway.NotAttached" => return Class::NotFound,
        // Route 53 says of a whole batch why it is refused [AWS C3].
        "InvalidChangeBatch" if message.contains("but it already exists") => return Class::AlreadyExists,
        "InvalidChangeBatch" if message.contains("do not match the current values") => return Class::WrongState,
        "InvalidChangeBatch" if message.contains("but it was not found") => return Class::NotFound,
        _ => {}
    }
    if bare.ends_with("NotFound") {
        return Class::NotFound;
    }
    if bare.ends_with("AlreadyExists") || bare.starts_with("Duplicate") {
        return Class::AlreadyExists;
    }
    if bare.starts_with("Insufficient") {
        return Class::Capacity;
    }
    // `QuotaFor` is ElastiCache's, as in `NodeQuotaForCustomerExceeded`.
    let quota = bare.ends_with("LimitExceeded") || bare.ends_with("QuotaExceeded") || bare.starts_with("TooMany");
    if quota || bare.contains("QuotaFor") {
        return Class::Quota;
    }
    // Some services say this only in the message [AWS 4.7] [AWS 9.2].
    if matches!(bare, "Validation" | "ValidationError" | "InvalidParameterValue" | "InvalidSubnet") {
        // Auto Scaling wraps EC2's message: a new template or version may not be visible to it.
        let not_yet = [
            "Invalid IAM Instance Profile",
            "create service linked role",
            "The specified launch template",
            "Could not find the specified version",
            "Provided Target Groups may not be valid",
            // RDS and ElastiCache, of new subnets.
            "Some input subnets in",
        ];
        if message.contains("An active instance refresh") {
            return Class::WrongState;
        }
        if not_yet.iter().any(|text| message.contains(text)) {
            return Class::NotYetVisible;
        }
        if message.contains("not found") && bare != "InvalidParameterValue" {
            return Class::NotFound;
        }
    }
    // The balancer may not see a newly attached gateway yet.
    if bare == "InvalidSubnet" && message.contains("no internet gateway") {
        return Class::NotYetVisible;
    }
    match status {
        500.. => Class::Lost,
        403 => Class::Denied,
        429 => Class::Throttled,
        _ => Class::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cause_has_one_class_in_whatever_words() {
        let new_subnets = "Some input subnets in :[subnet-0a, subnet-0b] are invalid.";
        for (code, message, class) in [
            // What was made a moment ago, to RDS, ElastiCache and the balancers.
            ("InvalidParameterValue", new_subnets, Class::NotYetVisible),
            ("InvalidSubnet", new_subnets, Class::NotYetVisible),
            ("DBSubnetGroupDoesNotCoverEnoughAZs", "Add subnets to cover at least 2 AZs.", Class::NotYetVisible),
            ("InvalidSecurityGroup", "The security group 'sg-0a' does not exist", Class::NotYetVisible),
            ("InvalidSubnet", "VPC vpc-0a has no internet gateway", Class::NotYetVisible),
            // What does not pass keeps its class.
            ("InvalidSubnet", "Not enough IP space available in subnet-0a.", Class::Invalid),
            ("InvalidParameterValue", "The same permission must not appear multiple times", Class::Invalid),
            ("InvalidParameterValue", "Value ( 1000 ) for parameter maxResults is invalid.", Class::Invalid),
            // Two at once.
            ("ConflictException", "", Class::WrongState),
            ("ScalingActivityInProgress", "", Class::InUse),
            ("InvalidDBParameterGroupState", "", Class::InUse),
            ("ResourceInUseFault", "", Class::InUse),
            // Of the account, and no matter of a policy.
            (
                "OperationNotPermitted",
                "This account currently does not support creating load balancers.",
                Class::Invalid,
            ),
            ("OperationNotPermitted", "it cannot be deleted because deletion protection is enabled", Class::Invalid),
            ("AccessDenied", "", Class::Denied),
            // Route 53, of a change of records.
            (
                "InvalidChangeBatch",
                "[Tried to create resource record set [name='a.b.', type='A'] but it already exists]",
                Class::AlreadyExists,
            ),
            (
                "InvalidChangeBatch",
                "[Tried to delete resource record set [name='a.b.', type='A'] but it was not found]",
                Class::NotFound,
            ),
            ("InvalidChangeBatch", "[RRSet with DNS name a.b. is not permitted in zone c.]", Class::Invalid),
        ] {
            assert_eq!(classify(code, message, 400), class, "{code}: {message}");
        }
    }
}
