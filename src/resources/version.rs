//! The comparison of versions: numbers of a release, and series such as `8.4`.

/// True if the version belongs to the wanted one: `8.4.6` to `8.4`, `8.0.46-rds.20260624` to `8.0.46`.
pub(super) fn is_of(version: &str, wanted: &str) -> bool {
    version.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
}

/// Returns the numbers of a version, so that 8.4.10 comes after 8.4.9.
pub(super) fn numbers(version: &str) -> Vec<u64> {
    version.split(['.', '-']).map_while(|part| part.parse().ok()).collect()
}
