//! AWS clients from one configuration, and what every call shares: one retry policy, one TLS stack, a count of calls,
//! and reads that are made once for all callers that ask at the same time.
mod account;
pub mod calls;
mod credentials;
pub mod error;
mod files;
pub mod listing;
pub mod network;
pub mod note;
mod once;
mod profile;
pub mod proxy;
pub mod public_access;
pub mod reads;
mod refusal;
pub mod region;
mod settings;
pub mod tags;
pub mod trust;
pub(crate) mod words;

pub use crate::config::partition;
use crate::{
    engine::{TagKeys, Tags},
    error::{Error, Result},
};
use aws_config::{
    BehaviorVersion, Region, SdkConfig, identity::IdentityCache, provider_config::ProviderConfig, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
pub use calls::Call;
use calls::{Calls, Observer};
pub use credentials::Ask;
use credentials::{Plan, Provider, SharedProvider};
use network::Network;
use once::Once;
use reads::Reads;
use settings::Settings;
use std::{ops::Deref, rc::Rc, sync::Arc, time::Duration};

/// Returns the names of the user's profiles.
pub fn profiles() -> Vec<String> {
    files::Files::load().names()
}

/// The region that answers for CloudFront, and lists and measures its distributions [AWS C1].
pub const GLOBAL: &str = "us-east-1";

/// Returns the region that answers for Route 53 in a region's partition.
pub fn global_of(region: &str) -> &'static str {
    match partition(region) {
        "aws-cn" => "cn-northwest-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => GLOBAL,
    }
}

/// How long fetching credentials may take. A helper may ask a person for something, or open a browser.
const CREDENTIALS_TAKE: Duration = Duration::from_secs(120);

/// Region, credentials and endpoint of a connection to AWS.
#[derive(Clone, Debug, Default)]
pub struct Target {
    pub region: String,
    pub profile: Option<String>,
    /// The endpoint of an emulator. `None` is AWS itself, unless the environment says otherwise (`AWS_ENDPOINT_URL`).
    pub endpoint: Option<Endpoint>,
    /// Asks the user for the code of an MFA device. `None` if there is no terminal.
    pub ask: Option<Ask>,
    /// The keys of the tags that mark the stack's objects.
    pub keys: TagKeys,
    /// The user's tags, for the notes of the stack.
    pub tags: Tags,
    /// Observes each call.
    pub observer: Option<Observer>,
}

/// The URL of an emulator, and the access key id that it expects.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub url: String,
    pub key: String,
}

/// The clients. Clones share everything.
#[derive(Clone)]
pub struct Aws(Rc<Clients>);

/// The clients of all services, and what they share.
pub struct Clients {
    pub acm: aws_sdk_acm::Client,
    pub autoscaling: aws_sdk_autoscaling::Client,
    /// CloudFront belongs to no region: its objects are in the one of [`GLOBAL`].
    pub cloudfront: aws_sdk_cloudfront::Client,
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    pub ec2: aws_sdk_ec2::Client,
    pub efs: aws_sdk_efs::Client,
    pub elasticache: aws_sdk_elasticache::Client,
    pub elb: aws_sdk_elasticloadbalancingv2::Client,
    pub iam: aws_sdk_iam::Client,
    pub logs: aws_sdk_cloudwatchlogs::Client,
    pub rds: aws_sdk_rds::Client,
    /// Route 53 belongs to no region, either.
    pub route53: aws_sdk_route53::Client,
    pub ssm: aws_sdk_ssm::Client,
    pub sts: aws_sdk_sts::Client,
    pub tagging: aws_sdk_resourcegroupstagging::Client,
    /// The tags of objects that belong to no region.
    pub tagging_global: aws_sdk_resourcegroupstagging::Client,
    pub region: String,
    /// The keys of the tags that mark the stack's objects.
    pub keys: TagKeys,
    /// The user's tags, for the notes of the stack.
    pub tags: Tags,
    /// The emulator's URL, when it is not AWS that answers.
    pub endpoint: Option<String>,
    /// Proxies and trusted certificates, for requests to the service itself.
    pub network: Network,
    pub calls: Calls,
    pub reads: Reads,
    credentials: Arc<Provider>,
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
        let (network, plan, files, custom) = match &target.endpoint {
            // An emulator has its own key and runs on this machine, so the user's credentials and settings are neither
            // read nor sent.
            Some(Endpoint { key, .. }) => {
                let keys = aws_credential_types::Credentials::new(key, "sandbox", None, None, "sandbox");
                (Network::default(), Plan::Keys(keys), String::new(), true)
            }
            None => {
                let settings = Settings::load(target.profile.as_deref());
                let (files, custom) = (settings.for_the_sdk(), settings.has_endpoint());
                match Network::load(settings.placed("ca_bundle")) {
                    Ok(network) => (network, Plan::new(settings), files, custom),
                    Err(e) => (Network::default(), Plan::Wrong(e), files, custom),
                }
            }
        };
        let http = network.client();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(region.clone())
            .http_client(http.clone())
            .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS_TAKE).build())
            .retry_config(retry)
            .timeout_config(timeout)
            .profile_files(EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, files).build())
            .profile_name("default")
            .no_credentials();
        if let Some(endpoint) = &target.endpoint {
            loader = loader.endpoint_url(&endpoint.url);
        }
        if custom {
            // FIPS and dual-stack variants exist only of AWS's own endpoints.
            loader = loader.use_fips(false).use_dual_stack(false);
        }
        let sdk = loader.load().await;
        let parts = ProviderConfig::default().with_region(Some(region)).with_http_client(http);
        let credentials = Arc::new(Provider::new(plan, sdk.clone(), parts, target.ask));
        let shared = SharedCredentialsProvider::new(SharedProvider(credentials.clone()));
        let sdk = sdk.into_builder().credentials_provider(shared).build();
        Self::new(&sdk, target, network, credentials)
    }

    /// Finds the credentials before the first call.
    ///
    /// Reports what is wrong with them, once. Only here the user is asked for an MFA code.
    pub async fn ready(&self) -> Result<()> {
        self.credentials.get().await.map(drop)
    }

    fn new(sdk: &SdkConfig, target: &Target, network: Network, credentials: Arc<Provider>) -> Self {
        let calls = Calls::new(target.observer);
        macro_rules! client {
            ($service:ident, $id:literal) => {
                client!($service, $id, target.region.clone())
            };
            ($service:ident, $id:literal, $region:expr) => {{
                let mut config =
                    $service::config::Builder::from(sdk).interceptor(calls.interceptor()).interceptor(Once);
                config.set_region(Some(Region::new($region)));
                if std::env::var_os(concat!("AWS_ENDPOINT_URL_", $id)).is_some() {
                    config.set_use_fips(Some(false)).set_use_dual_stack(Some(false));
                }
                $service::Client::from_conf(config.build())
            }};
        }
        Self(Rc::new(Clients {
            acm: client!(aws_sdk_acm, "ACM"),
            autoscaling: client!(aws_sdk_autoscaling, "AUTO_SCALING"),
            cloudfront: client!(aws_sdk_cloudfront, "CLOUDFRONT", GLOBAL),
            cloudwatch: client!(aws_sdk_cloudwatch, "CLOUDWATCH"),
            ec2: client!(aws_sdk_ec2, "EC2"),
            efs: client!(aws_sdk_efs, "EFS"),
            elasticache: client!(aws_sdk_elasticache, "ELASTICACHE"),
            elb: client!(aws_sdk_elasticloadbalancingv2, "ELASTIC_LOAD_BALANCING_V2"),
            iam: client!(aws_sdk_iam, "IAM"),
            logs: client!(aws_sdk_cloudwatchlogs, "CLOUDWATCH_LOGS"),
            rds: client!(aws_sdk_rds, "RDS"),
            route53: client!(aws_sdk_route53, "ROUTE_53", global_of(&target.region)),
            ssm: client!(aws_sdk_ssm, "SSM"),
            sts: client!(aws_sdk_sts, "STS"),
            tagging: client!(aws_sdk_resourcegroupstagging, "RESOURCE_GROUPS_TAGGING_API"),
            tagging_global: client!(aws_sdk_resourcegroupstagging, "RESOURCE_GROUPS_TAGGING_API", GLOBAL),
            region: target.region.clone(),
            keys: target.keys.clone(),
            tags: target.tags.clone(),
            endpoint: sdk.endpoint_url().map(Into::into),
            reads: Reads::new(calls.clone()),
            calls,
            network,
            credentials,
        }))
    }

    /// Returns the value of an SSM SecureString parameter.
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
