//! Prefix lists: ranges under one name that somebody else maintains.
use super::unseen;
use crate::{
    aws::{Aws, error::AwsResult},
    config::Config,
    error::{Error, Result},
    shell::command,
};
use aws_sdk_ec2::types::{Filter, ManagedPrefixList};
use std::{collections::BTreeMap, rc::Rc};

/// The default quota of rules of a security group in one direction.
const RULES: usize = 60;

/// How many rules each of AWS's own lists counts as ("Available AWS-managed prefix lists"); the API does not say.
const WEIGHTS: &[(&str, usize)] = &[
    ("cloudfront.origin-facing", 55),
    ("route53-healthchecks", 25),
    ("vpc-lattice", 10),
    ("groundstation", 5),
    ("ec2-instance-connect", 2),
];

/// Returns the prefix lists among the sources of the stack file, each once.
fn named(config: &Config) -> Vec<String> {
    let sources = config.http_sources().into_iter().chain(config.access.ssh.clone());
    let mut all: Vec<String> = sources.filter(|s| !s.contains('/')).collect();
    all.sort();
    all.dedup();
    all
}

/// Returns the ids of the lists that are given by name, and why they could not be seen.
///
/// A list that is given by id needs no look, because the rules need nothing but its id.
pub(super) async fn ids(aws: &Aws, config: &Config) -> Result<(BTreeMap<String, String>, Option<Error>)> {
    if named(config).iter().all(|s| s.starts_with("pl-")) {
        return Ok((BTreeMap::new(), None));
    }
    match look(aws, config).await {
        Ok(all) => {
            let id = |l: &ManagedPrefixList| Some((l.prefix_list_name.clone()?, l.prefix_list_id.clone()?));
            Ok((all.iter().filter_map(id).collect(), None))
        }
        Err(e) if unseen(&e) => Ok((BTreeMap::new(), Some(e))),
        Err(e) => Err(e),
    }
}

async fn look(aws: &Aws, config: &Config) -> Result<Rc<Vec<ManagedPrefixList>>> {
    let (by_id, by_name): (Vec<String>, Vec<String>) = named(config).into_iter().partition(|s| s.starts_with("pl-"));
    let call = async || {
        let mut found: Vec<ManagedPrefixList> = vec![];
        for (filter, values) in [("prefix-list-id", by_id), ("prefix-list-name", by_name)] {
            if values.is_empty() {
                continue;
            }
            // A filter is used because an unknown id would fail the call for all.
            let filter = Filter::builder().name(filter).set_values(Some(values)).build();
            let pages = aws.ec2.describe_managed_prefix_lists().filters(filter).into_paginator().items().send();
            let all: Vec<ManagedPrefixList> = pages.try_collect().await.during("DescribeManagedPrefixLists")?;
            found.extend(all);
        }
        Ok(found)
    };
    aws.reads.get("prefix lists of the stack file", call).await
}

/// Checks that all lists exist and can be used, and returns remarks about their size.
pub(super) async fn check(aws: &Aws, config: &Config) -> Result<Vec<String>> {
    let named = named(config);
    if named.is_empty() {
        return Ok(vec![]);
    }
    let all = match look(aws, config).await {
        Err(e) if unseen(&e) => return Ok(vec![format!("whether the prefix lists exist is not known: {e}")]),
        other => other?,
    };
    let find = |source: &String| {
        all.iter().find(|l| [l.prefix_list_id(), l.prefix_list_name()].contains(&Some(source.as_str())))
    };
    let region = &aws.region;
    for source in &named {
        let Some(list) = find(source) else {
            return Err(Error::other(
                format!("there is no prefix list {source} in {region}"),
                format!(
                    "`{}` lists them: put the right one under [access]",
                    command!("aws ec2 describe-managed-prefix-lists --region {}", region)
                ),
            ));
        };
        if list.address_family().is_some_and(|family| !family.eq_ignore_ascii_case("ipv4")) {
            return Err(Error::other(
                format!("prefix list {source} holds IPv6 ranges; the stack speaks IPv4"),
                "name the list of the IPv4 ranges under [access]",
            ));
        }
        let state = list.state().map_or("create-complete", |s| s.as_str());
        if state.starts_with("delete") || state == "create-failed" || state == "restore-failed" {
            return Err(Error::other(
                format!("prefix list {source} is in state {state}"),
                "name another one under [access]",
            ));
        }
    }
    let weight = |source: &String| find(source).map_or(1, weight);
    let mut words = vec![];
    for (key, list, ours) in [("http", &config.http_sources(), 0), ("ssh", &config.access.ssh, 1)] {
        let rules: usize = list.iter().map(weight).sum::<usize>() + ours;
        if rules > RULES && list.iter().any(|s| find(s).is_some()) {
            words.push(format!(
                "access.{key} counts as {rules} rules of a security group, and {RULES} is what AWS allows by default: a \
                 prefix list counts with all the entries that it may hold. Ask for more under Service Quotas (\"Inbound or \
                 outbound rules per security group\"), or name fewer"
            ));
        }
    }
    Ok(words)
}

/// Returns how many rules a list counts as.
fn weight(list: &ManagedPrefixList) -> usize {
    let name = list.prefix_list_name().unwrap_or_default();
    let known =
        WEIGHTS.iter().find(|(end, _)| name.ends_with(end) || name.contains(&format!("{end}."))).map(|(_, w)| *w);
    let most = list.max_entries().and_then(|n| usize::try_from(n).ok());
    known.or(most).unwrap_or(1).max(1)
}
