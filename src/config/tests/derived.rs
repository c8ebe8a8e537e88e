//! What follows from a config by itself.
use gameday_config::{Cidr, Config, ExistingSubnet, Owner, host_port, parse};
use jiff::tz::TimeZone;

fn config(top: &str) -> Config {
    let text = format!(
        "name = \"billing\"\n{top}\n[service.api]\nsource = \"https://example-bucket.s3.amazonaws.com/server\"\n"
    );
    match parse("gameday.toml", &text) {
        Ok(loaded) => loaded.config,
        Err(errors) => panic!("{}", errors.render(false, 100)),
    }
}

fn ranges(list: &[&str]) -> Vec<Cidr> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn subnets_are_cut_from_the_two_halves() {
    let subnets = config("").subnets(2).unwrap();
    assert_eq!(subnets.public, ranges(&["10.0.0.0/24", "10.0.1.0/24"]));
    assert_eq!(subnets.private, ranges(&["10.0.128.0/24", "10.0.129.0/24"]));
}

#[test]
fn another_zone_moves_no_subnet() {
    for cidr in ["10.0.0.0/16", "10.0.0.0/20", "10.0.0.0/22", "10.0.0.0/23"] {
        let config = config(&format!("[network]\ncidr = \"{cidr}\""));
        for zones in 2..6 {
            let (few, more) = (config.subnets(zones).unwrap(), config.subnets(zones + 1).unwrap());
            assert_eq!(few.public, more.public[..zones], "{cidr}");
            assert_eq!(few.private, more.private[..zones], "{cidr}");
        }
    }
}

#[test]
fn subnets_lie_within_the_vpc_and_apart() {
    for prefix in 16..=24 {
        let config = config(&format!("[network]\ncidr = \"10.0.0.0/{prefix}\""));
        let vpc: Cidr = config.network.cidr.parse().unwrap();
        for zones in 2..=6 {
            let Ok(subnets) = config.subnets(zones) else {
                assert!(prefix == 24 && zones > 4, "/{prefix} holds {zones} zones");
                continue;
            };
            let all: Vec<_> = subnets.public.iter().chain(&subnets.private).collect();
            assert_eq!(all.len(), 2 * zones);
            for (i, one) in all.iter().enumerate() {
                assert!(vpc.contains(*one) && one.prefix_len() <= 27);
                assert!(all[..i].iter().all(|other| !other.contains(*one) && !one.contains(*other)));
            }
        }
    }
}

#[test]
fn an_internal_balancer_is_open_to_its_vpc() {
    let vpc = || vec!["10.1.0.0/16".to_owned()];
    assert_eq!(config("").allowed_http(vpc()), ["0.0.0.0/0"]);
    let internal = "[balancer]\nscheme = \"internal\"\n";
    assert_eq!(config(internal).allowed_http(vpc()), vpc());
    assert_eq!(config(&format!("{internal}[access]\nhttp = [\"10.0.0.0/8\"]")).allowed_http(vpc()), ["10.0.0.0/8"]);
}

#[test]
fn private_instances_have_subnets_of_their_own() {
    let with = |cidr: &str| config(&format!("[network]\ncidr = \"{cidr}\"\ninstances = \"private\""));
    let subnets = with("10.0.0.0/16").subnets(2).unwrap();
    assert_eq!(subnets.public, ranges(&["10.0.0.0/24", "10.0.1.0/24"]));
    assert_eq!(subnets.app, ranges(&["10.0.64.0/24", "10.0.65.0/24"]));
    assert_eq!(subnets.private, ranges(&["10.0.128.0/24", "10.0.129.0/24"]));
    assert_eq!(config("").subnets(2).unwrap().app, []);
    // Apart from all others, in whatever VPC they fit; where they do not, it is said.
    for prefix in 16..=24 {
        for zones in 2..=6 {
            let Ok(s) = with(&format!("10.0.0.0/{prefix}")).subnets(zones) else {
                assert!(prefix == 24 && zones > 2 || prefix >= 20 && zones > 5, "/{prefix} holds {zones} zones");
                continue;
            };
            let all: Vec<_> = s.public.iter().chain(&s.private).chain(&s.app).collect();
            assert_eq!(all.len(), 3 * zones);
            for (i, one) in all.iter().enumerate() {
                assert!(
                    all[..i].iter().all(|other| !other.contains(*one) && !one.contains(*other)),
                    "/{prefix} {zones}"
                );
            }
        }
    }
    // Given ones are kept, and what stands keeps its range when another zone's public subnet comes.
    let given =
        config("[network]\ninstances = \"private\"\napp = [\"10.0.0.0/24\", \"10.0.1.0/24\"]").subnets(2).unwrap();
    assert_eq!(
        (given.app, given.public),
        (ranges(&["10.0.0.0/24", "10.0.1.0/24"]), ranges(&["10.0.2.0/24", "10.0.3.0/24"]))
    );
    let small = with("10.0.0.0/20");
    let zones = |n: usize| ["a", "b", "c", "d", "e"][..n].iter().map(|z| format!("us-east-1{z}")).collect::<Vec<_>>();
    let two = small.subnets(2).unwrap();
    let standing: Vec<ExistingSubnet> = (two.app.iter().zip(zones(2)))
        .map(|(cidr, zone)| ExistingSubnet { cidr: *cidr, zone, owner: Owner::App })
        .collect();
    let five = small.subnets_beside(&zones(5), &standing).unwrap();
    assert_eq!(five.app[..2], two.app[..]);
    assert!(five.public.iter().all(|p| !two.app.contains(p)));
}

#[test]
fn given_subnets_are_kept_and_avoided() {
    let config = config("[network]\npublic = [\"10.0.128.0/24\", \"10.0.129.0/24\"]");
    let subnets = config.subnets(2).unwrap();
    assert_eq!(subnets.public, ranges(&["10.0.128.0/24", "10.0.129.0/24"]));
    assert_eq!(subnets.private, ranges(&["10.0.130.0/24", "10.0.131.0/24"]));
}

#[test]
fn what_stands_keeps_its_range() {
    let config = config("");
    let (a, b, c) = ("us-east-1a", "us-east-1b", "us-east-1c");
    let on = |zone: &str, owner, cidr: &str| ExistingSubnet { cidr: cidr.parse().unwrap(), zone: zone.into(), owner };
    let mut standing = vec![
        on(a, Owner::Public, "10.0.0.0/24"),
        on(b, Owner::Public, "10.0.1.0/24"),
        on(a, Owner::Private, "10.0.128.0/24"),
        on(b, Owner::Private, "10.0.129.0/24"),
    ];
    let cut = |zones: &[&str], standing: &[ExistingSubnet]| {
        config.subnets_beside(&zones.iter().map(|z| (*z).to_owned()).collect::<Vec<_>>(), standing).unwrap()
    };
    // In whatever order, and a zone in place of another one gets what is free.
    let turned = cut(&[b, a], &standing);
    assert_eq!(turned.public, ranges(&["10.0.1.0/24", "10.0.0.0/24"]));
    assert_eq!(turned.private, ranges(&["10.0.129.0/24", "10.0.128.0/24"]));
    let other = cut(&[a, c], &standing);
    assert_eq!(other.public, ranges(&["10.0.0.0/24", "10.0.2.0/24"]));
    assert_eq!(other.private, ranges(&["10.0.128.0/24", "10.0.130.0/24"]));
    // One that lost its tags is asked for by its range; somebody else's is avoided.
    standing[0].owner = Owner::Unknown;
    assert_eq!(cut(&[a, b], &standing).public, ranges(&["10.0.0.0/24", "10.0.1.0/24"]));
    standing[0].owner = Owner::Others;
    assert_eq!(cut(&[a, b], &standing).public, ranges(&["10.0.2.0/24", "10.0.1.0/24"]));
    // Where nothing stands it is as on every laptop.
    assert_eq!(cut(&[a, b, c], &[]), config.subnets(3).unwrap());
}

#[test]
fn the_clock() {
    let now = "2026-11-21T08:15:00"
        .parse::<jiff::civil::DateTime>()
        .unwrap()
        .to_zoned(TimeZone::get("Europe/Berlin").unwrap());
    let at =
        |text: &str| config(&format!("traffic_at = \"{text}\"")).traffic_at(&now.clone().unwrap()).unwrap().to_string();
    assert_eq!(at("10:00"), "2026-11-21T09:00:00Z");
    assert_eq!(at("10:00:30"), "2026-11-21T09:00:30Z");
    assert_eq!(at("2026-11-22T10:00:00+09:00"), "2026-11-22T01:00:00Z");
    assert_eq!(config("").traffic_at(&now.unwrap()), None);
}

#[test]
fn what_is_no_time() {
    for text in ["", "10", "1000", "25:00", "10:61", "tomorrow", "2026-11-21", "10 am"] {
        let text = format!("name = \"x\"\ntraffic_at = {text:?}\n[service.a]\nsource = \"https://example.com/a\"\n");
        let errors = parse("gameday.toml", &text).unwrap_err();
        assert_eq!(errors.problems[0].rule, "traffic_at", "{text}");
    }
}

#[test]
fn hosts_and_ports() {
    assert_eq!(host_port("db.example.com:3306"), Some(("db.example.com".into(), 3306)));
    assert_eq!(host_port("10.0.0.5:6379"), Some(("10.0.0.5".into(), 6379)));
    for text in ["", ":1", "host", "host:", "host:0", "host:65536", "host:x", "a b:1", "http://h:1", "-h:1", "h..x:1"] {
        assert_eq!(host_port(text), None, "{text}");
    }
    let config = config("[cache]\nmode = \"use\"\nendpoint = \"redis.internal:6380\"");
    assert_eq!(config.cache.endpoint(), Some(("redis.internal".into(), 6380)));
    assert_eq!(config.database.endpoint(), None);
}

#[test]
fn versions() {
    assert_eq!(config("").cache.engine_version(), "7.1");
    assert_eq!(config("[cache]\nengine = \"valkey\"").cache.engine_version(), "8.2");
    assert_eq!(config("[cache]\nversion = \"6.2\"").cache.engine_version(), "6.2");
    assert!(!config("").database.extended_support());
    assert!(config("[database]\nversion = \"8.0.40\"").database.extended_support());
    let postgres = |more: &str| config(&format!("[database]\nengine = \"postgres\"\n{more}")).database;
    assert_eq!((postgres("").engine_version(), postgres("").family()), ("17", "postgres17".into()));
    assert_eq!(postgres("version = \"16.9\"").family(), "postgres16");
    assert!(!postgres("").extended_support());
}

#[test]
fn one_more_parameter_keeps_the_default_ones() {
    let known = |more: &str| config(more).database.known_parameters();
    let parameters = known("[database.parameters]\nmax_connections = \"200\"");
    assert_eq!(parameters.len(), 3);
    assert_eq!(parameters["authentication_policy"], "*:mysql_native_password");
    assert_eq!(known("[database.parameters]\nauthentication_policy = \"*\"")["authentication_policy"], "*");
    assert_eq!(known("").len(), 2);
    // RDS knows it from 8.4 on.
    let only = |name: &str| [(name.to_owned(), "0".to_owned())].into();
    assert_eq!(known("[database]\nversion = \"8.0\""), only("require_secure_transport"));
    assert_eq!(known("[database]\nengine = \"postgres\""), only("rds.force_ssl"));
    // Triggers are allowed only where there are some.
    assert_eq!(known("[database]\nrefuse = [\"x\"]")["log_bin_trust_function_creators"], "1");
    assert_eq!(known("[database]\nengine = \"postgres\"\nrefuse = [\"x\"]"), only("rds.force_ssl"));
}

#[test]
fn zero_turns_a_target_off() {
    let text = "name = \"x\"\n[service.a]\nsource = \"https://example.com/a\"\n[service.a.scale]\nrequests_per_target = 0\ncpu = 50\n";
    let config = parse("gameday.toml", text).unwrap().config;
    let scale = &config.services().next().unwrap().table.scale;
    assert_eq!((scale.requests_per_target, scale.cpu), (None, Some(50.0)));
}

#[test]
fn files_from_windows() {
    let text = "\u{feff}name = \"x\"\r\nregion = \"us-east1\"\r\n[service.a]\r\nsource = \"https://example.com/a\"\r\n";
    let errors = parse("gameday.toml", text).unwrap_err();
    let [problem] = &errors.problems[..] else { panic!("{errors:?}") };
    assert_eq!((problem.rule, problem.line, problem.column), ("region_unknown", 2, 10));
    assert_eq!(&text[problem.span.clone()], "\"us-east1\"");
}

/// A rule of the balancer takes five values and five wildcards.
#[test]
fn routes_are_as_many_in_a_rule_as_it_takes() {
    let owned = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let rules = |hosts: &[&str], routes: &[&str]| -> Vec<(usize, usize)> {
        let service = config("").service["api"].clone();
        let service = gameday_config::Service { routes: owned(routes), hosts: owned(hosts), ..service };
        let rules = service.rules();
        for rule in &rules {
            let all = [rule.hosts.clone(), rule.paths.clone()].concat();
            assert!(all.len() <= 5 && all.concat().matches(['*', '?']).count() <= 5, "{rule:?}");
        }
        let is_routed = !rules.is_empty();
        for host in if hosts.is_empty() { vec![None] } else { owned(hosts).into_iter().map(Some).collect() } {
            for path in if routes.is_empty() { vec![None] } else { owned(routes).into_iter().map(Some).collect() } {
                let has = |rule: &&gameday_config::Routing| {
                    host.as_ref().is_none_or(|h| rule.hosts.contains(h))
                        && path.as_ref().is_none_or(|p| rule.paths.contains(p))
                };
                assert_eq!(rules.iter().filter(has).count(), usize::from(is_routed), "{host:?} {path:?} {rules:?}");
            }
        }
        rules.iter().map(|rule| (rule.hosts.len(), rule.paths.len())).collect()
    };
    assert!(rules(&[], &[]).is_empty());
    assert_eq!(rules(&[], &["/a", "/b", "/c", "/d", "/e", "/f"]), [(0, 5), (0, 1)]);
    assert_eq!(rules(&[], &["/a/*", "/b/*", "/c/*", "/d/*", "/e/*", "/f/*"]), [(0, 5), (0, 1)]);
    assert_eq!(rules(&[], &["/a/*/x/*", "/b/*/y/*", "/c/*/z/*"]), [(0, 2), (0, 1)]);
    // Exact paths come before patterns, and longer patterns before shorter ones.
    assert_eq!(rules(&[], &["/*", "/a/*", "/b/*", "/d"]), [(0, 1), (0, 2), (0, 1)]);
    assert_eq!(rules(&["a.example.com", "b.example.com"], &[]), [(2, 0)]);
    assert_eq!(rules(&["*.a.example.com"], &["/*/*/*/*", "/*/b/*/c"]), [(1, 1), (1, 1)]);
    let hosts = ["a.example.com", "b.example.com", "c.example.com"];
    assert_eq!(rules(&hosts, &["/a", "/b", "/c", "/d"]), [(2, 3), (2, 1), (1, 4)]);
}

#[test]
fn what_is_given_twice_is_there_once() {
    let config = config(
        "[access]\nhttp = [\"10.0.0.0/8\", \"10.0.0.0/08\", \"0.0.0.0/0\"]\nkey_pair = \"k\"\n\
         ssh = [\"192.0.2.1/32\", \"192.0.2.1/32\"]\n\
         [monitoring]\nnotify = [\"arn:aws:sns:us-east-1:123456789012:a\", \"arn:aws:sns:us-east-1:123456789012:a\"]\n\
         [service.api.spot]\ntypes = [\"t3a.micro\", \"t3a.small\", \"t3a.micro\"]",
    );
    assert_eq!(config.access.http, ["10.0.0.0/8", "0.0.0.0/0"]);
    assert_eq!(config.access.ssh, ["192.0.2.1/32"]);
    assert_eq!(config.monitoring.notify.len(), 1);
    assert_eq!(config.service["api"].spot.as_ref().unwrap().types, ["t3a.micro", "t3a.small"]);
}
