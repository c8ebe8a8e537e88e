//! The findings about rules that refuse requests.
use super::listener::{in_words, takes};
use crate::{
    diagnose::{Draft, Drafts, UP, View},
    snapshot::{Action, Listener, Part, Rule, matches},
};

/// True if a query has a pair that matches one of these patterns, `key=value`. The load balancer compares without case,
/// and decodes nothing.
pub(super) fn has(query: &str, patterns: &[String]) -> bool {
    let query = query.to_lowercase();
    let pairs = || query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or(("", p)));
    patterns.iter().map(|p| p.to_lowercase()).any(|pattern| {
        let (key, value) = pattern.split_once('=').unwrap_or(("", &pattern));
        pairs().any(|(k, v)| (key.is_empty() || matches(key, k)) && matches(value, v))
    })
}

/// Returns the place in `block` of the entry that a rule carries out.
pub(super) fn place(view: &View<'_>, rule: &Rule) -> Option<usize> {
    if !matches!(rule.actions[..], [Action::FixedResponse { ref code }] if code == "403") {
        return None;
    }
    let has_all = |a: &[_], b: &[_]| a.iter().all(|c| b.contains(c));
    let is_it = |wanted: &&Vec<_>| has_all(wanted, &rule.conditions) && has_all(&rule.conditions, wanted);
    view.s.expected.blocks.iter().position(|wanted| is_it(&wanted))
}

/// Adds the findings about rules that refuse requests. Returns the ARNs of the rules that are explained.
pub(super) fn judge<'a>(view: &View<'a>, l: &'a Listener, host: &str, asked: &str, hop: &mut Drafts) -> Vec<&'a str> {
    let blocks = &view.s.expected.blocks;
    let missing: Vec<usize> =
        (0..blocks.len()).filter(|i| l.rules.iter().all(|r| place(view, r) != Some(*i))).collect();
    if let (Some(first), true) = (missing.first(), view.s.saw(Part::Rules)) {
        hop.push(
            Draft::new(
                "block-missing",
                "requests that the stack file blocks reach the service",
                format!(
                    "{} of {} entries of block have no rule on port {}; the first is number {}: {}",
                    missing.len(),
                    blocks.len(),
                    l.port,
                    first + 1,
                    in_words(&blocks[*first])
                ),
                UP,
            )
            .weak(),
        );
    }
    let Some(rule) = l.rules.iter().find(|r| takes(r, host, asked)) else { return vec![] };
    let Some(place) = place(view, rule) else { return vec![] };
    hop.push(Draft::new(
        "request-blocked",
        format!("entry {} of block answers {asked} with 403", place + 1),
        format!("priority {} ({}) comes before the service's rules", rule.priority, in_words(&rule.conditions)),
        (UP, "after making the entry narrower under [balancer], if this request is a good one"),
    ));
    vec![&rule.arn]
}
