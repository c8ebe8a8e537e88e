//! Texts from outside stay text: whatever AWS, a machine, a file or a teammate's note contains, it controls no
//! terminal, forges no line, and adds nothing to a command that is offered. The real binary runs on a real terminal.
//!
//! `GAMEDAY_SEEDS=50 cargo test --test world words:: -- --include-ignored` is the long form: more mixtures of strings
//! in AWS's answers.
use crate::tools::pytest;

fn words(name: &str) {
    let file = format!("words/test_{name}.py");
    pytest::in_a_sandbox("sandbox", &file, |_| ());
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn what_each_source_says_stays_words() {
    words("sources");
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn every_string_that_aws_can_return_stays_words() {
    words("answers");
}
