//! Members of an Auto Scaling group.

/// True if a member that stays is of another version of the launch template than the wanted one.
pub(crate) fn is_outdated(lifecycle: Option<&str>, version: Option<&str>, wanted: Option<&str>) -> bool {
    lifecycle.is_none_or(|l| !l.starts_with("Terminat")) && version.is_some() && version != wanted
}
