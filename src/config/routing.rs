//! The requests that each service takes, as rules of the load balancer, and the order of these rules.
use crate::{Config, Service};
use std::cmp::Reverse;

/// The most condition values, and the most wildcards, in one rule of a load balancer. AWS raises neither.
pub(crate) const RULE_HOLDS: usize = 5;

/// The most rules of a load balancer.
pub(crate) const RULES: usize = 100;

/// The most services of a stack.
///
/// In the security groups of the balancer and the stores, each is a rule of the 60 that AWS allows in one direction,
/// and a service that is renamed is two for a while. An alarm widget of a dashboard takes 100 alarms, two of each.
pub const SERVICES: usize = 40;

/// The lowest priority of a rule that routes to a service. Lower ones are for rules that block requests.
pub(crate) const FIRST_PRIORITY: i32 = 100;

/// The highest priority that a load balancer takes.
pub const LAST_PRIORITY: i32 = 50_000;

/// The condition values that a rule keeps free for the header of CloudFront's requests: its value, and an older one
/// while the distribution is on its way from one to the other.
const HEADER_HOLDS: usize = 2;

impl Config {
    /// Returns the number of rules of the load balancer, without the default ones.
    pub fn balancer_rules(&self) -> usize {
        self.rules_on_listeners(self.balancer.block.len())
    }

    /// Returns the number of rules of the load balancer with so many entries of `block`.
    pub(crate) fn rules_on_listeners(&self, blocks: usize) -> usize {
        let of_services = self.service.values().map(|s| self.rules_of(s).len()).sum::<usize>();
        let of_one = blocks + of_services + usize::from(self.has_origin_header());
        // With HTTPS both listeners have them, so that neither loses a request when the other is added or removed.
        match &self.balancer.tls {
            Some(tls) => 2 * of_one + usize::from(tls.redirect),
            None => of_one,
        }
    }
}

/// A rule of the load balancer: requests for one of the hosts and one of the paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// Host patterns. Empty: any host.
    pub hosts: Vec<String>,
    /// Path patterns. Empty: any path.
    pub paths: Vec<String>,
}

/// How specific a pattern is. Of two patterns that match the same request, the lower one decides.
///
/// If all texts that a pattern matches are matched by another one, too, its rank is the lower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Exact,
    /// The longest shortest match first, then the fewest wildcards.
    Wild(Reverse<usize>, usize, usize),
    /// No pattern.
    Any,
}

/// Counts the wildcards of a pattern.
pub(crate) fn wildcards(pattern: &str) -> usize {
    pattern.chars().filter(|c| matches!(c, '*' | '?')).count()
}

impl Rank {
    fn of(pattern: &str) -> Self {
        let count = |of: char| pattern.chars().filter(|c| *c == of).count();
        match wildcards(pattern) {
            0 => Self::Exact,
            _ => Self::Wild(Reverse(pattern.chars().count() - count('*')), count('*'), count('?')),
        }
    }

    fn of_all(patterns: &[String]) -> Self {
        patterns.iter().map(|p| Self::of(p)).max().unwrap_or(Self::Any)
    }
}

/// Returns a pattern in its one form, since two texts can match the same. Each path begins with a slash, and hosts
/// have no capital letters.
fn normal(pattern: &str, is_host: bool) -> String {
    let mut text = if is_host { pattern.to_lowercase() } else { pattern.to_owned() };
    if !is_host && text.starts_with('*') {
        text.insert(0, '/');
    }
    while text.contains("**") {
        text = text.replace("**", "*");
    }
    text
}

/// Returns the patterns in their one form; `*` for none.
fn normals(patterns: &[String], is_host: bool) -> Vec<String> {
    match patterns {
        [] if is_host => vec!["*".into()],
        [] => vec!["/*".into()],
        all => all.iter().map(|p| normal(p, is_host)).collect(),
    }
}

/// True if a pattern of a service's `hosts` matches a host name.
pub(crate) fn matches_host(pattern: &str, host: &str) -> bool {
    meet(&normal(pattern, true), &normal(host, true))
}

/// True if some text matches both patterns.
fn meet(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // The row of the table for a suffix of `a`: which suffixes of `b` it meets.
    let mut below: Vec<bool> = vec![];
    for i in (0..=a.len()).rev() {
        let mut row = vec![false; b.len() + 1];
        for j in (0..=b.len()).rev() {
            row[j] = match (a.get(i), b.get(j)) {
                (None, None) => true,
                (Some('*'), _) if below[j] => true,
                (_, Some('*')) if row[j + 1] => true,
                (Some('*'), Some(_)) => row[j + 1],
                (Some(_), Some('*')) => below[j],
                (Some(x), Some(y)) => (x == y || *x == '?' || *y == '?') && below[j + 1],
                _ => false,
            };
        }
        below = row;
    }
    below[0]
}

/// True if each text that matches `inner` matches `outer`, too.
fn covers(outer: &str, inner: &str) -> bool {
    let (outer, inner): (Vec<char>, Vec<char>) = (outer.chars().collect(), inner.chars().collect());
    let mut below: Vec<bool> = vec![];
    for i in (0..=outer.len()).rev() {
        let mut row = vec![false; inner.len() + 1];
        for j in (0..=inner.len()).rev() {
            row[j] = match (outer.get(i), inner.get(j)) {
                (None, None) => true,
                (Some('*'), next) => below[j] || next.is_some() && row[j + 1],
                (Some(_), Some('*')) => false,
                (Some('?'), Some(_)) => below[j + 1],
                (Some(x), Some(y)) => x == y && below[j + 1],
                _ => false,
            };
        }
        below = row;
    }
    below[0]
}

impl Routing {
    fn rank(&self) -> (Rank, Rank) {
        (Rank::of_all(&self.hosts), Rank::of_all(&self.paths))
    }

    /// True if some request matches both rules, so that their order matters.
    fn meets(&self, other: &Self) -> bool {
        let any = |ours: &[String], theirs: &[String], is_host| {
            let theirs = normals(theirs, is_host);
            normals(ours, is_host).iter().any(|a| theirs.iter().any(|b| meet(a, b)))
        };
        any(&self.hosts, &other.hosts, true) && any(&self.paths, &other.paths, false)
    }

    /// True if this rule has to come before the other one, because it matches some of the same requests and is more
    /// specific: first by its hosts, then by its paths.
    pub fn precedes(&self, other: &Self) -> bool {
        self.rank() < other.rank() && self.meets(other)
    }

    /// True if each request that matches the other rule matches this one, too.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let all = |ours: &[String], theirs: &[String], is_host| {
            let ours = normals(ours, is_host);
            normals(theirs, is_host).iter().all(|inner| ours.iter().any(|outer| covers(outer, inner)))
        };
        all(&self.hosts, &other.hosts, true) && all(&self.paths, &other.paths, false)
    }

    /// Returns the lowest priority of rules as specific as this one.
    ///
    /// Each rank has a range of priorities of its own, which leaves room for the rules of services that are added later.
    fn home(&self) -> i32 {
        /// The priorities for one rank of paths.
        const SLOTS: i32 = 120;
        /// The priorities for one sort of hosts: exact ones, patterns, or none.
        const HOSTS: i32 = 16_000;
        let path = match Rank::of_all(&self.paths) {
            Rank::Exact => 0,
            Rank::Wild(Reverse(length), ..) => 129 - length.min(128) as i32,
            Rank::Any => 130,
        };
        let host = match Rank::of_all(&self.hosts) {
            Rank::Exact => 0,
            Rank::Wild(..) => 1,
            Rank::Any => 2,
        };
        FIRST_PRIORITY + host * HOSTS + path * SLOTS
    }
}

/// A rule of a service while the priorities are assigned.
#[derive(Clone, Debug)]
pub struct Placed<'a> {
    /// The service's name.
    pub service: &'a str,
    /// The requests that it takes.
    pub routing: &'a Routing,
    /// The priority that the rule has now, if it exists.
    pub now: Option<i32>,
}

/// Assigns priorities to rules, in their order; `taken` are those of other rules of the listener.
///
/// A rule keeps its priority if the order of rules that match the same requests is right. So a service that is added or
/// removed moves no rule of another one.
pub fn priorities(rules: &[Placed<'_>], taken: &[i32]) -> Vec<i32> {
    let mut order: Vec<usize> = (0..rules.len()).collect();
    order.sort_by_key(|i| rules[*i].routing.rank());
    let mut used: Vec<i32> = taken.iter().copied().chain(rules.iter().filter_map(|r| r.now)).collect();
    let mut given: Vec<Option<i32>> = vec![None; rules.len()];
    for i in order {
        let rule = &rules[i];
        let others = || rules.iter().enumerate().filter(|(_, other)| other.service != rule.service);
        let before = others().filter(|(_, other)| other.routing.precedes(rule.routing)).filter_map(|(j, _)| given[j]);
        let lowest = before.max().map_or(FIRST_PRIORITY, |p| p + 1);
        let behind = others().filter(|(_, other)| rule.routing.precedes(other.routing)).filter_map(|(_, o)| o.now);
        let end = behind.min().unwrap_or(i32::MAX);
        let priority = match rule.now {
            Some(now) if now >= lowest => now,
            _ => {
                let is_free = |p: &i32| !used.contains(p);
                let home = lowest.max(rule.routing.home());
                let near = (home..=LAST_PRIORITY).find(is_free).filter(|p| *p < end);
                let below = || (lowest..end.min(home)).rev().find(is_free);
                // Otherwise the rules behind it move.
                near.or_else(below).or_else(|| (home..=LAST_PRIORITY).find(is_free)).unwrap_or(home)
            }
        };
        used.push(priority);
        given[i] = Some(priority);
    }
    given.into_iter().flatten().collect()
}

/// Splits patterns into groups of the same rank, each with at most so many values and wildcards.
fn groups(patterns: &[String], values: usize, wild: usize) -> Vec<Vec<String>> {
    let mut sorted: Vec<&String> = patterns.iter().collect();
    // Stable: patterns of one rank stay in the order of the file.
    sorted.sort_by_key(|pattern| Rank::of(pattern));
    let mut all: Vec<Vec<String>> = vec![];
    for pattern in sorted {
        let fits = |group: &&mut Vec<String>| {
            let there: usize = group.iter().map(|p| wildcards(p)).sum();
            Rank::of(&group[0]) == Rank::of(pattern) && group.len() < values && there + wildcards(pattern) <= wild
        };
        match all.last_mut().filter(fits) {
            Some(group) => group.push(pattern.clone()),
            None => all.push(vec![pattern.clone()]),
        }
    }
    all
}

impl Service {
    /// True if the service takes the requests that no rule of another service matches.
    pub fn is_default(&self) -> bool {
        self.routes.is_empty() && self.hosts.is_empty()
    }

    /// Returns the rules of the load balancer for this service if they have no further condition, none for the default
    /// one.
    ///
    /// The patterns in a rule are equally specific, so that the rules of all services can be put in order.
    pub fn rules(&self) -> Vec<Routing> {
        let most = |patterns: &[String]| patterns.iter().map(|p| wildcards(p)).max().unwrap_or(0);
        if self.hosts.is_empty() {
            let paths = groups(&self.routes, RULE_HOLDS, RULE_HOLDS).into_iter();
            return paths.map(|paths| Routing { hosts: vec![], paths }).collect();
        }
        // Hosts and paths share the values and wildcards of a rule.
        let values = if self.routes.is_empty() { RULE_HOLDS } else { 2 };
        let mut all = vec![];
        for hosts in groups(&self.hosts, values, RULE_HOLDS.saturating_sub(most(&self.routes))) {
            let wild = RULE_HOLDS.saturating_sub(hosts.iter().map(|h| wildcards(h)).sum());
            let mut paths = groups(&self.routes, RULE_HOLDS - hosts.len().min(4), wild);
            if paths.is_empty() {
                paths.push(vec![]);
            }
            all.extend(paths.into_iter().map(|paths| Routing { hosts: hosts.clone(), paths }));
        }
        all
    }
}

impl Config {
    /// Returns the rules of the load balancer for a service, none for the default one.
    pub fn rules_of(&self, service: &Service) -> Vec<Routing> {
        if !self.has_origin_header() || !service.hosts.is_empty() {
            return service.rules();
        }
        let paths = groups(&service.routes, RULE_HOLDS - HEADER_HOLDS, RULE_HOLDS).into_iter();
        paths.map(|paths| Routing { hosts: vec![], paths }).collect()
    }

    /// Returns the service that gets a request for this host and path.
    pub fn service_of_request(&self, host: &str, path: &str) -> Option<&str> {
        let request = Routing { hosts: vec![host.to_owned()], paths: vec![path.to_owned()] };
        let rules =
            self.service.iter().flat_map(|(name, s)| s.rules().into_iter().map(move |rule| (name.as_str(), rule)));
        let taker = rules.filter(|(_, rule)| rule.meets(&request)).min_by_key(|(_, rule)| rule.rank());
        taker.map(|(name, _)| name).or_else(|| self.default_service())
    }

    /// Returns the service that takes the requests that no rule matches.
    pub fn default_service(&self) -> Option<&str> {
        self.service.iter().find(|(_, service)| service.is_default()).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(hosts: &[&str], paths: &[&str]) -> Routing {
        let owned = |all: &[&str]| all.iter().map(|p| (*p).to_owned()).collect();
        Routing { hosts: owned(hosts), paths: owned(paths) }
    }

    /// Assigns priorities to rules, each of a service of its own.
    fn assign(rules: &[(&Routing, Option<i32>)], taken: &[i32]) -> Vec<i32> {
        let names: Vec<String> = (0..rules.len()).map(|i| format!("s{i}")).collect();
        let placed: Vec<_> =
            rules.iter().zip(&names).map(|((routing, now), service)| Placed { service, routing, now: *now }).collect();
        priorities(&placed, taken)
    }

    #[test]
    fn the_more_specific_rule_comes_first() {
        let order = [
            rule(&["a.example.com"], &["/x"]),
            rule(&["a.example.com"], &[]),
            rule(&["*.example.com"], &["/x*"]),
            rule(&["*.example.com"], &[]),
            rule(&[], &["/x/y"]),
            rule(&[], &["/x/*"]),
            rule(&[], &["/x*"]),
            rule(&[], &["*"]),
        ];
        let given = assign(&order.iter().map(|r| (r, None)).collect::<Vec<_>>(), &[]);
        assert!(given.is_sorted() && given[0] == FIRST_PRIORITY && given[7] < 50_000, "{given:?}");
        let back: Vec<_> = order.iter().rev().map(|r| (r, None)).collect();
        assert!(assign(&back, &[]).is_sorted_by(|a, b| a > b));
    }

    #[test]
    fn a_rule_stays_where_it_is() {
        let [all, deep, exact] = [rule(&[], &["/*"]), rule(&[], &["/x/*"]), rule(&[], &["/x/y"])];
        // Priorities of an older version leave no room before the least specific rule, so that one moves.
        let moved = assign(&[(&all, Some(100)), (&exact, None)], &[]);
        assert!(moved[0] > moved[1] && moved[1] >= FIRST_PRIORITY && moved[1] != 100, "{moved:?}");
        // Otherwise none does, whatever the numbers are.
        assert_eq!(assign(&[(&all, Some(900)), (&deep, None)], &[])[0], 900);
        let full = assign(&[(&all, Some(103)), (&deep, None), (&exact, None)], &[102, 101]);
        assert!(full[1] < full[0] && full[2] < full[1] && !full.contains(&102) && !full.contains(&101), "{full:?}");
    }

    #[test]
    fn patterns_meet_and_cover() {
        for (a, b, meets, a_covers_b) in [
            ("/*", "/x", true, true),
            ("/x", "/*", true, false),
            ("/a*", "/*b", true, false),
            ("/a?", "/a*", true, false),
            ("/a*", "/a?", true, true),
            ("/a/*", "/b/*", false, false),
            ("/a", "/a/", false, false),
            ("/*x*", "/axb", true, true),
        ] {
            assert_eq!((meet(a, b), meet(b, a), covers(a, b)), (meets, meets, a_covers_b), "{a} {b}");
        }
    }

    fn pattern() -> impl Strategy<Value = String> {
        "/[ab*?]{0,4}"
    }

    proptest! {
        #[test]
        fn what_is_covered_is_more_specific(a in pattern(), b in pattern()) {
            let (a, b) = (normal(&a, false), normal(&b, false));
            if covers(&a, &b) {
                prop_assert!(meet(&a, &b));
                prop_assert!(covers(&b, &a) || Rank::of(&b) <= Rank::of(&a), "{} {}", a, b);
            }
        }

        #[test]
        fn a_service_that_comes_or_goes_moves_no_other(paths in prop::collection::vec(pattern(), 1..12), gone in 0usize..12) {
            let rules: Vec<_> = paths.iter().map(|p| rule(&[], &[p])).collect();
            let all = assign(&rules.iter().map(|r| (r, None)).collect::<Vec<_>>(), &[]);
            let gone = gone % rules.len();
            // Without one, and with it again.
            let without: Vec<_> = (0..rules.len()).filter(|i| *i != gone).map(|i| (&rules[i], Some(all[i]))).collect();
            let kept: Vec<_> = without.iter().map(|(_, p)| p.unwrap()).collect();
            prop_assert_eq!(assign(&without, &[]), kept);
            let again: Vec<_> = (0..rules.len()).map(|i| (&rules[i], Some(all[i]).filter(|_| i != gone))).collect();
            let again = assign(&again, &[]);
            for i in 0..rules.len() {
                prop_assert!(i == gone || again[i] == all[i]);
                for j in 0..rules.len() {
                    prop_assert!(!rules[i].precedes(&rules[j]) || again[i] < again[j]);
                }
            }
        }
    }
}
