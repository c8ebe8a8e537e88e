//! The sandbox as a process: started once for many, found again, stopped; the Rust SDK against it; its own tests.
#[path = "support/pytest.rs"]
mod pytest;

use gameday::sandbox::{Doing, Pace, Running, Sandbox};
use tokio::process::Command;

fn quiet(_: Doing<'_>) {}

fn mine(name: &str) -> Sandbox {
    Sandbox::of_user_named(&format!("test-{name}-{}", std::process::id())).unwrap()
}

/// Stops it and forgets its folder, also when the test fails.
struct Guard(Sandbox, tokio::runtime::Runtime);
impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.1.block_on(self.0.stop());
        self.0.forget();
    }
}

fn with<T>(name: &str, test: impl AsyncFnOnce(&Sandbox) -> T) -> T {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let guard = Guard(mine(name), runtime());
    runtime().block_on(test(&guard.0))
}

#[test]
fn two_at_once_get_one_server() {
    with("twins", async |sandbox| {
        let (one, two) = tokio::join!(sandbox.ensure(None, quiet), sandbox.ensure(Some(Pace::Fast), quiet));
        let (one, two): (Running, Running) = (one.unwrap(), two.unwrap());
        assert_eq!((one.pid, &one.endpoint), (two.pid, &two.endpoint));
        assert!(one.endpoint.starts_with("http://127.0.0.1:"));
        assert_eq!(sandbox.status().await.unwrap().unwrap().pace, Pace::Fast);
        // Without a wish it keeps its pace.
        assert_eq!(sandbox.ensure(None, quiet).await.unwrap().pace, Pace::Fast);
        assert!(sandbox.reset().await.unwrap());
        assert!(sandbox.stop().await.unwrap());
        assert!(sandbox.status().await.unwrap().is_none() && !sandbox.stop().await.unwrap());
        let again = sandbox.ensure(None, quiet).await.unwrap();
        assert!(again.pid != one.pid && again.pace == Pace::Instant);
    });
}

#[test]
fn a_killed_server_is_started_again() {
    with("killed", async |sandbox| {
        let first = sandbox.ensure(None, quiet).await.unwrap();
        let killed = Command::new("kill").args(["-9", &first.pid.to_string()]).status().await.unwrap();
        assert!(killed.success());
        let second = sandbox.ensure(None, quiet).await.unwrap();
        assert_ne!(first.pid, second.pid);
    });
}

#[test]
fn state_lasts_between_clients_and_the_sdk_speaks_to_it() {
    with("sdk", async |sandbox| {
        let running = sandbox.ensure(None, quiet).await.unwrap();
        let config = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .endpoint_url(&running.endpoint)
            .region(aws_types::region::Region::new("eu-west-1"))
            .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(
                aws_credential_types::Credentials::new("sandbox", "sandbox", None, None, "test"),
            ))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        // CloudWatch: Smithy RPC v2 CBOR.
        use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue, Statistic};
        let watch = aws_sdk_cloudwatch::Client::new(&config);
        let put = watch.put_metric_alarm().alarm_name("a").namespace("n").metric_name("m").period(60);
        let put = put.statistic(Statistic::Sum).evaluation_periods(3).threshold(1.5);
        put.comparison_operator(ComparisonOperator::GreaterThanThreshold).send().await.unwrap();
        let alarms = aws_sdk_cloudwatch::Client::new(&config).describe_alarms().send().await.unwrap();
        let alarm = &alarms.metric_alarms()[0];
        assert_eq!((alarm.alarm_name(), alarm.threshold()), (Some("a"), Some(1.5)));
        assert_eq!(alarm.state_value(), Some(&StateValue::InsufficientData));
        assert!(alarm.state_updated_timestamp().is_some());
        let missing = watch.get_dashboard().dashboard_name("none").send().await.unwrap_err();
        use aws_sdk_cloudwatch::error::ProvideErrorMetadata;
        assert!(missing.code().is_some_and(|c| c.starts_with("ResourceNotFound")), "{missing:?}");
        // EC2 query, EFS REST JSON, ElastiCache query: the errors' codes are AWS's.
        let ec2 = aws_sdk_ec2::Client::new(&config);
        let error = ec2.describe_vpcs().vpc_ids("vpc-0123456789abcdef0").send().await.unwrap_err();
        assert_eq!(error.code(), Some("InvalidVpcID.NotFound"));
        let efs = aws_sdk_efs::Client::new(&config);
        let made = efs.create_file_system().creation_token("t").send().await.unwrap();
        let error = efs.create_file_system().creation_token("t").send().await.unwrap_err().into_service_error();
        let aws_sdk_efs::operation::create_file_system::CreateFileSystemError::FileSystemAlreadyExists(error) = error
        else {
            panic!("{error:?}")
        };
        assert_eq!(error.file_system_id(), made.file_system_id());
        let cache = aws_sdk_elasticache::Client::new(&config);
        let error = cache.describe_replication_groups().replication_group_id("x").send().await.unwrap_err();
        assert_eq!(error.code(), Some("ReplicationGroupNotFoundFault"));
    });
}

#[test]
fn serve_ends_with_its_parent() {
    with("serve", async |sandbox| {
        let (say, mut said) = tokio::sync::mpsc::unbounded_channel();
        let serving = sandbox.serve(0, Some(Pace::Real), |doing| {
            drop(say.send(if let Doing::Says(line) = doing { line.to_owned() } else { String::new() }))
        });
        let endpoint = tokio::select! {
            ended = serving => panic!("{ended:?}"),
            endpoint = async {
                loop {
                    let line = said.recv().await.unwrap();
                    if let Some((_, rest)) = line.split_once("ready on http://") {
                        let endpoint = rest.split_whitespace().next().unwrap().to_owned();
                        // It stays.
                        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                        tokio::net::TcpStream::connect(&endpoint).await.unwrap();
                        break endpoint;
                    }
                }
            } => endpoint,
        };
        // Dropped, as when gameday is killed: nothing listens any more.
        let gone = async {
            while tokio::net::TcpStream::connect(&endpoint).await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.unwrap();
    });
}

/// Installed anew under settings that would break it, then broken by hand and made again.
#[test]
fn the_installation_is_none_of_the_users_other_pythons() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let (cache, elsewhere, config) = (path("cache"), path("elsewhere"), path("pip.conf"));
    std::fs::create_dir_all(path("python/moto")).unwrap();
    std::fs::write(path("python/moto/__init__.py"), "raise SystemExit('not this one')").unwrap();
    std::fs::write(&config, "[install]\nuser = yes\nrequire-hashes = yes\n[global]\nno-index = yes\n").unwrap();
    // What was downloaded once is not downloaded again.
    let downloads = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pip-cache");
    let sandbox = |verb: &str| {
        let mut gameday = std::process::Command::new(env!("CARGO_BIN_EXE_gameday"));
        gameday.arg("sandbox").args(verb.split(' ')).env("XDG_CACHE_HOME", &cache).env_remove("GAMEDAY_SANDBOX");
        gameday.env("PIP_CACHE_DIR", &downloads).env("PIP_CONFIG_FILE", &config).env("PIP_TARGET", &elsewhere);
        gameday.env("PIP_USER", "1").env("PIP_REQUIRE_HASHES", "1").env("PIP_PREFIX", &elsewhere);
        gameday.env("PYTHONPATH", path("python")).env("PYTHONHOME", "/nowhere").env("VIRTUAL_ENV", "/nowhere");
        gameday.env("PYTHONUSERBASE", &elsewhere).env("HTTP_PROXY", "http://127.0.0.1:9");
        let out = gameday.output().unwrap();
        let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        assert!(out.status.success(), "gameday sandbox {verb}: {said}");
        said
    };
    sandbox("start");
    assert!(!elsewhere.exists(), "nothing was installed for the user");
    sandbox("stop --yes");
    let venv = |e: &std::fs::DirEntry| e.file_name().to_string_lossy().starts_with("venv-");
    let venv = std::fs::read_dir(cache.join("gameday/sandbox")).unwrap().flatten().find(venv).unwrap().path();
    let libraries = std::fs::read_dir(venv.join("lib")).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_dir_all(libraries.join("site-packages/moto")).unwrap();
    let said = sandbox("start");
    assert!(said.contains("made again"), "{said}");
    sandbox("stop --yes");
}

/// The plugin's own tests, in the environment that users get, with pytest beside it.
#[test]
fn the_plugin_passes_its_tests() {
    with("pytest", async |sandbox| {
        let python = sandbox.install(&quiet).await.unwrap().python;
        pytest::passes(pytest::pytest(&python, "sandbox", "sandbox"));
    });
}
