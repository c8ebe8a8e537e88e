//! The findings about the distribution: its state, the server that it asks, and ways around it.
use crate::{
    diagnose::{
        Draft, Drafts, Hop, HopName, UP, View,
        name::{host_of, path_of},
        names,
    },
    parts::cdn::see::Distribution,
    shell::command,
    snapshot::{Action, Cdn, Part},
};

/// The range that lets everybody in.
const ANYWHERE: &str = "0.0.0.0/0";

/// Returns the hop of the distribution, or `None` if the stack has none.
pub(crate) fn hop(view: &View<'_>) -> Option<Hop> {
    let s = view.s;
    let expected = s.expected.cdn.as_ref()?;
    let mut hop = Draft::hop();
    let Some(d) = &s.cdn else {
        let seen = s.saw(Part::Cdn);
        if seen && s.balancer.is_some() {
            hop.push(
                Draft::new(
                    "cdn-missing",
                    "there is no CloudFront distribution before the load balancer",
                    "ListDistributions returns none with the comment of the stack's own",
                    (UP, "3 to 15 minutes"),
                )
                .weak_if(!expected.endpoint),
            );
        }
        return Some(hop.done(HopName::Cdn, seen, view.absent(Part::Cdn, "no distribution")));
    };
    state(view, d, expected, &mut hop);
    bypass(view, expected, &mut hop);
    header(view, d, expected, &mut hop);
    around(view, d, expected, &mut hop);
    let state = match (d.enabled, d.deployed) {
        (false, _) => "disabled",
        (true, true) => "deployed",
        (true, false) => "being deployed",
    };
    Some(hop.done(HopName::Cdn, true, format!("{} {state}, {}", d.id, d.domain)))
}

/// Judges the distribution itself.
fn state(view: &View<'_>, d: &Distribution, expected: &Cdn, hop: &mut Drafts) {
    let told = format!("distribution {}, {}", d.id, d.domain);
    if !d.enabled {
        let draft = Draft::new(
            "cdn-disabled",
            "the distribution is disabled: CloudFront answers no request",
            told.clone(),
            (UP, "enables it; 3 to 15 minutes until all places know it"),
        );
        hop.push(draft.weak_if(!expected.endpoint));
    }
    if let Some(b) = &view.s.balancer
        && d.origins != [b.dns_name.clone()]
    {
        let draft = Draft::new(
            "cdn-origin",
            "the distribution asks another server than the stack's load balancer",
            format!("it asks {}; the balancer is {}", names(&d.origins), b.dns_name),
            (UP, "3 to 15 minutes until all places know it"),
        );
        hop.push(draft.weak_if(!expected.endpoint));
    }
    if d.enabled && !d.deployed {
        let draft = Draft::new(
            "cdn-deploying",
            "CloudFront is still deploying the distribution or a change of it",
            told,
            ("gameday status --watch", "it takes 3 to 15 minutes, and the last change answers until then"),
        );
        // A good answer shows that the name works already.
        let is_new = expected.endpoint && view.good_answer().is_none();
        hop.push(if is_new { draft.waiting() } else { draft.weak() });
    }
}

/// Judges whether requests reach a closed balancer without the distribution.
fn bypass(view: &View<'_>, expected: &Cdn, hop: &mut Drafts) {
    let Some(b) = view.s.balancer.as_ref().filter(|_| expected.closed) else { return };
    let groups = view.s.security_groups.iter().filter(|g| b.groups.contains(&g.id));
    let open: Vec<&str> =
        groups.filter(|g| g.ingress.iter().any(|r| r.peer == ANYWHERE)).map(|g| g.id.as_str()).collect();
    if !open.is_empty() {
        let draft = Draft::new(
            "cdn-bypass",
            "requests reach the load balancer without the distribution",
            format!("{} lets {ANYWHERE} in", names(open)),
            UP,
        );
        hop.push(draft.weak());
    }
}

/// Judges the header by which the balancer recognises the distribution.
fn header(view: &View<'_>, d: &Distribution, expected: &Cdn, hop: &mut Drafts) {
    if !expected.header || !view.s.saw(Part::Rules) {
        return;
    }
    let listeners = view.s.listeners.iter().filter(|l| l.port == view.s.expected.listener_port);
    let (mut asked, mut open) = (vec![], vec![]);
    for l in listeners {
        for rule in l.rules.iter().filter(|rule| forwards(&rule.actions)) {
            match rule.conditions.iter().find(|c| c.is_on_origin_header()) {
                Some(condition) => asked.push((rule, &condition.values)),
                None => open.push(format!("rule {}", rule.priority)),
            }
        }
        if forwards(&l.default) {
            open.push("the default action".into());
        }
    }
    if let Some(at) = open.first() {
        let draft = Draft::new(
            "cdn-unchecked",
            "the load balancer answers requests that do not come from the stack's own distribution",
            format!("{at} on port {} forwards requests without its header", view.s.expected.listener_port),
            (UP, "asks for the header once the distribution is deployed"),
        );
        hop.push(draft.weak());
    }
    let is_refused = |(_, marks): &&(_, &Vec<String>)| d.header.as_ref().is_none_or(|mark| !marks.contains(mark));
    let Some((rule, _)) = asked.iter().find(is_refused) else { return };
    let (name, cause) = match d.header {
        None => ("cdn-header-missing", "the load balancer refuses what CloudFront asks: it sends no header"),
        Some(_) => ("cdn-header", "the load balancer refuses what CloudFront asks: it sends another header"),
    };
    let evidence = format!("{} without the header that rule {} asks for gets 403", d.id, rule.priority);
    hop.push(Draft::new(name, cause, evidence, (UP, "3 to 15 minutes until all places know it")));
}

/// Judges a URL that goes around the distribution.
fn around(view: &View<'_>, d: &Distribution, expected: &Cdn, hop: &mut Drafts) {
    let Some((url, b)) = view.s.probe.url.as_ref().zip(view.s.balancer.as_ref()).filter(|_| expected.closed) else {
        return;
    };
    if !host_of(url).eq_ignore_ascii_case(&b.dns_name) {
        return;
    }
    hop.push(Draft::new(
        "cdn-around",
        "the URL is that of the load balancer, which answers only CloudFront",
        format!("{url} does not go through the distribution {}", d.id),
        command!("gameday why {}", format!("https://{}{}", d.domain, path_of(url))),
    ));
}

fn forwards(actions: &[Action]) -> bool {
    actions.iter().any(|a| matches!(a, Action::Forward { .. }))
}
