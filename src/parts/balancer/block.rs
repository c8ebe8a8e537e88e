//! The rules that refuse requests, before those of the services.
use crate::{
    config::Config,
    engine::{Key, Ref, Resource as _},
    parts::Builder,
    resources::{
        elb::Answer,
        listener::Listener,
        listener_rule::{ListenerRule, Then},
    },
};
use std::rc::Rc;

/// The first half of the rules' names, longer than the name of a service can be.
pub(crate) const PREFIX: &str = "blocked-requests";

fn name(priority: i32, suffix: &str) -> String {
    format!("{PREFIX}-{priority}{suffix}")
}

/// Returns the keys of the rules of a listener, whose names end in `suffix`.
pub(super) fn keys(config: &Config, suffix: &'static str) -> impl Iterator<Item = Key> {
    config.blocks().map(move |(priority, _)| Key::new(ListenerRule::KIND, &name(priority, suffix)))
}

/// Wires one rule for each entry of `block`, so that an entry added at the end moves no other rule.
pub(super) fn wire(b: &mut Builder<'_>, listener: &Ref<Listener>, suffix: &str, all_keys: &Rc<[Key]>) -> Vec<Key> {
    let mut keys = vec![];
    for (priority, block) in b.config.blocks() {
        let rule = ListenerRule {
            aws: b.aws(),
            listener: listener.clone(),
            conditions: block.conditions().into_iter().map(Into::into).collect(),
            then: Then::Answer(Answer::Refused),
            priority,
            enough: 1,
            all_keys: all_keys.clone(),
        };
        keys.push(b.add(&name(priority, suffix), rule).key().clone());
    }
    keys
}
