//! The first steps of a new user: every command that the output names is complete and works, every output fits its
//! schema, and the README's first ten minutes work as written. The tests themselves are Python (`tests/first_user/`).
use crate::tools::pytest;

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn what_is_told_is_complete_and_fits_its_schema() {
    pytest::in_a_sandbox("first_user", "first_user/test_outputs.py", |_| ());
}

#[test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
fn the_papers_say_what_happens() {
    pytest::in_a_sandbox("first_user", "first_user/test_papers.py", |_| ());
}
