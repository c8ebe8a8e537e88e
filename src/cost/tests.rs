use super::{prices::read, *};
use crate::{
    config,
    parts::{balancer, cache, database, files, monitoring, network, service},
};

const SERVICE: &str = "[service.api]\nsource = \"https://example.com/server\"\n";

fn config(text: &str) -> config::Config {
    config::parse("gameday.toml", &format!("name = \"billing\"\n{text}\n{SERVICE}")).expect("a sound stack file").config
}

fn game() -> Prices {
    read("prices-game.toml", include_str!("../../templates/prices-game.toml")).expect("the shipped example is sound")
}

#[track_caller]
fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} is not {b}");
}

/// The stack file of the example that the prices were collected with: two zones, standby, replica, no alarms.
fn example() -> config::Config {
    config("[database]\nmulti_az = true\n[cache]\nengine = \"valkey\"\nnodes = 2\n[monitoring]\nmode = \"off\"")
}

#[test]
fn the_example_of_the_price_collection_comes_out() {
    let bill = Bill::of(&from_config(&example(), 2, 0, Size::Desired), &Prices::shipped(), 6.0);
    let disks = 2.0 * 8.0 * 0.08 / 730.0;
    let of = |group| bill.group(group).0;
    close(of(Group::Fleet), 0.0208 + disks);
    close(of(Group::Balancer), 0.0305);
    close(of(Group::Database), 0.034 + 20.0 * 0.23 / 730.0);
    close(of(Group::Cache), 0.0272);
    close(of(Group::Network), 0.020);
    // The collection left the instances' disks out.
    let without_disks = bill.per_hour() - disks;
    close(without_disks, 0.1325 + 4.6 / 730.0);
    assert_eq!(format!("{without_disks:.3}"), "0.139");
    close(bill.for_event(), bill.per_hour() * 6.0);
    assert_eq!(bill.unpriced, Vec::<String>::new());
}

#[test]
fn mysql_8_0_costs_its_extended_support_on_both_sides_of_a_multi_az_pair() {
    let mut old = example();
    let hour = |c: &config::Config| Bill::of(&from_config(c, 2, 0, Size::Desired), &Prices::shipped(), 1.0).per_hour();
    let new = hour(&old);
    old.database.version = Some("8.0".into());
    close(hour(&old) - new, 0.40);
    old.database.multi_az = false;
    let single = hour(&old);
    old.database.version = Some("8.4".into());
    close(single - hour(&old), 0.20);
}

/// Each field is given here: the compiler asks for a new one, in this literal and in `Prices::with`.
#[test]
fn an_own_price_file_replaces_each_single_price() {
    let list = |name: &str, price: f64| prices::List::from([(name.to_owned(), prices::Amount(price))]);
    let price = |price: f64| Some(prices::Amount(price));
    let own = Prices {
        as_of: Some("2026-11-21".into()),
        region: Some("eu-west-1".into()),
        instance: list("t3.small", 1.0),
        spot: list("t3.small", 2.0),
        disk: list("gp3", 3.0),
        database: prices::Database {
            multi_az_factor: price(4.0),
            extended_support: price(5.0),
            class: list("db.t3.small", 6.0),
            vcpus: [("db.t3.small".to_owned(), 7)].into(),
            storage: list("gp3", 8.0),
        },
        cache: prices::Cache {
            redis: list("cache.t3.micro", 9.0),
            valkey: list("cache.t3.micro", 10.0),
            memcached: list("cache.t3.micro", 11.0),
        },
        balancer: prices::Balancer { hour: price(11.0), capacity_unit: price(12.0) },
        cdn: prices::Cdn {
            gb: price(21.0),
            requests_10k: price(22.0),
            free_gb: price(23.0),
            free_requests: price(24.0),
        },
        network: prices::Network {
            public_address: price(13.0),
            nat_gateway: price(14.0),
            interface_endpoint: price(15.0),
            nat_gateway_gb: price(16.0),
            interface_endpoint_gb: price(17.0),
        },
        files: prices::Files { stored: price(18.0) },
        monitoring: prices::Monitoring { alarm: price(19.0), dashboard: price(20.0) },
        economy: game().economy,
    };
    assert_eq!(Prices::default().with(own.clone()), own);
    // The shipped entries of the lists remain, so giving the same twice changes nothing.
    let both = Prices::shipped().with(own.clone());
    assert_eq!((both.network.clone(), both.balancer.clone()), (own.network.clone(), own.balancer.clone()));
    assert_eq!((both.instance["t3.small"], both.instance["t2.micro"]), (prices::Amount(1.0), prices::Amount(0.0116)));
    assert_eq!(both.clone().with(own), both);
}

#[test]
fn what_is_used_or_off_costs_nothing() {
    let c = config(
        "[database]\nmode = \"use\"\nendpoint = \"db.local:3306\"\n[secrets]\nmode = \"use\"\nmaster_password = \"/m\"\n\
         app_password = \"/a\"\n[cache]\nmode = \"off\"\n[files]\nmode = \"off\"\n[monitoring]\nmode = \"off\"",
    );
    let bill = Bill::of(&from_config(&c, 2, 0, Size::Min), &Prices::shipped(), 1.0);
    close(bill.group(Group::Database).0 + bill.group(Group::Cache).0 + bill.group(Group::Monitoring).0, 0.0);
}

#[test]
fn sizes_alarms_and_dashboard_count() {
    let c = config("");
    let hour = |size, alarms| Bill::of(&from_config(&c, 2, alarms, size), &Prices::shipped(), 1.0).per_hour();
    let instance = 0.0104 + 8.0 * 0.08 / 730.0 + 0.005;
    close(hour(Size::Max, 0) - hour(Size::Min, 0), 2.0 * instance);
    close(hour(Size::Min, 11) - hour(Size::Min, 0), 1.1 / 730.0);
    let bill = Bill::of(&from_config(&c, 2, 0, Size::Min), &Prices::shipped(), 1.0);
    close(bill.group(Group::Monitoring).0, 3.0 / 730.0);
}

#[test]
fn what_has_no_price_is_named_once_and_left_out() {
    let mut c = example();
    c.database.class = "db.r9.huge".into();
    c.service.get_mut("api").unwrap().spot =
        Some(config::Spot { on_demand_base: 1, on_demand_percent: 0, types: vec![] });
    let bill = Bill::of(&from_config(&c, 2, 0, Size::Max), &Prices::shipped(), 1.0);
    assert_eq!(bill.unpriced, ["db.r9.huge, Multi-AZ", "t3.micro, Spot"]);
    close(bill.group(Group::Fleet).0, 0.0104 + 4.0 * 8.0 * 0.08 / 730.0);
}

#[test]
fn spot_is_rounded_in_favour_of_on_demand() {
    let mut c = example();
    c.service.get_mut("api").unwrap().spot =
        Some(config::Spot { on_demand_base: 1, on_demand_percent: 50, types: vec![] });
    let items = from_config(&c, 2, 0, Size::Max);
    let spot = items.iter().filter(|i| i.thing.name.ends_with(", Spot")).count();
    // 4 instances: 1 base, half of 3 is 1.5, so 2 more on demand.
    assert_eq!(spot, 1);
}

fn fleet(n: usize, instance_type: &str) -> Vec<Item> {
    vec![service::bill::instance(instance_type, false, Duration::ZERO); n]
}

#[test]
fn a_game_charges_eight_dollars_a_quarter_and_double_above_five() {
    let bill = |n| Bill::of(&fleet(n, "t2.micro"), &game(), 6.0);
    close(bill(1).per_hour(), 32.0);
    close(bill(5).per_hour(), 160.0);
    close(bill(5).for_event(), 5.0 * 24.0 * 8.0);
    // All six at the double price.
    close(bill(6).per_hour(), 6.0 * 64.0);
    assert_eq!(bill(6).lines[0].what, "t2.micro, × 2");
    assert_eq!(bill(6).unit, "$");
}

#[test]
fn in_a_game_all_but_instances_may_be_free() {
    let items = [from_config(&example(), 2, 11, Size::Desired), fleet(1, "t2.micro")].concat();
    let mut prices = game();
    let bill = Bill::of(&items, &prices, 1.0);
    assert_eq!(bill.unpriced, ["t3.micro"]);
    close(bill.per_hour(), 32.0);
    prices.economy.as_mut().unwrap().unlisted = Unlisted::Unknown;
    assert!(Bill::of(&items, &prices, 1.0).unpriced.len() > 5);
    // Nothing is nothing, without a sign.
    assert_eq!(format!("{} {}", Bill::default().per_hour(), Bill::default().for_event()), "0 0");
}

#[test]
fn a_surcharge_can_be_on_the_excess_only() {
    let mut prices = game();
    prices.economy.as_mut().unwrap().surcharge.as_mut().unwrap().on = prices::SurchargeOn::Excess;
    let bill = Bill::of(&fleet(7, "t2.micro"), &prices, 1.0);
    close(bill.per_hour(), 5.0 * 32.0 + 2.0 * 64.0);
    assert_eq!(bill.lines.iter().map(|l| (l.quantity, l.unit_price)).collect::<Vec<_>>(), [(5.0, 8.0), (2.0, 16.0)]);
}

#[test]
fn a_begun_quantum_is_billed_in_full_and_only_once() {
    let game = game();
    let economy = game.economy.as_ref().unwrap();
    let quanta = |minutes: f64| economy.quanta(minutes / 60.0);
    assert_eq!([0.0, 1.0, 15.0, 16.0, 30.0, 360.0].map(quanta), [0.0, 1.0, 1.0, 2.0, 2.0, 24.0]);
    // The instance is 14 minutes old: one more minute is paid for already.
    let mut items = fleet(1, "t2.micro");
    items[0].age = Duration::from_secs(14 * 60);
    close(Bill::of(&items, &game, 1.0 / 60.0).for_event(), 0.0);
    close(Bill::of(&items, &game, 2.0 / 60.0).for_event(), 8.0);
    // The rate per hour stays the same.
    close(Bill::of(&items, &game, 2.0 / 60.0).per_hour(), 32.0);
}

#[test]
fn a_minimum_longer_than_the_quantum_is_billed() {
    let mut game = game();
    game.economy.as_mut().unwrap().minimum_minutes = 60;
    close(Bill::of(&fleet(1, "t2.micro"), &game, 0.1).for_event(), 32.0);
}

#[test]
fn one_more_instance_has_to_earn_what_it_adds() {
    let items = from_config(&example(), 2, 0, Size::Desired);
    let more = OneMore::of(&items, "t3.micro", true, &Prices::shipped(), 6.0);
    let hour = 0.0104 + 0.005 + 8.0 * 0.08 / 730.0;
    close(more.per_hour, hour);
    close(more.per_minute, hour / 60.0);
    close(more.at_least, hour / 60.0);
    close(more.for_event, hour * 6.0);

    let more = OneMore::of(&fleet(2, "t2.micro"), "t2.micro", true, &game(), 6.0);
    close(more.per_hour, 32.0);
    close(more.at_least, 8.0);
    // The sixth instance also doubles the price of the other five.
    let sixth = OneMore::of(&fleet(5, "t2.micro"), "t2.micro", true, &game(), 6.0);
    close(sixth.per_hour, 6.0 * 64.0 - 5.0 * 32.0);
    close(sixth.per_minute, 224.0 / 60.0);
    close(sixth.at_least, 6.0 * 16.0 - 5.0 * 8.0);
    assert_eq!(OneMore::of(&[], "m9.big", true, &game(), 1.0).unpriced, ["m9.big"]);
}

#[test]
fn what_runs_is_billed_as_it_is() {
    let database = database::bill::Billed {
        class: "db.t3.micro".into(),
        multi_az: true,
        storage_type: "gp3".into(),
        storage_gb: 20.0,
        engine: Some(crate::config::DatabaseEngine::Mysql),
        version: "8.0.46".into(),
    };
    let items = [
        vec![service::bill::instance("t3.micro", true, Duration::ZERO)],
        vec![service::bill::disk("gp3", 8.0); 2],
        vec![network::bill::addresses(3.0), network::bill::nat_gateways(1.0)],
        balancer::bill::balancer().to_vec(),
        database.items(),
        vec![cache::bill::nodes(crate::config::CacheEngine::Valkey, "cache.t3.micro", 2.0)],
        vec![files::bill::stored(730e9), monitoring::bill::alarms(12.0), monitoring::bill::dashboards(1.0)],
    ]
    .concat();
    let bill = Bill::of(&items, &Prices::shipped(), 2.0);
    let of = |group| bill.group(group).0;
    close(of(Group::Fleet), 1.28 / 730.0);
    close(of(Group::Database), 0.034 + 4.6 / 730.0 + 0.40);
    close(of(Group::Cache), 0.0272);
    close(of(Group::Network), 0.015 + 0.045);
    close(of(Group::Balancer), 0.0305);
    close(of(Group::Files), 0.30);
    close(of(Group::Monitoring), 4.2 / 730.0);
    assert_eq!(bill.unpriced, ["t3.micro, Spot"]);
    assert!(Inventory::default().is_empty());
    // A new file system counts as existing, although it costs nothing.
    assert_eq!(files::bill::stored(6144.0).quantity, 0.0);
}

#[test]
fn an_event_is_paid_for_until_its_end() {
    let now: jiff::Zoned = "2026-11-21T12:30[UTC]".parse().unwrap();
    let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    assert_eq!(hours(None, None, &now), 6.0);
    assert_eq!(hours(None, at("2026-11-21T10:00Z"), &now), 3.5);
    // Before the event and after it, the whole event is priced.
    assert_eq!(hours(None, at("2026-11-21T13:00Z"), &now), 6.0);
    assert_eq!(hours(None, at("2026-11-21T06:00Z"), &now), 6.0);
    assert_eq!(hours(Some(2.0), at("2026-11-21T10:00Z"), &now), 2.0);
}

#[test]
fn a_file_adds_to_the_shipped_prices_or_replaces_single_ones() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("own.toml");
    std::fs::write(&file, "as_of = \"2026-12-01\"\n[instance]\n\"t3.micro\" = 1\n[spot]\n\"t3.micro\" = 0.5\n")
        .unwrap();
    let prices = Prices::load(Some(&file)).unwrap();
    assert_eq!(prices.instance["t3.micro"].0, 1.0);
    assert_eq!(prices.instance["t3.small"].0, 0.0208);
    assert_eq!(prices.spot["t3.micro"].0, 0.5);
    assert_eq!((prices.as_of.as_deref(), prices.region.as_deref()), (Some("2026-12-01"), Some("us-east-1")));
    // A game's list replaces the shipped one.
    std::fs::write(&file, include_str!("../../templates/prices-game.toml")).unwrap();
    assert!(Prices::load(Some(&file)).unwrap().instance.is_empty());
}

#[test]
fn a_mistake_in_a_price_file_says_file_line_and_key() {
    let mut seen = String::new();
    for text in [
        "[instance]\n\"t3.micro\" = -1",
        "[instance]\n\"t3.micro\" = \"0.01\"",
        "[instance]\n\"t3.micro\" = nan",
        "as_of = \"2026\"\n\n[balancer]\nhours = 0.02",
        "[balancr]\nhour = 0.02",
        "[economy]\nunit = \"$\"\nquantum_minutes = 0\n[economy.instance]",
        "[economy]\nunit = \"$\"\n[economy.instance]\n\"t2.micro\" = 8",
        "[economy]\nunit = \"$\"\nquantum_minutes = 15\n[economy.instance]\n[economy.surcharge]\nabove = 5\nfactor = 2\non = \"some\"",
        "[instance]\n\"t3.micro\" = 1\n[economy]\nunit = \"points\"\nquantum_minutes = 15\n[economy.instance]",
        "[instance",
    ] {
        let e = read("own.toml", text).expect_err(text);
        let p = &e.problems[0];
        seen += &format!("{}:{}:{} [{}] {} ({})\n", e.source.name, p.line, p.column, p.path, p.message, p.reason);
        // The problem has to be renderable, too.
        assert!(e.render(false, 80).contains("own.toml"));
    }
    insta::assert_snapshot!(seen);
    let missing = Prices::load(Some(std::path::Path::new("/nowhere/own.toml"))).unwrap_err();
    assert!(missing.problems[0].message.starts_with("cannot read /nowhere/own.toml"));
}

#[test]
fn private_instances_pay_for_their_way_out_instead_of_addresses() {
    let stack = |network: &str, source: &str| {
        let text = format!("name = \"x\"\n[network]\n{network}\n[service.a]\nsource = \"{source}\"\ndesired = 4\n");
        config::parse("gameday.toml", &text).expect("a sound stack file").config
    };
    let prices = Prices::shipped();
    let hour = |c: &config::Config| Bill::of(&from_config(c, 2, 0, Size::Desired), &prices, 1.0).per_hour();
    let s3 = "s3://bucket/server";
    let public = hour(&stack("", s3));
    // Four addresses less, and instead one NAT gateway with its address, or two of them, or four endpoints in two
    // zones.
    for (egress, more) in [("nat", 0.05), ("nat-per-zone", 0.10), ("endpoints", 0.08)] {
        let c = stack(&format!("instances = \"private\"\negress = \"{egress}\""), s3);
        close(hour(&c), public - 4.0 * 0.005 + more);
        let ways = ways_out(&c, 2, &prices);
        let chosen: Vec<&WayOut> = ways.iter().filter(|w| w.chosen).collect();
        assert_eq!((chosen.len(), chosen[0].way.as_str()), (1, egress));
        close(chosen[0].per_hour, more);
        let all: Vec<(&str, Option<f64>)> = ways.iter().map(|w| (w.way.as_str(), w.per_gb)).collect();
        let (nat, endpoints) = (Some(0.045), Some(0.01));
        assert_eq!(all, [("nat", nat), ("nat-per-zone", nat), ("endpoints", endpoints), ("public", None)]);
    }
    // In an existing VPC the stack does not pay for the way out, and one more private instance has no address.
    let used = stack("mode = \"use\"\nvpc = \"default\"\ninstances = \"private\"", s3);
    close(hour(&used), public - 4.0 * 0.005);
    assert_eq!(ways_out(&used, 2, &prices), []);
    assert_eq!(ways_out(&stack("instances = \"private\"", s3), 2, &game()), []);
    let more = |public| OneMore::of(&[], "t3.micro", public, &prices, 1.0).per_hour;
    close(more(true) - more(false), 0.005);
}
