//! The keys and names under which the stack's objects exist, where they are not those of the stack file.
use super::templates;
use crate::{
    aws::{Aws, listing, tags},
    config::{Config, Identities, Identity, Kind, Mode, ServiceScope},
    engine::{Key, is_id, is_id_or_name},
    record::Proof,
};
use aws_sdk_ec2::types::SecurityGroup;
use futures::future::{join_all, try_join_all};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// Finds the keys under which the services' own steps exist, by the security groups of the stack.
///
/// If the account does not let us look at them, each service has its own.
pub(super) async fn identities(aws: &Aws, config: &Config) -> Identities {
    let (groups, tagged, proof) = futures::join!(
        listing::security_groups(aws),
        tags::of_stack(aws, &config.name),
        Proof::load(aws, &config.name)
    );
    let Ok(groups) = groups else { return config.identities.clone() };
    let tagged = tagged.unwrap_or_default();
    let of_group = |group: &SecurityGroup| {
        let tags = tags::ec2::from(group.tags());
        let step = proof.step_of(&tags, group.group_id().unwrap_or_default()).filter(|step| Key::is_one(step))?;
        Identity::of_key(step).filter(|_| step.starts_with("security-group/"))
    };
    // The list of tagged objects lags by minutes, and the objects of IAM are not in it.
    let of_others = tagged.iter().filter_map(|(arn, tags)| {
        let step = tags.get(aws.keys.step()).filter(|step| Key::is_one(step))?;
        let by_name = Kind::name_of_step(step, arn).is_some_and(|name| proof.confirms(step, name));
        Identity::of_key(step).filter(|_| by_name || proof.confirms(step, arn))
    });
    let then = config.with_unnamed_keys();
    let unnamed = then.unnamed_keys().filter(|key| proof.confirms(key, &then.name_of(key))).map(|_| Identity::Unnamed);
    config.identities_of(groups.iter().filter_map(of_group).chain(of_others).chain(unnamed))
}

/// Returns the config with the keys and names that its objects have in the account, for verbs that need no other fact.
pub async fn in_account(aws: &Aws, config: &Config) -> Config {
    let identities = identities(aws, config).await;
    let config = config.in_account(&identities, &BTreeMap::new()).config;
    let names = &existing(aws, &config).await.names;
    config.in_account(&identities, names).config
}

/// The names of existing objects that are not those of the stack file.
#[derive(Default)]
pub(super) struct Names {
    /// The names by step. A name under `[names]` was changed, added or removed after the object was created.
    pub names: BTreeMap<String, String>,
    /// Objects that carry the tags of a step, while nothing else says that they are the stack's: the step, and their
    /// name.
    pub claims: Vec<(String, String)>,
}

/// An object that carries the tags of a step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Object {
    name: String,
    arn: String,
}

impl Object {
    /// Returns what kinds use as an id: the name, the ARN or the last part of the ARN.
    fn ids(&self) -> impl Iterator<Item = &str> {
        [self.name.as_str(), self.arn.as_str(), self.arn.rsplit('/').next().unwrap_or_default()].into_iter()
    }
}

/// Finds the names of existing objects that are not those of the stack file, by the tags of the objects.
///
/// If the account does not let us list the objects, there are none.
pub(super) async fn existing(aws: &Aws, config: &Config) -> Rc<Names> {
    let look = async || {
        let mut objects: BTreeMap<String, BTreeSet<Object>> = BTreeMap::new();
        for (arn, tags) in tags::of_stack(aws, &config.name).await?.iter() {
            let Some(step) = tags.get(aws.keys.step()).filter(|step| Key::is_one(step)) else { continue };
            let name = match arn.split_once(":launch-template/") {
                Some((_, id)) => templates::name(aws, &config.name_of(step), id).await,
                None => Kind::name_of_step(step, arn).map(Into::into),
            };
            if let Some(name) = name {
                objects.entry(step.clone()).or_default().insert(Object { name, arn: arn.clone() });
            }
        }
        // The list of tagged objects lacks Auto Scaling groups. If those with the usual names exist, others are not
        // looked for.
        let usual = config.services().map(|service| config.name_of(&service.key("auto-scaling-group")));
        let usual = try_join_all(usual.map(async |name| listing::auto_scaling_group(aws, &name).await)).await?;
        let fleets = match usual.iter().all(Option::is_some) {
            true => Rc::default(),
            false => super::fleets(aws, &config.name).await?,
        };
        for fleet in fleets.iter() {
            let step = fleet.tags().iter().find(|t| t.key() == Some(aws.keys.step())).and_then(|t| t.value());
            if let (Some(step), Some(name)) = (step, fleet.auto_scaling_group_name()) {
                let arn = fleet.auto_scaling_group_arn().unwrap_or_default().into();
                objects.entry(step.into()).or_default().insert(Object { name: name.into(), arn });
            }
        }
        if config.iam.mode == Mode::Create {
            let found =
                join_all(config.services().map(|service| profile_and_role(aws, config, service, &objects))).await;
            for (step, name) in found.into_iter().flatten() {
                objects.entry(step).or_default().insert(Object { name, arn: String::new() });
            }
        }
        if objects.is_empty() {
            return Ok(Names::default());
        }
        let proof = Proof::load(aws, &config.name).await;
        let mut all = Names::default();
        for (step, objects) in objects {
            let usual = config.name_of(&step);
            // Anybody who is allowed to tag can set these tags, so the record has to confirm them. An object that an
            // interrupted run may have created has the usual name.
            let is_ours = |o: &Object| o.ids().any(|id| proof.confirms(&step, id));
            let (ours, claims): (Vec<_>, Vec<_>) = objects.iter().partition(|o| o.name == usual || is_ours(o));
            // An object that is only to be deleted does not take the place of the stack's own.
            let given = objects.iter().find(|o| is_adopted(config, &step, o));
            let given = given.or(claims.iter().copied().find(|o| ours.is_empty() && is_to_delete(config, o)));
            let other = match (given, &ours[..]) {
                (Some(given), _) => Some(given),
                (None, [only]) => Some(*only),
                (None, _) => None,
            };
            all.names.extend(other.filter(|o| o.name != usual).map(|o| (step.clone(), o.name.clone())));
            let claims = claims.into_iter().filter(|o| given.is_none_or(|g| g != *o));
            all.claims.extend(claims.map(|o| (step.clone(), o.name.clone())));
        }
        Ok(all)
    };
    aws.reads.get("names that are not the file's", look).await.unwrap_or_default()
}

/// True if the command line names the object for this step.
fn is_adopted(config: &Config, step: &str, object: &Object) -> bool {
    config.given.adopt.get(step).is_some_and(|given| object.ids().any(|id| is_id_or_name(given, id)))
}

/// True if the command line names the object for deletion.
fn is_to_delete(config: &Config, object: &Object) -> bool {
    object.ids().any(|id| config.given.delete.iter().any(|given| is_id(given, id)))
}

/// Returns the name under which a step's object exists, or would.
pub(super) async fn name_in_account(aws: &Aws, config: &Config, key: &str) -> String {
    existing(aws, config).await.names.get(key).cloned().unwrap_or_else(|| config.name_of(key))
}

/// Returns the instance profile in a service's existing launch template and the role in it, by step.
///
/// IAM lists neither by tags.
async fn profile_and_role(
    aws: &Aws,
    config: &Config,
    service: ServiceScope<'_>,
    objects: &BTreeMap<String, BTreeSet<Object>>,
) -> Vec<(String, String)> {
    let look = async || {
        let step = service.key("launch-template");
        let known = objects.get(&step).and_then(|n| n.first());
        let template = known.map_or_else(|| config.name_of(&step), |o| o.name.clone());
        let version = templates::ours(aws, &template).await.ok()??;
        let name = version.launch_template_data()?.iam_instance_profile()?.name()?.to_owned();
        let [of_profile, of_role] = ["instance-profile", "role"].map(|kind| service.key(kind));
        if name == config.name_of(&of_profile)
            && let Some((_, role)) = listing::listed_profile(aws, &name).await
            && role == config.name_of(&of_role)
        {
            // Both have the names of the stack file.
            return Some(vec![(of_profile, name)]);
        }
        let profile = listing::instance_profile(aws, &name).await.ok()?;
        let profile = profile.as_ref().as_ref()?;
        let is_ours = |tags: &[aws_sdk_iam::types::Tag], step: &str| {
            let tags = tags::iam::from(tags);
            tags.get(aws.keys.stack()) == Some(&config.name) && tags.get(aws.keys.step()).is_some_and(|s| s == step)
        };
        let mut found = vec![];
        if is_ours(profile.tags(), &of_profile) {
            found.push((of_profile, name));
        }
        // A role that somebody else put in its place is not ours under another name.
        if let Some(role) = profile.roles().first().map(|r| r.role_name())
            && role != config.name_of(&of_role)
            && let Ok(answer) = aws.iam.get_role().role_name(role).send().await
            && answer.role().is_some_and(|r| is_ours(r.tags(), &of_role))
        {
            found.push((of_role, role.to_owned()));
        }
        Some(found)
    };
    look().await.unwrap_or_default()
}
