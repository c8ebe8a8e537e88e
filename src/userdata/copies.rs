//! What templates are told of several copies of a service on one machine.
use super::{Boot, Run};
use minijinja::{Value, context};

/// The proxy's package, under the name that it has in every distribution.
const PROXY: &str = "haproxy";

/// Returns number and port of each copy, nothing for a single one.
///
/// The ports are below those that the kernel gives to outgoing connections.
pub(super) fn list(boot: &Boot) -> Vec<Value> {
    let base: u32 = if (20_000..20_100).contains(&boot.port) { 21_000 } else { 20_000 };
    let all = 1..=boot.copies;
    all.filter(|_| boot.copies > 1).map(|number| context! { number, port => base + number }).collect()
}

/// Returns the packages of the stack file, and the proxy's if there is one.
pub(super) fn packages(boot: &Boot) -> Vec<String> {
    let mut all = boot.packages.clone();
    if boot.copies > 1 && !all.iter().any(|name| name == PROXY) {
        all.push(PROXY.to_owned());
    }
    all
}

/// Returns the local folder for files, for a stack without shared ones.
pub(super) fn local_files(boot: &Boot) -> &'static str {
    match boot.run {
        Run::Binary | Run::Archive if boot.copies > 1 => "/opt/gameday/copies/cache",
        _ => "/opt/gameday/app/cache",
    }
}

/// Returns the context of the files that each copy has of its own, with marks that the machine replaces.
///
/// A container sees the same port and the same folders as if it were alone.
pub(super) fn context(boot: &Boot, context: &Value) -> Value {
    if boot.copies == 1 || boot.run == Run::Container {
        return context.clone();
    }
    context! {
        port => "@@port@@",
        dir => "/opt/gameday/copies/@@copy@@",
        log_dir => "/var/log/gameday/copy-@@copy@@",
        ..context.clone()
    }
}
