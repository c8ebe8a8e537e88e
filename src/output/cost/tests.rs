use super::*;
use crate::{
    config::{self, Config},
    cost::{Item, Size, from_config, prices::read},
    parts::{balancer, cache, database, files, monitoring, network, service},
};
use std::time::Duration;

fn config() -> Config {
    let text = "name = \"billing\"\n[database]\nmulti_az = true\n[cache]\nengine = \"valkey\"\nnodes = 2\n\
                [service.api]\nsource = \"https://example.com/server\"\n";
    config::parse("gameday.toml", text).expect("a sound stack file").config
}

fn there() -> Vec<Item> {
    let instance = |minutes: u64| service::bill::instance("t3.micro", false, Duration::from_secs(minutes * 60));
    let database = database::bill::Billed {
        class: "db.t3.micro".into(),
        multi_az: false,
        storage_type: "gp3".into(),
        storage_gb: 20.0,
        engine: Some(crate::config::DatabaseEngine::Mysql),
        version: "8.4.8".into(),
    };
    [
        vec![instance(50), instance(50), instance(4)],
        vec![service::bill::disk("gp3", 8.0); 3],
        vec![network::bill::addresses(5.0), network::bill::nat_gateways(1.0)],
        balancer::bill::balancer().to_vec(),
        database.items(),
        vec![cache::bill::nodes(crate::config::CacheEngine::Valkey, "cache.t3.micro", 2.0)],
        vec![files::bill::stored(6144.0), monitoring::bill::alarms(13.0), monitoring::bill::dashboards(1.0)],
    ]
    .concat()
}

fn plain(text: &str) -> String {
    console::strip_ansi_codes(text).into_owned()
}

/// Returns the view for people and for scripts.
fn views(prices: &Prices, items: Option<Vec<Item>>, instance_type: &str) -> (String, serde_json::Value) {
    let config = config();
    let bill = |size| Bill::of(&from_config(&config, 2, 13, size), prices, 6.0);
    let (min, desired, max) = (bill(Size::Min), bill(Size::Desired), bill(Size::Max));
    let running = items.as_ref().map(|i| Bill::of(i, prices, 6.0));
    let more = OneMore::of(
        items.as_deref().unwrap_or(&from_config(&config, 2, 13, Size::Desired)),
        instance_type,
        true,
        prices,
        6.0,
    );
    let bills = Bills { min: (2, &min), desired: (2, &desired), max: (4, &max), running: running.as_ref() };
    let view = Cost::new("billing", "eu-north-1", prices, bills, &more);
    (plain(&text(&view)), serde_json::to_value(&view).unwrap())
}

#[test]
fn planned_alone() {
    let (text, _) = views(&Prices::shipped(), None, "t3.micro");
    insta::assert_snapshot!(text);
}

#[test]
fn planned_and_running() {
    let (text, _) = views(&Prices::shipped(), Some(there()), "t3.micro");
    insta::assert_snapshot!(text);
}

#[test]
fn in_a_games_money() {
    let game = "[economy]\nunit = \"points\"\nquantum_minutes = 15\nunlisted = \"free\"\n[economy.instance]\n\"t3.micro\" = 8\n\
                [economy.surcharge]\nabove = 2\nfactor = 2\non = \"excess\"\n";
    let (text, _) = views(&read("game.toml", game).unwrap(), Some(there()), "t3.micro");
    insta::assert_snapshot!(text);
}

#[test]
fn as_json() {
    let (_, json) = views(&Prices::shipped(), Some(there()), "t3.micro");
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap());
}

#[test]
fn one_line_for_the_plan() {
    let prices = Prices::shipped();
    let mut config = config();
    config.monitoring.mode = config::Switch::Off;
    let bill = Bill::of(&from_config(&config, 2, 0, Size::Desired), &prices, 6.0);
    assert_eq!(line(&bill), "about $0.14/h, $0.84 for 6 h");
    config.database.class = "db.r9.huge".into();
    let bill = Bill::of(&from_config(&config, 2, 0, Size::Desired), &prices, 1.5);
    assert_eq!(line(&bill), "about $0.11/h, $0.16 for 1.5 h, without db.r9.huge, Multi-AZ");
    let game = "[economy]\nunit = \"points\"\nquantum_minutes = 15\nunlisted = \"free\"\n[economy.instance]\n\"t3.micro\" = 8\n";
    let bill = Bill::of(&from_config(&config, 2, 0, Size::Desired), &read("game.toml", game).unwrap(), 6.0);
    assert_eq!(line(&bill), "about 64 points/h, 384 points for 6 h");
}

#[test]
fn money_has_the_digits_that_matter() {
    let said = [0.0, 0.000_271, 0.0104, 0.139, 1.5, 8.0, 160.0, 1234.567].map(|a| money("$", a));
    assert_eq!(said, ["$0", "$0.000271", "$0.0104", "$0.139", "$1.50", "$8", "$160", "$1234.57"]);
    assert_eq!(money("points", 8.0), "8 points");
}
