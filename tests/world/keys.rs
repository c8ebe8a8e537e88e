//! The keys of a service's own steps: objects under keys of older versions are kept, and each of two services has its
//! own.
use crate::tools::account::World;
use futures::future::join_all;
use gameday::{
    aws::{Aws, Target, reads::Mode},
    config::{self, Group, Identities, Identity, Loaded, Resolved},
    cost::inventory,
    diagnose,
    engine::{
        Change, Direction, Env, Events, Ledger, Names, Node, Ownership, Pace, Report, Status, Visit, glance, walk,
    },
    facts::Facts,
    leftovers::{Remains, Search},
    record,
    snapshot::{self, Asking, Depth, Expected, Snapshot, Whose},
    stack::{self, Stack},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

const BILLING: &str = "examples/billing-api.toml";

/// An account in an emulator, with gameday's clients for it.
struct Account {
    world: World,
    aws: Aws,
}

/// A stack file, wired against the account at one moment.
struct Wired {
    loaded: Loaded,
    facts: Facts,
    stack: Stack,
    env: Env,
}

impl Account {
    async fn new() -> Self {
        let world = World::start();
        let target = Target { region: "us-east-1".into(), endpoint: world.endpoint(), ..Target::default() };
        let aws = Aws::connect(&target).await;
        aws.reads.set_mode(Mode::Building { keep: Duration::ZERO });
        Self { world, aws }
    }

    fn dump(&self) -> Value {
        self.world.account(json!({"do": "dump"}))
    }

    /// Wires a stack as a session does.
    async fn wire(&self, loaded: &Loaded) -> Wired {
        let facts = Facts::gather(&self.aws, &loaded.config).await.unwrap();
        self.wire_by(loaded, facts).await
    }

    async fn wire_by(&self, loaded: &Loaded, facts: Facts) -> Wired {
        let Resolved { config, wanted } = loaded.config.in_account(&facts.identities, &facts.standing);
        let loaded = Loaded { config, ..loaded.clone() };
        let stack = stack::wire(&loaded, &facts, &self.aws).unwrap();
        let mut env = Env::new(&loaded.config.name, Events::new(|_| {}));
        let mut names = loaded.config.names.clone();
        names.extend(facts.standing.clone());
        env.names = Names::new(names, wanted).with_ends(loaded.config.name_ends());
        env.pace = Pace { scale: 0.02, jitter: false };
        env.ownership = Ownership::new(self.ledger(&loaded).await);
        Wired { loaded, facts, stack, env }
    }

    async fn ledger(&self, loaded: &Loaded) -> Ledger {
        record::load(&self.aws, &loaded.config.name).await.unwrap()
    }

    /// Builds a wired stack and records it, as `up` does.
    async fn build(&self, wired: &Wired) {
        let Wired { env, stack, loaded, .. } = wired;
        let keys: Vec<_> = stack.graph.nodes().map(|n| n.key().clone()).collect();
        if let Some(begun) = env.ownership.begin(keys.iter(), 4096) {
            assert!(record::begin(&self.aws, &loaded.config.name, &begun).await.unwrap());
        }
        let report = walk(&stack.graph, Direction::Forward, env, async |n: &dyn Node| n.reconcile(env).await).await;
        let failed: Vec<String> = report.failed().map(|(key, e)| format!("{key}: {e}")).collect();
        assert!(failed.is_empty(), "{failed:?}");
        record::end(&self.aws, &loaded.config.name, &env.ownership, report.done().map(|(key, _)| key)).await.unwrap();
    }

    /// Returns the plan without the steps that need no change, by key.
    async fn plan(&self, wired: &Wired) -> BTreeMap<String, String> {
        let Wired { env, stack, .. } = wired;
        glance(&stack.graph, env).await;
        let report = walk(&stack.graph, Direction::Forward, env, async |n: &dyn Node| n.preview(env).await).await;
        let say = |(key, visit): (_, Visit<Change>)| match visit {
            Visit::Done(Change::None) => None,
            Visit::Done(change) => Some((format!("{key}"), format!("{change:?}"))),
            Visit::Failed(e) => Some((format!("{key}"), e.to_string())),
            _ => Some((format!("{key}"), "not started".into())),
        };
        report.0.into_iter().filter_map(say).collect()
    }

    async fn look(&self, wired: &Wired) -> Report<Status> {
        let env = &wired.env;
        walk(&wired.stack.graph, Direction::Forward, env, async |n: &dyn Node| n.observe(env).await).await
    }

    /// Returns what remains of other stack files. Looks again if a call was not answered: a busy machine is slow.
    async fn remains(&self, wired: &Wired) -> Remains {
        let Wired { loaded, facts, env, stack, .. } = wired;
        let search = Search { loaded, facts, aws: &self.aws, env, stack };
        for looks in 1.. {
            let remains = search.remains(&self.look(wired).await).await.unwrap();
            let Remains { unseen, blind, spared, .. } = &remains;
            if unseen.is_empty() && blind.is_none() && spared.is_empty() {
                return remains;
            }
            assert!(looks < 5, "{unseen:?} {blind:?} {spared:?}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        unreachable!("the last look returns or fails")
    }

    /// Returns a snapshot of one service's request path.
    async fn snapshot(&self, wired: &Wired, service: &str) -> Snapshot {
        let Wired { loaded, facts, stack, .. } = wired;
        let steps = stack.graph.nodes().map(|n| n.key().to_string()).collect();
        let scope = loaded.config.service_called(service).unwrap();
        let expected = Expected::new(&loaded.config, scope, facts, steps);
        let whose = Whose {
            stack: loaded.config.name.clone(),
            service: service.into(),
            account: facts.account.clone(),
            region: facts.region.clone(),
            ..Whose::default()
        };
        let asking = Asking::Nothing { at: expected.path(), why: "an emulator".into() };
        snapshot::gather(&self.aws, whose, expected, &asking, Depth::Events).await
    }
}

fn example() -> Loaded {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(BILLING);
    config::load(&file).unwrap_or_else(|e| panic!("{}", e.render(false, 100)))
}

/// Returns the ids of the objects that carry a step's tag, by step, from a dump of the account.
fn ids_of_steps(dump: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let kinds = dump.as_object().unwrap().iter();
    for (kind, objects) in kinds.filter_map(|(kind, objects)| Some((kind, objects.as_object()?))) {
        for (id, object) in objects {
            if let Some(step) = object["tags"]["gameday:step"].as_str() {
                all.entry(step.into()).or_default().insert(format!("{kind} {id}"));
            }
        }
    }
    all
}

/// The keys that older versions of gameday gave to the steps of a stack's only service, without its name.
const UNNAMED: [&str; 8] = [
    "security-group/app",
    "role/instance",
    "instance-profile/instance",
    "log-group/app",
    "log-group/boot",
    "alarm/healthy-hosts",
    "alarm/unhealthy-hosts",
    "dashboard/main",
];

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn what_exists_under_keys_without_a_service_is_kept() {
    let account = Account::new().await;
    let (empty, loaded) = (account.dump(), example());

    // Build the stack as an older version of gameday did.
    let facts = Facts::gather(&account.aws, &loaded.config).await.unwrap();
    assert_eq!(facts.identities, Identities::new());
    let identities: Identities = [("api".to_owned(), Identity::Unnamed)].into();
    let then = account.wire_by(&loaded, Facts { identities: identities.clone(), ..facts }).await;
    account.build(&then).await;
    let built = account.dump();
    let steps = ids_of_steps(&built);
    assert!(UNNAMED.iter().all(|key| steps.contains_key(*key)), "{steps:?}");
    let named: Vec<_> = steps.keys().filter(|key| key.ends_with("app-api") || key.contains("api-boot")).collect();
    assert!(named.is_empty(), "{named:?}");
    let group = &built["security_groups"];
    assert!(group.as_object().unwrap().values().any(|g| g["GroupName"] == "billing-app"), "{group}");
    assert!(built["roles"]["billing-instance-us-east-1"].is_object(), "{}", built["roles"]);
    assert!(built["log_groups"]["/gameday/billing/app"].is_object(), "{}", built["log_groups"]);

    // Look at the stack with this version.
    let now = account.wire(&loaded).await;
    assert_eq!(now.facts.identities, identities);
    assert_eq!((now.facts.older.len(), now.facts.standing.len(), now.facts.claims.len()), (0, 0, 0));
    assert_eq!(account.plan(&now).await, BTreeMap::new());
    assert!(account.remains(&now).await.is_empty());
    let snapshot = account.snapshot(&now, "api").await;
    let found: Vec<_> = diagnose::why(&snapshot).iter().map(|f| f.rule).collect();
    assert_eq!(found, Vec::<&str>::new());

    // The commands see the same.
    let world = &account.world;
    let plan = world.run(BILLING, &["plan", "-o", "json"]).ends(0).json();
    assert_eq!(plan["changes"], json!([]));
    for args in [&["status"][..], &["why"], &["cost"], &["logs"], &["targets", "list"]] {
        world.run(BILLING, args).ends(0);
    }
    world.run(BILLING, &["up", "--yes"]).ends(0);
    assert_eq!(ids_of_steps(&account.dump()), steps, "nothing is made again");

    // Changes are made in place, and a new name of the service leaves the objects as they are.
    let edited = world.file(
        "edited.toml",
        BILLING,
        &[("#ssh = []", "ssh = [\"192.0.2.1/32\"]"), ("#log_days = 3", "log_days = 7")],
    );
    let changed = world.run(&edited, &["plan", "-o", "json"]).ends(2).json();
    let keys: BTreeSet<&str> =
        changed["changes"].as_array().unwrap().iter().map(|c| c["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["log-group/app", "log-group/boot", "security-group-rules/app"].into());
    world.run(&edited, &["up", "--yes"]).ends(0);
    let renamed = renamed(world);
    world.run(&renamed, &["up", "--yes"]).ends(0);
    assert_eq!(world.run(&renamed, &["plan", "-o", "json"]).ends(0).json()["changes"], json!([]));
    let after = ids_of_steps(&account.dump());
    for key in UNNAMED {
        assert_eq!(after.get(key), steps.get(key), "{key}");
    }
    world.run(&renamed, &["teardown", "--confirm", "billing"]).ends(0);
    assert_eq!(account.dump().to_string(), empty.to_string(), "nothing is left");
    let (judged, missing) = world.rights();
    assert!(judged > 100 && missing.is_empty(), "the policy lacks {missing:#?}");
}

/// Returns the example with another name of its service.
fn renamed(world: &World) -> PathBuf {
    let changes = [
        ("[service.api]\n", "[service.shop]\n"),
        ("[service.api.env]", "[service.shop.env]"),
        ("[service.api.scale]", "[service.shop.scale]"),
    ];
    world.file("renamed.toml", BILLING, &changes)
}

/// Returns the example with two services, `api` and `web` have two listener rules each.
fn two() -> Loaded {
    let mut loaded = example();
    let services = &mut loaded.config.service;
    let mut web = services["api"].clone();
    web.port = 8080;
    web.routes = vec!["/web/*".into(), "/healthcheck".into()];
    (web.min, web.desired) = (1, 1);
    services.insert("web".into(), web);
    services.get_mut("api").unwrap().routes = (0..6).map(|i| format!("/api/{i}")).collect();
    loaded
}

/// Returns the two services without one of them.
fn without(service: &str) -> Loaded {
    let mut loaded = two();
    loaded.config.service.remove(service);
    loaded
}

/// Returns the keys of a service's own steps.
fn own(loaded: &Loaded, service: &str) -> BTreeSet<String> {
    let scope = loaded.config.service_called(service).unwrap();
    let kinds = [
        "security-group",
        "security-group-rules",
        "role",
        "instance-profile",
        "launch-template",
        "access-point",
        "target-group",
        "auto-scaling-group",
    ];
    let mut keys: BTreeSet<String> = kinds.iter().map(|kind| scope.key(kind)).collect();
    keys.extend(["app", "boot"].map(|what| format!("log-group/{}", scope.own(what))));
    keys.extend(config::ALARMS.map(|what| format!("alarm/{}", scope.own(what))));
    keys.extend((1..=scope.rules().len()).map(|n| format!("listener-rule/{service}-{n}")));
    keys.insert(format!("scaling-policy/{}-requests", scope.slot()));
    keys
}

fn texts(items: impl IntoIterator<Item = impl ToString>) -> BTreeSet<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

/// Returns the priority and the target group's name of each listener rule.
fn routes(dump: &Value) -> BTreeSet<(String, String)> {
    let rules = dump["rules"].as_object().unwrap().values().filter(|r| r["IsDefault"] != true);
    let of = |r: &Value| {
        let target = r["Actions"][0]["TargetGroupArn"].as_str().unwrap_or_default();
        (r["Priority"].as_str().unwrap().to_owned(), target.split('/').nth(1).unwrap_or_default().to_owned())
    };
    rules.map(of).collect()
}

/// Looks at a service until there are no findings: instances need a few looks to become healthy.
async fn serves(account: &Account, wired: &Wired, service: &str) -> Snapshot {
    for looks in 0.. {
        let s = account.snapshot(wired, service).await;
        let chain = diagnose::chain(&s);
        let found: Vec<String> = chain.findings().iter().map(|f| format!("{}: {}", f.rule, f.cause)).collect();
        if found.is_empty() {
            return s;
        }
        assert!(looks < 20, "{service}: {found:#?}");
        tokio::time::sleep(Duration::from_millis(50 * looks)).await;
    }
    unreachable!("it ends before")
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn two_services_are_beside_each_other() {
    let account = Account::new().await;
    let empty = account.dump();
    let loaded = two();
    let build = account.wire(&loaded).await;
    account.build(&build).await;

    let now = account.wire(&loaded).await;
    assert_eq!((&now.facts.older, &now.facts.identities), (&vec![], &Identities::new()));
    assert_eq!((now.facts.standing.len(), now.facts.claims.len()), (0, 0));
    assert_eq!(account.plan(&now).await, BTreeMap::new());
    let remains = account.remains(&now).await;
    assert_eq!(remains.found, BTreeMap::new());
    let wanted = [
        ("32100", "billing-api"),
        ("32101", "billing-api"),
        ("32102", "billing-web-8080"),
        ("46980", "billing-web-8080"),
    ];
    let wanted: BTreeSet<_> = wanted.map(|(p, t)| (p.to_owned(), t.to_owned())).into();
    assert_eq!(routes(&account.dump()), wanted);

    // The bill covers both services.
    let alarms: Vec<String> = now
        .stack
        .graph
        .nodes()
        .map(|n| n.key().as_str())
        .filter(|k| k.starts_with("alarm/"))
        .map(|k| now.loaded.config.name_of(k))
        .collect();
    let billed = inventory::gather(&account.aws, &now.loaded.config, &alarms).await.unwrap();
    let count = |group: Group, what: &str| -> f64 {
        let of = billed.items.iter().filter(|item| item.group == group && item.thing.name.contains(what));
        of.map(|item| item.quantity).sum()
    };
    assert_eq!((count(Group::Fleet, "t3."), billed.left_out.len()), (3.0, 0), "{:?}", billed.left_out);
    // Besides the stack's own alarms there are those of the scaling policies: two for each service.
    assert_eq!(count(Group::Monitoring, "alarm"), (alarms.len() + 4) as f64);

    // Each service has its own instances, alarms and target group.
    let (api, web) = (serves(&account, &now, "api").await, serves(&account, &now, "web").await);
    let instances = |s: &Snapshot| texts(s.instances.iter().map(|i| &i.id));
    assert_eq!((instances(&api).len(), instances(&web).len()), (2, 1));
    assert!(instances(&api).is_disjoint(&instances(&web)));
    let own_alarms = |s: &Snapshot| texts(s.expected.alarms.iter().filter(|name| name.ends_with("healthy-hosts")));
    assert_eq!(own_alarms(&api), texts(["billing-api-healthy-hosts", "billing-api-unhealthy-hosts"]));
    assert_eq!(own_alarms(&web), texts(["billing-web-healthy-hosts", "billing-web-unhealthy-hosts"]));
    let group = |s: &Snapshot| s.target_group.as_ref().unwrap().name.clone();
    assert_eq!((group(&api), group(&web)), ("billing-api".into(), "billing-web-8080".into()));

    // Both services share the password. Everything else that a role can read is its own service's.
    let dump = account.dump();
    for (role, theirs) in [("billing-api-us-east-1", "billing/web"), ("billing-web-us-east-1", "billing/api")] {
        assert!(dump["roles"][role].is_object(), "{}", dump["roles"]);
        assert!(!dump["roles"][role]["inline"].to_string().contains(theirs), "{}", dump["roles"][role]);
    }

    // If one service is removed, its own steps remain to be deleted, and nothing else.
    for gone in ["web", "api"] {
        let stays = if gone == "web" { "api" } else { "web" };
        let theirs = ids_of_steps(&account.dump());
        let less = without(gone);
        let now = account.wire(&less).await;
        assert_eq!(now.facts.identities, Identities::new(), "without {gone}");
        let found = account.remains(&now).await;
        assert_eq!(texts(found.found.keys()), own(&loaded, gone), "without {gone}");
        let plan = account.plan(&now).await;
        let made: Vec<_> = plan.iter().filter(|(_, change)| !change.starts_with("Update")).collect();
        assert!(made.is_empty(), "without {gone}: {made:?}");
        account.build(&now).await;
        let report = account.remains(&now).await.remove(&now.env).await;
        assert!(report.all_done(), "without {gone}: {:?}", report.failed().collect::<Vec<_>>());
        record::end(&account.aws, "billing", &now.env.ownership, report.done().map(|(k, _)| k)).await.unwrap();
        let now = account.wire(&less).await;
        assert_eq!((now.facts.older.len(), account.remains(&now).await.found), (0, BTreeMap::new()), "without {gone}");
        assert_eq!(account.plan(&now).await, BTreeMap::new(), "without {gone}");
        serves(&account, &now, stays).await;
        let left = ids_of_steps(&account.dump());
        let kept =
            |(key, ids): (&String, &BTreeSet<String>)| own(&loaded, gone).contains(key) || left.get(key) == Some(ids);
        assert!(theirs.iter().all(kept), "without {gone}: {theirs:?}\n{left:?}");
        assert!(own(&loaded, gone).iter().all(|key| !left.contains_key(key)), "without {gone}: {left:?}");

        // The removed service is added again.
        let again = account.wire(&loaded).await;
        let plan = account.plan(&again).await;
        let made: BTreeSet<String> =
            plan.iter().filter(|(_, c)| c.starts_with("Create")).map(|(k, _)| k.clone()).collect();
        assert_eq!(made, own(&loaded, gone), "with {gone} again");
        account.build(&again).await;
        let again = account.wire(&loaded).await;
        assert_eq!(account.plan(&again).await, BTreeMap::new(), "with {gone} again");
        assert_eq!(routes(&account.dump()), wanted);
        join_all(["api", "web"].map(|s| serves(&account, &again, s))).await;
    }

    // Everything is deleted.
    let now = account.wire(&loaded).await;
    account.look(&now).await;
    let env = &now.env;
    let report = walk(&now.stack.graph, Direction::Reverse, env, async |n: &dyn Node| n.remove(env).await).await;
    assert!(report.all_done(), "{:?}", report.failed().collect::<Vec<_>>());
    record::forget(&account.aws, "billing").await.unwrap();
    assert_eq!(account.dump().to_string(), empty.to_string(), "nothing is left");
}
