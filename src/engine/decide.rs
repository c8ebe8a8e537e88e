//! Deciding about a step: the difference and the change that it leads to. Makes no call.
use crate::{
    Change, Cx, Diff, Env, Error, Field, Found, Phase, Resource, Result, Tags,
    node::{Managed, Role},
};
use serde_json::{Value, to_value};
use std::time::Duration;

/// The field of a diff for an object that exists under another name than the wanted one.
const NAME: &str = "name";

/// The field of a diff that has the tags inside it.
pub(crate) const TAGS: &str = "tags";

impl<R: Resource> Managed<R> {
    /// Returns the spec to converge on in this walk: less than the wanted one while a handover needs that.
    pub(crate) fn want_in_this_walk(&self, cx: &Cx<'_>, found: Option<&Found<R>>) -> R::Spec {
        let handover = &cx.env.run.handover;
        let Some(found) = found.filter(|_| !handover.is_finishing()) else { return self.want() };
        let interim = self.resource.interim(cx, found, self.want());
        if !Diff::between(&interim, &self.want()).is_empty() {
            handover.note_interim(cx.key);
        }
        interim
    }

    /// Compares the spec, the name, and the tags that every object of the stack carries.
    pub(crate) fn diff(&self, cx: &Cx<'_>, found: &Found<R>, want: &R::Spec) -> Diff {
        let mut diff = Diff::between(&found.spec, want);
        diff.0.extend(cx.env.names.rename(cx.key).map(|name| Field {
            path: NAME.into(),
            found: Some(cx.name().into()),
            want: Some(name.as_str().into()),
        }));
        let wanted = if R::TAGLESS { Tags::new() } else { cx.tags() };
        let tags = wanted.into_iter().filter(|(k, v)| found.tags.get(k) != Some(v));
        diff.0.extend(tags.map(|(k, v)| Field {
            found: found.tags.get(&k).map(|v| Value::from(v.as_str())),
            path: format!("{TAGS}.{k}"),
            want: Some(v.into()),
        }));
        diff
    }

    /// Returns the change that makes the found object as wanted.
    pub(crate) fn change(&self, cx: &Cx<'_>, found: &Option<Found<R>>, want: &R::Spec) -> Result<Change> {
        let Some(found) = found.as_ref().filter(|f| f.phase != Phase::Deleting) else {
            cx.env.names.move_to_wanted(cx.key);
            return match self.role {
                Role::Ours => Ok(Change::Create { spec: to_value(want).expect("specs serialise") }),
                Role::Used => Err(Error::Missing { key: cx.key.clone(), what: format!("{} (to be used)", cx.key) }),
            };
        };
        if self.role == Role::Used {
            return Ok(Change::None);
        }
        let diff = self.diff(cx, found, want);
        let can_replace = !R::CARRIES_ALL && (R::DISPOSABLE || cx.env.consent.replaces(cx.key));
        Ok(if can_replace && matches!(found.phase, Phase::Broken(_)) {
            Change::Replace { diff, loses: R::LOSES }
        } else if diff.is_empty() {
            Change::None
        } else if self.fixed_fields(found, want, &diff).is_empty() {
            Change::Update { diff }
        } else if can_replace {
            Change::Replace { diff, loses: R::LOSES }
        } else {
            let error = self.refusal(cx, found, want, &diff);
            Change::Refuse { diff, help: (cx.env.advice)(&error).unwrap_or_default() }
        })
    }

    /// Returns the error for a change that cannot be made in place.
    pub(crate) fn refusal(&self, cx: &Cx<'_>, found: &Found<R>, want: &R::Spec, diff: &Diff) -> Error {
        let fields = self.fixed_fields(found, want, diff);
        let was = |f: &&Field| match f.found.as_ref()? {
            Value::String(s) if s.len() < 40 => Some(format!("{} = {s:?}", f.path)),
            short @ (Value::Number(_) | Value::Bool(_)) => Some(format!("{} = {short}", f.path)),
            _ => None,
        };
        Error::Fixed {
            key: cx.key.clone(),
            was: fields.iter().filter_map(was).collect(),
            fields: fields.iter().map(|f| f.path.clone()).collect(),
            carries_all: R::CARRIES_ALL,
            loses: R::LOSES,
        }
    }

    /// Returns the fields of a diff that cannot be changed in place.
    fn fixed_fields<'d>(&self, found: &Found<R>, want: &R::Spec, diff: &'d Diff) -> Vec<&'d Field> {
        let one_way = self.resource.one_way(&found.spec, want);
        let is_fixed = |f: &&Field| f.path == NAME || R::FIXED.iter().chain(one_way).any(|name| f.is(name));
        diff.0.iter().filter(is_fixed).collect()
    }

    /// Checks that the object can be deleted: it is not protected, and one that holds data is as the stack file
    /// describes it in what cannot be changed.
    pub(crate) fn check_deletion(&self, cx: &Cx<'_>, found: &Found<R>) -> Result<()> {
        let (key, id, consent) = (cx.key, &found.id, &cx.env.consent);
        if consent.deletes(id) || found.phase == Phase::Deleting {
            return Ok(());
        }
        // A step that is to be replaced was named, and differs.
        if R::HOLDS_DATA && !consent.replaces(key) {
            let diff = Diff::between(&found.spec, &self.want());
            let unlike = diff.0.into_iter().filter(|f| R::FIXED.iter().any(|name| f.is(name)) && !is_unknown(f));
            let fields: Vec<String> = unlike.map(|f| f.path).collect();
            if !fields.is_empty() {
                return Err(Error::Unlike { key: key.clone(), id: id.clone(), fields });
            }
        }
        if self.resource.is_protected(found) {
            return Err(Error::Protected { key: key.clone(), id: id.clone() });
        }
        Ok(())
    }

    /// Returns the usual duration of a change.
    pub(crate) fn usual_duration(&self, env: &Env, change: &Change) -> Duration {
        let t = self.expected(env);
        match change {
            Change::None | Change::Refuse { .. } => Duration::ZERO,
            Change::Delete { .. } => t.delete,
            Change::Create { .. } => t.create,
            Change::Update { .. } => t.update,
            Change::Replace { .. } => t.delete + t.create,
        }
    }
}

/// True if the wanted value comes from another step, which has not been seen.
fn is_unknown(field: &Field) -> bool {
    field.want.as_ref().and_then(Value::as_str).is_some_and(|text| text.starts_with("(known after "))
}
