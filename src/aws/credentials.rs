//! Finds the credentials to use, once, before the first call. Concurrent callers share the result.
use super::{
    error::{AwsResult, cause},
    files::credentials as unusable,
    network::Unreachable,
    profile::{self, Role, Source, Sso},
    settings::{Settings, variable},
};
use crate::{
    config::file,
    error::{AwsError, Class, Error, Result},
    shell,
};
use aws_config::{
    SdkConfig,
    credential_process::CredentialProcessProvider,
    ecs::EcsCredentialsProvider,
    imds::credentials::ImdsCredentialsProvider,
    meta::credentials::CredentialsProviderChain,
    provider_config::ProviderConfig,
    sso::SsoCredentialsProvider,
    web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider},
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_types::region::Region;
use sha2::{Digest, Sha256};
use std::{
    future::Future,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{sync::Mutex, time::Instant};

/// Credentials that expire sooner are renewed.
const ENDS_SOON: Duration = Duration::from_secs(60);
/// How often the user is asked again after an invalid MFA code.
const TRIES: usize = 3;

/// Asks the user for a line. Returns `None` at the end of input.
pub type Ask = fn(&str) -> Option<String>;

/// Where credentials come from.
#[derive(Debug)]
pub(super) enum Plan {
    /// Keys that are known already.
    Keys(Credentials),
    Source(Source),
    /// Credentials that a machine in AWS offers.
    Ambient {
        settings: Settings,
    },
    /// No usable credentials, for a known reason.
    Wrong(Error),
}

impl Plan {
    /// Selects the source in boto3's order: an explicit profile, keys in the environment, the profile of the
    /// environment or the default one, and what the machine offers.
    pub(super) fn new(settings: Settings) -> Self {
        Self::choose(settings).unwrap_or_else(Self::Wrong)
    }

    fn choose(settings: Settings) -> Result<Self> {
        if settings.by != Some("--profile")
            && let Some(keys) = profile::keys_from_env()?
        {
            // A named profile that does not exist is a mistake, also beside keys in the environment.
            if settings.by.is_some() && matches!(settings.files.profile(&settings.name), Ok(None)) {
                return Err(settings.files.no_profile(&settings.name));
            }
            return Ok(Self::Keys(keys));
        }
        Ok(match settings.source()? {
            Some(Source::Keys(keys)) => Self::Keys(keys),
            Some(source) => Self::Source(source),
            None if settings.by.is_some() => {
                let (name, file) = (&settings.name, settings.files.config_name());
                let word = shell::word(name);
                return Err(unusable(
                    format!("the profile {name} in {file} has no credentials"),
                    format!("`aws configure --profile {word}` or `aws sso login --profile {word}` gives it some"),
                ));
            }
            None => Self::Ambient { settings },
        })
    }
}

/// The credentials provider of all clients.
#[derive(Debug)]
pub(super) struct Provider {
    plan: Plan,
    /// The settings of the clients that fetch credentials.
    sdk: SdkConfig,
    parts: ProviderConfig,
    ask: Option<Ask>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    found: Option<Credentials>,
    failed: Option<(Instant, Error)>,
    /// True after the first search: from then on the terminal belongs to the running command.
    looked: bool,
}

impl Provider {
    pub(super) fn new(plan: Plan, sdk: SdkConfig, parts: ProviderConfig, ask: Option<Ask>) -> Self {
        Self { plan, sdk, parts, ask, state: Mutex::default() }
    }

    /// Returns the credentials, found now or earlier.
    pub(super) async fn get(&self) -> Result<Credentials> {
        let came = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(found) = &state.found
            && found.expiry().is_none_or(|end| end > SystemTime::now() + ENDS_SOON)
        {
            return Ok(found.clone());
        }
        // Mistakes are permanent; a transient failure is shared by the callers that waited.
        if let Some((at, e)) = &state.failed
            && (*at >= came || !e.class().is_some_and(Class::passes))
        {
            return Err(e.clone());
        }
        let renewing = std::mem::replace(&mut state.looked, true);
        let fetch = Fetch { sdk: &self.sdk, parts: &self.parts, ask: self.ask.filter(|_| !renewing), renewing };
        let found = match &self.plan {
            Plan::Keys(keys) => Ok(keys.clone()),
            Plan::Source(source) => fetch.credentials(source).await,
            Plan::Ambient { settings } => fetch.ambient(settings).await,
            Plan::Wrong(e) => Err(e.clone()),
        };
        match &found {
            Ok(keys) => (state.found, state.failed) = (Some(keys.clone()), None),
            Err(e) => state.failed = Some((Instant::now(), e.clone())),
        }
        found
    }
}

/// The provider in the form that clients share.
#[derive(Debug)]
pub(super) struct SharedProvider(pub Arc<Provider>);

impl ProvideCredentials for SharedProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.0.get().await.map_err(CredentialsError::provider_error) })
    }
}

/// One search for credentials.
struct Fetch<'a> {
    sdk: &'a SdkConfig,
    parts: &'a ProviderConfig,
    ask: Option<Ask>,
    /// True if earlier credentials have expired.
    renewing: bool,
}

impl Fetch<'_> {
    /// Fetches credentials from a source. Boxed, since a role is assumed with the credentials of another source.
    fn credentials<'a>(&'a self, source: &'a Source) -> Pin<Box<dyn Future<Output = Result<Credentials>> + Send + 'a>> {
        Box::pin(async move {
            match source {
                Source::Keys(keys) => Ok(keys.clone()),
                Source::Role { role, with } => {
                    let code = self.code(role)?;
                    self.assume(role, self.credentials(with).await?, code).await
                }
                Source::WebIdentity { arn, session, token } => self.web_identity(arn, session.as_deref(), token).await,
                Source::Sso(sso) => self.sso(sso).await,
                Source::Login { session, profile, at } => match login(session) {
                    Some(keys) => Ok(keys),
                    None => self.login_again(profile, &at.to_string()).await,
                },
                Source::Process { command, profile, at } => {
                    let asked = CredentialProcessProvider::new(command.clone());
                    let whose = format!("the credential_process of the profile {profile} ({at})");
                    let said =
                        |said: &str| unusable(format!("{whose} {said}"), "run it by itself to see what it lacks");
                    asked.provide_credentials().await.map_err(|e| said(&process_said(&last_words(&e))))
                }
                Source::Environment { profile, at } => profile::keys_from_env()?.ok_or_else(|| {
                    let what = format!(
                        "the profile {profile} takes its keys from the environment, where AWS_ACCESS_KEY_ID is not set ({at})"
                    );
                    unusable(what, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
                }),
                Source::InstanceMetadata => {
                    let from = ImdsCredentialsProvider::builder().configure(self.parts).build();
                    from.provide_credentials().await.map_err(|e| self.machine_said("Ec2InstanceMetadata", &e))
                }
                Source::Container => {
                    let from = EcsCredentialsProvider::builder().configure(self.parts).build();
                    from.provide_credentials().await.map_err(|e| self.machine_said("EcsContainer", &e))
                }
            }
        })
    }

    /// Asks for the code of an MFA device if the role requires one.
    fn code(&self, role: &Role) -> Result<Option<String>> {
        let Some(serial) = &role.mfa else { return Ok(None) };
        let name = &role.profile;
        let word = shell::word(name);
        let instead = format!(
            "`aws configure export-credentials --profile {word} --format env` asks for it too: put what it prints into the \
             environment, and leave --profile and AWS_PROFILE away"
        );
        let Some(ask) = self.ask else {
            return Err(match self.renewing {
                true => unusable(
                    format!("the session of the role of profile {name} has ended"),
                    "run the same command again: it asks for a new code, and resumes where it stopped",
                ),
                false => unusable(
                    format!(
                        "the profile {name} requires the code of {serial}, and there is no terminal to ask on ({})",
                        role.at
                    ),
                    instead,
                ),
            });
        };
        for _ in 0..TRIES {
            let Some(typed) = ask(&format!("MFA code of {serial} (profile {name}): ")) else { break };
            let code: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
            if code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()) {
                return Ok(Some(code));
            }
        }
        Err(unusable(format!("no code of six digits was given for {serial} (profile {name}, {})", role.at), instead))
    }

    async fn assume(&self, role: &Role, with: Credentials, code: Option<String>) -> Result<Credentials> {
        let config = aws_sdk_sts::config::Builder::from(self.sdk)
            .credentials_provider(SharedCredentialsProvider::new(with))
            .build();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let session = role.session.clone().unwrap_or_else(|| format!("gameday-{now}"));
        let call = aws_sdk_sts::Client::from_conf(config).assume_role().role_arn(&role.arn).role_session_name(session);
        let call = call.set_external_id(role.external_id.clone()).set_duration_seconds(role.seconds);
        let call = call.set_serial_number(code.is_some().then(|| role.mfa.clone()).flatten()).set_token_code(code);
        let answer = call.send().await.during("AssumeRole").map_err(|e| in_a_role(e, role))?;
        let Some(keys) = answer.credentials else {
            return Err(unusable(format!("AssumeRole of {} gave no credentials", role.arn), ""));
        };
        let end = SystemTime::try_from(keys.expiration).ok();
        Ok(Credentials::new(keys.access_key_id, keys.secret_access_key, Some(keys.session_token), end, "AssumeRole"))
    }

    async fn web_identity(&self, arn: &str, session: Option<&str>, token: &std::path::Path) -> Result<Credentials> {
        let from = StaticConfiguration {
            web_identity_token_file: token.into(),
            role_arn: arn.into(),
            session_name: session.unwrap_or("gameday").into(),
        };
        let provider =
            WebIdentityTokenCredentialsProvider::builder().configure(self.parts).static_configuration(from).build();
        provider.provide_credentials().await.map_err(|e| {
            let help = "the token may have expired, or the role does not trust its issuer";
            lost(&e, "AssumeRoleWithWebIdentity")
                .unwrap_or_else(|| unusable(format!("the role {arn} could not be assumed: {}", last_words(&e)), help))
        })
    }

    async fn sso(&self, sso: &Sso) -> Result<Credentials> {
        let mut from = SsoCredentialsProvider::builder()
            .configure(self.parts)
            .account_id(&sso.account)
            .role_name(&sso.role)
            .start_url(&sso.start_url)
            .region(Region::new(sso.region.clone()));
        from.set_session_name(sso.session.clone());
        from.build().provide_credentials().await.map_err(|e| {
            let said = last_words(&e);
            let no_file = said.contains("failed to read") || said.contains("failed to load the cached SSO token");
            let why = if no_file { "nobody is logged in".to_owned() } else { said.clone() };
            let login =
                format!("`aws sso login --profile {}`, then run the same command again", shell::word(&sso.profile));
            let help = match said.to_lowercase().contains("no access") || said.contains("Forbidden") {
                true => format!("check sso_account_id and sso_role_name; or {login}"),
                false => login,
            };
            let what = format!("the SSO session of the profile {} cannot be used: {why} ({})", sso.profile, sso.at);
            lost(&e, "GetRoleCredentials").unwrap_or_else(|| unusable(what, help))
        })
    }

    /// Renews an expired login by way of the AWS CLI, which keeps the key that this takes.
    async fn login_again(&self, name: &str, at: &str) -> Result<Credentials> {
        let word = shell::word(name);
        let command = format!("aws configure export-credentials --profile {word} --format process");
        CredentialProcessProvider::new(command.clone()).provide_credentials().await.map_err(|_| {
            unusable(
                format!("the login_session of the profile {name} has ended, or nobody is logged in ({at})"),
                format!(
                    "`aws login --profile {word}`, then run the same command again; or put into the environment what `aws \
                     configure export-credentials --profile {word} --format env` prints"
                ),
            )
        })
    }

    async fn ambient(&self, settings: &Settings) -> Result<Credentials> {
        let token = "AWS_WEB_IDENTITY_TOKEN_FILE";
        if let Some((_, file)) = variable(&[token]) {
            let Some((_, arn)) = variable(&["AWS_ROLE_ARN"]) else {
                let what = format!("{token} is set in the environment, but AWS_ROLE_ARN is not");
                return Err(unusable(what, "set both, or choose a profile with --profile"));
            };
            let file = profile::token_file(&file, token)?;
            let session = variable(&["AWS_ROLE_SESSION_NAME"]).map(|(_, s)| s);
            return self.web_identity(&arn, session.as_deref(), &file).await;
        }
        let machine = EcsCredentialsProvider::builder().configure(self.parts).build();
        let chain = CredentialsProviderChain::first_try("EcsContainer", machine)
            .or_else("Ec2InstanceMetadata", ImdsCredentialsProvider::builder().configure(self.parts).build());
        let e = match chain.provide_credentials().await {
            Ok(found) => return Ok(found),
            Err(e) => e,
        };
        if !matches!(e, CredentialsError::CredentialsNotLoaded(_)) {
            return Err(self.machine_said("this machine", &e));
        }
        if variable(&["AWS_SECRET_ACCESS_KEY"]).is_some() {
            let what = "AWS_SECRET_ACCESS_KEY is set in the environment, but AWS_ACCESS_KEY_ID is not";
            return Err(unusable(what, "set both, or choose a profile with --profile"));
        }
        let there = settings.files.names();
        let profiles = match there.is_empty() {
            true => format!("a profile of {} with --profile", settings.files.config_name()),
            false => format!("a profile with --profile ({})", there.join(", ")),
        };
        Err(unusable(
            "no AWS credentials found",
            format!(
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or `aws sso login`, or choose {profiles}; \
                 --sandbox needs none"
            ),
        ))
    }

    fn machine_said(&self, who: &str, e: &CredentialsError) -> Error {
        let help =
            "choose a profile with --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; --sandbox needs none";
        unusable(format!("{who} gives no credentials: {}", last_words(e)), help)
    }
}

/// Returns the credentials that `aws login` cached, while they are valid.
fn login(session: &str) -> Option<Credentials> {
    let folder = match std::env::var_os("AWS_LOGIN_CACHE_DIRECTORY") {
        Some(folder) => PathBuf::from(folder),
        None => etcetera::home_dir().ok()?.join(".aws/login/cache"),
    };
    let hash: String = Sha256::digest(session.trim().as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    let text = file::read(&folder.join(hash).with_extension("json"), file::MOST).ok()?;
    let json: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let of = |key: &str| json["accessToken"][key].as_str().map(str::to_owned);
    let end: SystemTime = of("expiresAt")?.parse::<jiff::Timestamp>().ok()?.into();
    let good = end > SystemTime::now() + ENDS_SOON;
    let keys = Credentials::new(of("accessKeyId")?, of("secretAccessKey")?, of("sessionToken"), Some(end), "Login");
    good.then_some(keys)
}

/// Explains a refusal of AssumeRole, with the role and what it may lack.
fn in_a_role(e: Error, role: &Role) -> Error {
    let Error::Aws(mut e) = e else { return e };
    let Role { arn, profile, at, .. } = role;
    e.message = format!("{} [role {arn} of the profile {profile}, {at}]", e.message.trim());
    if e.class == Class::Denied {
        e.help = Some(match &role.mfa {
            Some(serial) => format!(
                "the code was wrong, or was used before: wait for the next one of {serial} and run the same command again; \
                 else the role does not trust the identity that assumes it"
            ),
            None => format!(
                "the role has to trust the identity that assumes it; if it requires MFA, add mfa_serial = \
                 arn:aws:iam::ACCOUNT:mfa/DEVICE to the profile {profile}"
            ),
        });
    }
    Error::Aws(e)
}

/// Returns the network error behind a failed search for credentials.
fn lost(e: &CredentialsError, call: &'static str) -> Option<Error> {
    let Unreachable { what, help, passes, .. } = cause(e)?;
    let class = if *passes { Class::Lost } else { Class::Invalid };
    let (message, help) = (what.clone(), Some(help.clone()));
    Some(Error::Aws(Box::new(AwsError { help, ..AwsError::new(call, class, message) })))
}

/// Returns the message of the innermost error.
fn last_words(e: &CredentialsError) -> String {
    let mut last: &dyn std::error::Error = e;
    let mut said = last.to_string();
    while let Some(next) = last.source() {
        last = next;
        let text = last.to_string();
        if !text.is_empty() {
            said = text;
        }
    }
    said
}

/// Turns the SDK's `Error retrieving credentials: external process exited with code …` into `fails: exit status 1: …`.
fn process_said(said: &str) -> String {
    if let Some(rest) = said.split_once("external process exited with code ").map(|(_, rest)| rest) {
        let (code, stderr) = rest.split_once(". Stderr: ").unwrap_or((rest, ""));
        let stderr = stderr.trim();
        return if stderr.is_empty() { format!("fails ({code})") } else { format!("fails ({code}): {stderr}") };
    }
    match said.split_once("could not parse response: ") {
        Some((_, why)) => format!("prints no credentials as JSON: {why}"),
        None => format!("fails: {said}"),
    }
}
