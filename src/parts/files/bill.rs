//! The cost of the shared files.
//!
//! Their size is not known in advance, so the plan contains no item for them.
use crate::{
    aws::listing,
    config::{Group, Mode},
    cost::{Account, Item, Per, Thing},
    error::Result,
};

/// Returns the cost item for files of this size.
pub fn stored(bytes: f64) -> Item {
    let thing = Thing::new("GB of files", |p| Some(Per::GbMonth.price(p.files.stored?)));
    // An empty file system reports a few kilobytes, which cost nothing.
    let gb = if bytes >= 1_000_000.0 { bytes / 1e9 } else { 0.0 };
    Item::new(Group::Files, thing, gb)
}

/// Returns the cost item of the files in the stack's own file system.
pub async fn running(account: &Account<'_>) -> Result<Vec<Item>> {
    if account.config.files.mode != Mode::Create {
        return Ok(vec![]);
    }
    let all = listing::file_systems(account.aws).await?;
    let (key, name) = (account.aws.keys.stack(), &account.config.name);
    let ours = all.iter().filter(|f| f.tags().iter().any(|t| t.key() == key && t.value() == name));
    let bytes: i64 = ours.filter_map(|f| f.size_in_bytes()).map(|size| size.value()).sum();
    Ok((bytes > 0).then(|| stored(bytes as f64)).into_iter().collect())
}
