//! The status words of RDS [AWS 1.4]. A word that ends in `-` stands for all that begin so.

pub(crate) const DELETING: &[&str] = &["deleting", "delete-precheck"];
/// AWS does not leave these by itself, and nothing brings the data back.
pub(crate) const LOST: &[&str] = &["failed", "restore-error", "insufficient-capacity"];
/// AWS does not leave these by itself, but the data stays.
pub(crate) const BLOCKED: &[&str] = &["incompatible-", "inaccessible-"];
pub(crate) const FULL: &[&str] = &["storage-full"];
pub(crate) const STOPPED: &[&str] = &["stopped"];
pub(crate) const AVAILABLE: &[&str] = &["available"];
/// It takes connections while AWS does this.
pub(crate) const MAINTAINED: &[&str] = &["backing-up", "storage-optimization", "maintenance", "configuring-"];
/// It takes no connections for a while.
pub(crate) const RESTARTING: &[&str] =
    &["starting", "rebooting", "renaming", "upgrading", "resetting-master-credentials"];
