//! What may be the stack's although its tags were taken off: it is named, and never deleted.
use super::Session;
use crate::{
    aws::error::AwsResult,
    cost::inventory::name,
    engine::{Error, Key, Report, STACK_TAG, STEP_TAG, Status},
    error::Result,
    output::teardown::Leftover,
};
use aws_sdk_ec2::types::{Filter, TagDescription};
use std::collections::BTreeMap;

/// Kinds that EC2 knows by the tag `Name` only; its word for each is the same.
const BY_NAME_TAG: [&str; 6] = ["vpc", "internet-gateway", "subnet", "route-table", "vpc-endpoint", "security-group"];

/// What stood where ours would when the teardown began (`seen`), and what still carries the exact name of a step, without
/// the tag of this stack or another.
pub(super) async fn left(session: &Session, seen: &Report<Status>) -> Result<Vec<Leftover>> {
    let mut found: BTreeMap<String, Key> = named(session).await?;
    for (key, error) in seen.failed() {
        if let Error::NotOurs { id, of: None, .. } = error {
            found.insert(id.clone(), key.clone());
        }
    }
    let (stack, account) = (&session.env.stack, &session.facts.account);
    let why = |id: &str, key: &Key| {
        format!(
            "stands where {key} would, in account {account}, but carries no tag {STACK_TAG} = {stack}: if it is the \
             stack's, `gameday up --adopt {key}` tags it, or delete {id} by hand; if it is not, give the step another name \
             under [names]"
        )
    };
    Ok(found.into_iter().map(|(id, key)| Leftover { why: why(&id, &key), what: id }).collect())
}

/// By id: the step of which something carries the name.
async fn named(session: &Session) -> Result<BTreeMap<String, Key>> {
    let config = &session.loaded.config;
    let steps: Vec<(String, &Key)> = session
        .stack
        .graph
        .nodes()
        .filter(|n| !n.is_used() && BY_NAME_TAG.contains(&n.key().kind()))
        .map(|n| (name(config, n.key().as_str()), n.key()))
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
        for tag in tags(session, &[("key", vec!["Name".into()]), ("value", some.to_vec())]).await? {
            let kind = tag.resource_type().map(|t| t.as_str()).unwrap_or_default();
            let is_it = |(name, key): &&(String, &Key)| Some(name.as_str()) == tag.value() && key.kind() == kind;
            if let (Some(id), Some((_, key))) = (tag.resource_id(), steps.iter().find(is_it)) {
                found.insert(id.to_owned(), (*key).clone());
            }
        }
    }
    let ids: Vec<String> = found.keys().cloned().collect();
    for some in ids.chunks(200) {
        for key in [STACK_TAG, STEP_TAG] {
            for tag in tags(session, &[("key", vec![key.into()]), ("resource-id", some.to_vec())]).await? {
                found.remove(tag.resource_id().unwrap_or_default());
            }
        }
    }
    Ok(found)
}

async fn tags(session: &Session, filters: &[(&str, Vec<String>)]) -> Result<Vec<TagDescription>> {
    let filter = |(name, values): &(&str, Vec<String>)| {
        Filter::builder().name(*name).set_values(Some(values.clone())).build()
    };
    let call = session.aws.ec2.describe_tags().set_filters(Some(filters.iter().map(filter).collect()));
    call.into_paginator().items().send().try_collect().await.during("DescribeTags")
}
