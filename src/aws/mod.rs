//! AWS clients from one configuration, and what every call shares: one retry policy, one TLS stack,
//! a count of calls, and reads that are made once for all who ask at the same moment.
pub mod calls;
mod credentials;
pub mod error;
pub mod listing;
pub mod note;
pub mod reads;
pub mod tags;

pub use crate::config::partition;
use crate::{
    engine::TagKeys,
    error::{Error, Result},
};
use aws_config::{
    BehaviorVersion, Region, SdkConfig, profile::ProfileFileCredentialsProvider, provider_config::ProviderConfig,
    retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::{
    Builder as Http,
    tls::{Provider, rustls_provider::CryptoMode},
};
use calls::Calls;
use reads::Reads;
use std::{ops::Deref, rc::Rc, time::Duration};

/// Where and as whom to talk to AWS.
#[derive(Clone, Debug, Default)]
pub struct Target {
    pub region: String,
    pub profile: Option<String>,
    /// An emulator; `None` is AWS itself, unless the environment says otherwise (`AWS_ENDPOINT_URL`).
    pub endpoint: Option<String>,
    /// The keys of the tags of what is the stack's.
    pub keys: TagKeys,
}

/// The clients. Clones share everything.
#[derive(Clone)]
pub struct Aws(Rc<Clients>);

pub struct Clients {
    pub autoscaling: aws_sdk_autoscaling::Client,
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    pub ec2: aws_sdk_ec2::Client,
    pub efs: aws_sdk_efs::Client,
    pub elasticache: aws_sdk_elasticache::Client,
    pub elb: aws_sdk_elasticloadbalancingv2::Client,
    pub iam: aws_sdk_iam::Client,
    pub logs: aws_sdk_cloudwatchlogs::Client,
    pub rds: aws_sdk_rds::Client,
    pub ssm: aws_sdk_ssm::Client,
    pub sts: aws_sdk_sts::Client,
    pub tagging: aws_sdk_resourcegroupstagging::Client,
    pub region: String,
    /// The keys of the tags of what is the stack's.
    pub keys: TagKeys,
    /// The emulator's URL, when it is not AWS that answers.
    pub endpoint: Option<String>,
    pub calls: Calls,
    pub reads: Reads,
}

impl Deref for Aws {
    type Target = Clients;
    fn deref(&self) -> &Clients {
        &self.0
    }
}

impl Aws {
    /// Reads credentials and settings the way every AWS tool does. Makes no call.
    pub async fn connect(target: &Target) -> Self {
        let retry = RetryConfig::standard()
            .with_max_attempts(4)
            .with_initial_backoff(Duration::from_millis(300))
            .with_max_backoff(Duration::from_secs(10));
        let timeout = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(30))
            .build();
        let region = Region::new(target.region.clone());
        let http = Http::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(region.clone())
            .http_client(http.clone())
            .retry_config(retry)
            .timeout_config(timeout);
        if let Some(profile) = &target.profile {
            // Who names one means it: the SDK's own order has keys in the environment win over it, other tools have not.
            let with = ProviderConfig::default().with_region(Some(region)).with_http_client(http);
            let keys = ProfileFileCredentialsProvider::builder().configure(&with).profile_name(profile).build();
            loader = loader.profile_name(profile).credentials_provider(keys);
        }
        if let Some(endpoint) = &target.endpoint {
            // An emulator takes any credentials: the user's own must not be sent to it.
            loader = loader.endpoint_url(endpoint).credentials_provider(aws_credential_types::Credentials::new(
                "sandbox", "sandbox", None, None, "sandbox",
            ));
        }
        let mut sdk = loader.load().await;
        if let Some(inner) = sdk.credentials_provider() {
            let explained = credentials::Explained { inner, profile: target.profile.clone() };
            sdk = sdk.into_builder().credentials_provider(SharedCredentialsProvider::new(explained)).build();
        }
        Self::new(&sdk, target)
    }

    fn new(sdk: &SdkConfig, target: &Target) -> Self {
        let calls = Calls::default();
        macro_rules! client {
            ($service:ident) => {
                $service::Client::from_conf(
                    $service::config::Builder::from(sdk).interceptor(calls.interceptor()).build(),
                )
            };
        }
        Self(Rc::new(Clients {
            autoscaling: client!(aws_sdk_autoscaling),
            cloudwatch: client!(aws_sdk_cloudwatch),
            ec2: client!(aws_sdk_ec2),
            efs: client!(aws_sdk_efs),
            elasticache: client!(aws_sdk_elasticache),
            elb: client!(aws_sdk_elasticloadbalancingv2),
            iam: client!(aws_sdk_iam),
            logs: client!(aws_sdk_cloudwatchlogs),
            rds: client!(aws_sdk_rds),
            ssm: client!(aws_sdk_ssm),
            sts: client!(aws_sdk_sts),
            tagging: client!(aws_sdk_resourcegroupstagging),
            region: target.region.clone(),
            keys: target.keys.clone(),
            endpoint: sdk.endpoint_url().map(Into::into),
            reads: Reads::new(calls.clone()),
            calls,
        }))
    }

    /// For creates that have no client token: the SDK must not send them a second time, since an answer that
    /// was lost may have been a success. The engine looks before it tries again.
    pub fn once(&self) -> RetryConfig {
        RetryConfig::disabled()
    }

    /// The value of an SSM SecureString parameter.
    pub async fn secret(&self, name: &str) -> Result<gameday_engine::Secret> {
        use error::AwsResult;
        let answer = self.ssm.get_parameter().name(name).with_decryption(true).send().await.during("GetParameter")?;
        answer.parameter.and_then(|p| p.value).map(gameday_engine::Secret::new).ok_or_else(|| {
            Error::other(
                format!("the SSM parameter {name} has no value"),
                "give it one, or delete it and run `gameday up`",
            )
        })
    }
}
