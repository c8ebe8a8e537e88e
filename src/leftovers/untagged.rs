//! Objects that may be the stack's although their tags were removed. They are reported, never deleted.
use super::{Leftover, Search};
use crate::{
    aws::{Aws, error::AwsResult},
    config::Kind,
    engine::{Error, Key, Report, Status},
    error::Result,
    shell::command,
};
use aws_sdk_ec2::types::{Filter, TagDescription};
use std::collections::{BTreeMap, BTreeSet};

/// Objects that carry the name of a step and no tag of any stack.
#[derive(Default)]
pub(super) struct Untagged {
    /// Objects in the place of a step of which nothing else was found: most likely the stack's.
    pub left: Vec<Leftover>,
    /// Objects that can be anybody's.
    ///
    /// Everybody can set a tag `Name`, and the step's own object was found, or nothing of the stack was.
    pub alike: Vec<Leftover>,
}

/// Lists objects that were in the place of a step when the teardown began (`seen`), and objects that still carry the
/// exact name of a step.
pub(super) async fn look(search: Search<'_>, seen: &Report<Status>) -> Result<Untagged> {
    let (stack, tag, account) = (&search.env.stack, search.env.keys.stack(), &search.facts.account);
    let ours: BTreeSet<&Key> = seen.done().filter(|(_, s)| s.phase.is_some() && !s.used).map(|(k, _)| k).collect();
    let (in_place, alike): (Vec<_>, Vec<_>) =
        named(search).await?.into_iter().partition(|(_, key)| !ours.is_empty() && !ours.contains(key));
    // AWS lets nobody else have such a name.
    let taken = seen.failed().filter_map(|(key, error)| match error {
        Error::NotOurs { id, of: None, tagless: false, .. } => Some((id.clone(), key.clone())),
        _ => None,
    });
    let in_place: BTreeMap<String, Key> = in_place.into_iter().chain(taken).collect();
    let left = |(id, key): (String, Key)| Leftover {
        why: format!(
            "is in the place of {key}, in account {account}, but carries no tag {tag} = {stack}: if it is the \
             stack's, `{}` tags it, or delete {id} by hand; if it is not, give the step another name under [names]",
            command!("gameday up --adopt {}", format!("{key}={id}"))
        ),
        what: id,
        command: None,
        passes: false,
    };
    let is_like = |(id, key): (String, Key)| Leftover {
        what: id,
        why: format!("is named like {key}, without its tags"),
        command: None,
        passes: false,
    };
    Ok(Untagged { left: in_place.into_iter().map(left).collect(), alike: alike.into_iter().map(is_like).collect() })
}

/// True if EC2 lists objects of this kind by the tag `Name`, under the same word.
fn is_found_by_name(key: &Key) -> bool {
    Kind::by_word(key.kind()).is_some_and(|kind| kind.ec2 == Some(kind.word))
}

/// Finds untagged objects that carry the name of a step: the step, by id.
async fn named(search: Search<'_>) -> Result<BTreeMap<String, Key>> {
    let config = &search.loaded.config;
    let steps: Vec<(String, &Key)> = search
        .stack
        .graph
        .nodes()
        .filter(|n| !n.is_used() && is_found_by_name(n.key()))
        .map(|n| (config.name_of(n.key().as_str()), n.key()))
        .collect();
    if steps.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut names: Vec<String> = steps.iter().map(|(name, _)| name.clone()).collect();
    names.sort();
    names.dedup();
    let mut found = BTreeMap::new();
    // A filter takes 200 values.
    for some in names.chunks(200) {
        for tag in tags(search.aws, &[("key", vec!["Name".into()]), ("value", some.to_vec())]).await? {
            let kind = tag.resource_type().map(|t| t.as_str()).unwrap_or_default();
            let is_it = |(name, key): &&(String, &Key)| Some(name.as_str()) == tag.value() && key.kind() == kind;
            if let (Some(id), Some((_, key))) = (tag.resource_id(), steps.iter().find(is_it)) {
                found.insert(id.to_owned(), (*key).clone());
            }
        }
    }
    let ids: Vec<String> = found.keys().cloned().collect();
    for some in ids.chunks(200) {
        for key in [search.env.keys.stack(), search.env.keys.step()] {
            for tag in tags(search.aws, &[("key", vec![key.into()]), ("resource-id", some.to_vec())]).await? {
                found.remove(tag.resource_id().unwrap_or_default());
            }
        }
    }
    Ok(found)
}

async fn tags(aws: &Aws, filters: &[(&str, Vec<String>)]) -> Result<Vec<TagDescription>> {
    let filter =
        |(name, values): &(&str, Vec<String>)| Filter::builder().name(*name).set_values(Some(values.clone())).build();
    let call = aws.ec2.describe_tags().set_filters(Some(filters.iter().map(filter).collect()));
    call.into_paginator().items().send().try_collect().await.during("DescribeTags")
}
