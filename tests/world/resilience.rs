//! Resilience: interrupted runs, bad days, races, drift, changed plans. The real binary runs against the sandbox, its
//! faults and a second actor (boto3). Each file of `tests/resilience/` is one law, with a sandbox of its own.
//!
//! `cargo test --test world resilience:: -- --include-ignored` runs the fast form. The long one, with its counts:
//!
//! ```sh
//! GAMEDAY_CUTS=all GAMEDAY_SEEDS=100 cargo test --test world resilience:: -- --include-ignored --nocapture
//! ```
use crate::tools::pytest;

fn law(name: &str) {
    let file = format!("resilience/test_{name}.py");
    let text = pytest::in_a_sandbox("sandbox", &file, |pytest| _ = pytest.arg("-s"));
    for line in text.lines().filter(|l| l.starts_with("count:")) {
        println!("{line}");
    }
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_run_cut_anywhere_is_finished_by_the_next() {
    law("cuts");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_distribution_that_comes_or_goes_leaves_a_way_in_wherever_a_run_is_cut() {
    law("cdn");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_bake_that_is_cut_leaves_nothing_that_nobody_knows() {
    law("bake");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_bad_day_ends_with_each_object_once() {
    law("bad_day");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn teammates_make_nothing_twice() {
    law("teammates");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_tag_is_a_claim_and_not_a_proof() {
    law("claims");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn forged_notes_abort_and_stop_nobody() {
    law("forged");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn drift_is_shown_and_repaired_and_nothing_else() {
    law("drift");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn what_lost_its_tags_is_found_and_asked_for() {
    law("stripped");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_changed_mind_is_followed_or_refused_with_the_way_out() {
    law("mind");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn networks_of_others_are_judged_before_anything_is_built() {
    law("networks");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_group_switched_to_use_or_off_takes_what_was_ours_and_nothing_else() {
    law("switches");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn another_name_or_port_of_the_service_is_a_handover_without_a_gap() {
    law("handover");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn ctrl_c_stops_and_what_stands_is_resumed() {
    law("interrupt");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn a_wait_is_no_longer_than_it_makes_sense_and_says_why() {
    law("wait");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn teardown_deletes_ours_and_names_who_is_in_the_way() {
    law("teardown");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn the_role_reads_the_master_password_until_the_database_is_set_up() {
    law("master");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn each_refusal_of_the_account_is_one_clear_error() {
    law("errors");
}
