//! The rules that refuse requests, before those of the services.
use crate::{
    config::Config,
    engine::{Key, Ref, Resource as _},
    parts::Builder,
    resources::{
        elb::Answer,
        listener::Listener,
        listener_rule::{ListenerRule, Order, Then, WantedRule},
    },
};
use std::rc::Rc;

/// The first half of the rules' names, longer than the name of a service can be.
pub(crate) const PREFIX: &str = "blocked-requests";

fn name(priority: i32, suffix: &str) -> String {
    format!("{PREFIX}-{priority}{suffix}")
}

/// Returns the rules of a listener, whose names end in `suffix`, as others see them.
pub(super) fn rules(config: &Config, suffix: &str) -> impl Iterator<Item = WantedRule> {
    config.blocks().map(move |(priority, _)| WantedRule {
        key: Key::new(ListenerRule::KIND, &name(priority, suffix)),
        order: Order::At(priority),
    })
}

/// Wires one rule for each entry of `block`, so that an entry added at the end moves no other rule.
///
/// Among all rules of the listener they are the first.
pub(super) fn wire(b: &mut Builder<'_>, listener: &Ref<Listener>, suffix: &str, all: &Rc<[WantedRule]>) -> Vec<Key> {
    let mut keys = vec![];
    for (index, (priority, block)) in b.config.blocks().enumerate() {
        let rule = ListenerRule {
            aws: b.aws(),
            listener: listener.clone(),
            conditions: block.conditions().into_iter().map(Into::into).collect(),
            header: None,
            then: Then::Answer(Answer::Refused),
            enough: 1,
            all: all.clone(),
            index,
        };
        keys.push(b.add(&name(priority, suffix), rule).key().clone());
    }
    keys
}
