//! The snapshot that a teardown leaves of the database, if it is asked to.
use crate::config::Config;

/// The step that can leave a snapshot.
pub const DATABASE: &str = "database/main";

/// The part of a final snapshot's name between the database's name and the time.
const FINAL: &str = "-final-";

/// Returns the name of the snapshot that the database leaves when it is deleted now.
pub fn name(config: &Config) -> String {
    let now = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S");
    format!("{}{FINAL}{now}", config.name_of(DATABASE))
}

/// True if this is the ARN of a final snapshot of the database with this name.
pub(super) fn is_final(arn: &str, database: &str) -> bool {
    arn.contains(&format!(":snapshot:{database}{FINAL}"))
}
