//! The kinds of AWS objects, one file each.
//!
//! Every file has the same order: doc line, struct, `Spec`, `Output`, `impl Resource`, helpers. A new kind needs a file
//! here, a line below, a row in `config::kinds` and a use in `src/parts/`. Files below the list of kinds hold what
//! several kinds share.
pub mod access_point;
pub mod alarm;
pub mod auto_scaling_group;
pub mod cache;
pub mod cache_cluster;
pub mod cache_subnet_group;
pub mod certificate;
pub mod certificate_issued;
pub mod dashboard;
pub mod database;
pub mod db_parameter_group;
pub mod db_subnet_group;
pub mod default_network_acl;
pub mod default_security_group;
pub mod dhcp_options;
pub mod distribution;
pub mod dns_record;
pub mod elastic_ip;
pub mod file_system;
pub mod hosted_zone;
pub mod instance_profile;
pub mod interface_endpoint;
pub mod internet_gateway;
pub mod launch_template;
pub mod listener;
pub mod listener_rule;
pub mod load_balancer;
pub mod log_group;
pub mod main_route_table;
pub mod mount_target;
pub mod nat_gateway;
pub mod origin_header;
pub mod parameter;
pub mod role;
pub mod route_table;
pub mod scaling_policy;
pub mod security_group;
pub mod security_group_rules;
pub mod subnet;
pub mod target_group;
pub mod vpc;
pub mod vpc_endpoint;

mod cloudwatch;
pub(crate) mod distribution_config;
pub mod elb;
mod guardduty;
mod holders;
pub mod instance_refresh;
pub mod rule_condition;
pub(crate) mod user_data;
pub(crate) mod version;
mod vpc_default;

/// Names that every kind imports.
pub(crate) mod prelude {
    pub(crate) use super::{
        ec2_filter, ec2_list, ec2_where, expect_id, find_ours, half_made, look_again, more_later, sorted, tag_ec2,
        untagged, value,
    };
    pub(crate) use crate::{
        aws::{Aws, error::AwsResult, listing, tags},
        engine::*,
        error::{Error, Result},
    };
    pub(crate) use serde::Serialize;
    pub(crate) use std::time::Duration;
}

use prelude::*;

/// Returns the items in order, since AWS returns sets in any order.
pub(crate) fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort();
    all
}

/// Reclassifies the error of a call that follows a successful create.
///
/// The object exists, but may not be visible yet. As a lost answer, the error makes the engine look for the object
/// instead of creating a second one.
pub(crate) fn half_made(e: Error) -> Error {
    e.reclassify(|class| class == Class::NotFound || class.passes(), Class::Lost)
}

/// Reclassifies the error of adding a part that already exists, or of removing one that is already gone.
///
/// The call was sent twice, or somebody else was faster. As a lost answer, the error makes the engine look again and do
/// what is left.
pub(crate) fn look_again(e: Error) -> Error {
    e.reclassify(|class| matches!(class, Class::AlreadyExists | Class::NotFound), Class::Lost)
}

/// Returns the id or ARN of an answer, or an error that names the call.
///
/// The object can exist although the answer lacks its id. As a lost answer, the error makes the engine look for it.
pub(crate) fn expect_id<'a>(id: Option<&'a str>, call: &'static str) -> Result<&'a str> {
    let missing = || Error::Aws(Box::new(AwsError::new(call, Class::Lost, "the answer contains no id")));
    id.filter(|id| !id.is_empty()).ok_or_else(missing)
}

/// Builds an EC2 describe filter.
pub(crate) fn ec2_filter(name: &str, value: &str) -> aws_sdk_ec2::types::Filter {
    aws_sdk_ec2::types::Filter::builder().name(name).values(value).build()
}

/// Returns all EC2 objects of one sort that carry the stack's tag, from the listing that all steps share.
macro_rules! ec2_list {
    ($aws:expr, $cx:expr, $list:ident) => {{
        let stack = &$cx.env.stack;
        let all = crate::aws::listing::$list(&$aws).await?;
        let ours = all.iter().filter(|it| tags::ec2::from(it.tags()).get($cx.env.keys.stack()) == Some(stack));
        ours.cloned().collect::<Vec<_>>()
    }};
}
pub(crate) use ec2_list;

/// Finds the one object of the stack that belongs to this step.
///
/// Two candidates are an error; the first one is never taken silently. An object whose tags are the only evidence that
/// it belongs to the stack does not count.
pub(crate) fn find_ours<T: Clone>(
    cx: &Cx<'_>,
    all: &[T],
    tags_of: impl Fn(&T) -> &[aws_sdk_ec2::types::Tag],
    id_of: impl Fn(&T) -> Option<&str>,
) -> Result<Option<T>> {
    let step = cx.env.keys.step();
    let is_this = |t: &&T| tags_of(t).iter().any(|t| t.key() == Some(step) && t.value() == Some(cx.key.as_str()));
    let claim: Vec<&T> = all.iter().filter(is_this).collect();
    let own = cx.proven_ids(&claim.iter().filter_map(|t| id_of(t)).collect::<Vec<_>>());
    let mine: Vec<&T> = claim.into_iter().filter(|t| id_of(t).is_some_and(|id| own.contains(id))).collect();
    match mine[..] {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        _ => Err(Error::Ambiguous {
            key: cx.key.clone(),
            ids: mine.into_iter().filter_map(|t| id_of(t).map(Into::into)).collect(),
        }),
    }
}

/// Finds the one untagged object that must be this step's.
///
/// The engine does not touch it until `--adopt` is given. Objects tagged for another step or stack are never returned.
pub(crate) fn untagged<T: Clone>(
    cx: &Cx<'_>,
    all: &[T],
    tags_of: impl Fn(&T) -> &[aws_sdk_ec2::types::Tag],
    id_of: impl Fn(&T) -> Option<&str>,
    looks_like_it: impl Fn(&T) -> bool,
) -> Result<Option<T>> {
    let says =
        |t: &T, key, value: &str| tags_of(t).iter().any(|tag| tag.key() == Some(key) && tag.value() != Some(value));
    let keys = &cx.env.keys;
    let other = |t: &T| says(t, keys.stack(), &cx.env.stack) || says(t, keys.step(), cx.key.as_str());
    let mut like: Vec<&T> = all.iter().filter(|t| looks_like_it(t) && !other(t)).collect();
    match (like.len(), like.pop()) {
        (1, Some(one)) => Ok(Some(one.clone())),
        (0, _) | (_, None) => Ok(None),
        (_, Some(last)) => Err(Error::Ambiguous {
            key: cx.key.clone(),
            ids: like.into_iter().chain([last]).filter_map(|t| id_of(t).map(Into::into)).collect(),
        }),
    }
}

/// Returns all EC2 objects of one sort that match a filter, from all pages, asked once for all steps of the kind.
macro_rules! ec2_where {
    ($aws:expr, $filter:expr, $value:expr, $describe:ident, $call:literal, $item:ty) => {{
        let (filter, value): (&str, &str) = ($filter, $value);
        $aws.reads
            .get(format!(concat!($call, " {} {}"), filter, value), async || {
                let pages = $aws.ec2.$describe().filters(ec2_filter(filter, value)).into_paginator();
                let all: Vec<$item> = pages.items().send().try_collect().await.during($call)?;
                Ok(all)
            })
            .await?
    }};
}
pub(crate) use ec2_where;

/// Puts tags on an EC2 object.
pub(crate) async fn tag_ec2(aws: &Aws, id: &str, tags: &Tags) -> Result<()> {
    aws.ec2.create_tags().resources(id).set_tags(Some(tags::ec2::to(tags))).send().await.during("CreateTags")?;
    Ok(())
}

/// Returns the value of an optional field, if any.
pub(crate) fn value(field: &Option<Known<String>>) -> Result<Option<String>> {
    field.as_ref().map(|f| f.get().cloned()).transpose()
}

/// Returns an error for work that AWS would refuse now: the engine waits and looks again.
pub(crate) fn more_later(call: &'static str, why: &str) -> Error {
    Error::Aws(Box::new(AwsError::new(call, Class::WrongState, why)))
}

/// Returns a client token that is the same on every run, so that a lost answer does not lead to a second object.
pub(crate) fn token(parts: &[&str]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(parts.join("\n")).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::prelude::*;
    use crate::config::{KINDS, Life};
    use std::{collections::BTreeSet, fs, path::Path};

    #[test]
    fn an_answer_without_an_id_is_an_error_that_names_the_call() {
        assert_eq!(expect_id(Some("vpc-1"), "CreateVpc").unwrap(), "vpc-1");
        for id in [None, Some("")] {
            let error = expect_id(id, "CreateVpc").unwrap_err();
            assert_eq!(error.class(), Some(Class::Lost));
            assert!(error.to_string().contains("CreateVpc"), "{error}");
        }
    }

    /// Without a row in the table a kind has no group, no name form and no noun.
    #[test]
    fn each_kind_has_a_row_in_the_table() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/resources");
        let mut words = BTreeSet::new();
        for file in fs::read_dir(folder).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            let consts = text.lines().filter_map(|line| line.trim().strip_prefix("const KIND: &'static str = \""));
            words.extend(consts.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
        let rows = KINDS.iter().filter(|kind| kind.life != Life::Part).map(|kind| kind.word.to_owned());
        assert_eq!(words, rows.collect::<BTreeSet<_>>());
    }
}
