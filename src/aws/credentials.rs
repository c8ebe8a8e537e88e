//! Whose credentials are used, and what is said when there are none.
use aws_config::profile;
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_types::os_shim_internal::{Env, Fs};
use std::fmt;

/// No credentials at all: what was looked for, and the ways to have some. Deep inside the SDK's error.
#[derive(Clone, Debug)]
pub(super) struct Missing {
    pub what: String,
    pub help: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Missing {}

/// The SDK's provider. Where that finds nothing it tells of the last place it tried, an EC2 instance's metadata; this
/// tells what people can do.
#[derive(Debug)]
pub(super) struct Explained {
    pub inner: SharedCredentialsProvider,
    /// The one of the command line.
    pub profile: Option<String>,
}

impl ProvideCredentials for Explained {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            match self.inner.provide_credentials().await {
                Err(e) => Err(self.explain(e).await),
                found => found,
            }
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.inner.fallback_on_interrupt()
    }
}

impl Explained {
    async fn explain(&self, e: CredentialsError) -> CredentialsError {
        let wanted = self.profile.clone().or_else(|| std::env::var("AWS_PROFILE").ok().filter(|p| !p.is_empty()));
        let files = profile::load(&Fs::real(), &Env::real(), &Default::default(), None).await;
        let (what, help) = match (&wanted, &files) {
            (Some(name), Ok(files)) if files.get_profile(name).is_none() => {
                let mut there: Vec<&str> = files.profiles().collect();
                there.sort();
                let choose = match there.is_empty() {
                    true => format!("there are none at all: `aws configure --profile {name}` makes it"),
                    false => format!("those that are there: {}", there.join(", ")),
                };
                (format!("there is no profile {name} in {}", config_file()), choose)
            }
            (Some(name), _) if matches!(e, CredentialsError::CredentialsNotLoaded(_)) => (
                format!("the profile {name} in {} has no credentials", config_file()),
                format!("`aws configure --profile {name}` or `aws sso login --profile {name}` gives it some"),
            ),
            (None, _) if matches!(e, CredentialsError::CredentialsNotLoaded(_)) => (
                "no AWS credentials found".into(),
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or `aws sso login`, or choose a profile \
                 of ~/.aws/config with --profile; --sandbox needs none"
                    .into(),
            ),
            _ => return e,
        };
        CredentialsError::not_loaded(Missing { what, help })
    }
}

fn config_file() -> String {
    std::env::var("AWS_CONFIG_FILE").unwrap_or_else(|_| "~/.aws/config".into())
}
