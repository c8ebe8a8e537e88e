//! The findings about the security groups of the instances, and about groups that are open to the whole internet.
use super::replacement;
use crate::{
    diagnose::{Draft, Drafts, UP, View, names},
    parts::{
        self,
        access::{
            HTTPS, SSH,
            judge::{anywhere, net, no_group},
        },
    },
};

/// Adds the findings about the security groups.
pub(super) fn groups(view: &View<'_>, hop: &mut Drafts) {
    let s = view.s;
    let port = s.expected.port;
    let app = view.app();
    let ours = view.group_id(view.instances_group());
    if ours.is_empty() {
        hop.push(
            Draft::new(
                "app-group-missing",
                "the instances' security group is gone",
                no_group(view, view.instances_group()),
                UP,
            )
            .weak_if(view.serves()),
        );
        return;
    }
    let bare: Vec<&str> =
        view.alive().iter().filter(|i| !i.groups.iter().any(|g| g == ours)).map(|i| i.id.as_str()).collect();
    if !bare.is_empty() {
        let first = view.instance(bare[0]).map(|i| names(&i.groups)).unwrap_or_default();
        let all = bare.len() == view.alive().len();
        hop.push(
            Draft::new(
                "instance-groups",
                "instances do not carry their security group",
                format!("{}: {first} instead of {ours}", names(&bare)),
                replacement(view, &bare),
            )
            .weak_if(!all),
        );
    }
    let balancer = view.balancer();
    let carried = app.groups;
    if s.balancer.is_some() && !view.lets_in(&carried, port, &balancer) {
        let by_name = s.security_groups.iter().find(|g| g.id == ours);
        hop.push(
            Draft::new(
                "app-ingress-missing",
                "the instances' security group does not let the balancer in",
                format!(
                    "{ours} has {} ingress rules, none for TCP {port} from {}: requests and health checks time out",
                    by_name.map_or(0, |g| g.ingress.len()),
                    names(&balancer.groups),
                ),
                UP,
            )
            // If the balancer carries another group, that is the cause.
            .symptom_if(!balancer.groups.iter().any(|g| g == view.group_id("alb"))),
        );
    }
    let shut: Vec<String> =
        [80, HTTPS].iter().filter(|p| !view.lets_out_to_all(&carried, **p)).map(|p| p.to_string()).collect();
    if !shut.is_empty() {
        hop.push(
            Draft::new(
                "app-egress-missing",
                "the instances' security group lets nothing out to the internet: packages and the binary cannot be fetched",
                format!("{ours} has no egress rule for TCP {} to 0.0.0.0/0: connections time out silently", shut.join(", ")),
                UP,
            )
            .weak_if(view.serves()),
        );
    }
    let stores = parts::LIST.iter().flat_map(|p| p.stores).filter(|store| store.is_of(&s.expected));
    let stores = stores.map(|store| (store.group, store.port, store.speaks));
    for (name, port, what) in std::iter::once((view.instances_group(), SSH, "SSH")).chain(stores) {
        let Some(group) = view.group(name) else { continue };
        if !view.lets_in(std::slice::from_ref(&group.id), port, &anywhere()) {
            continue;
        }
        if name == view.instances_group() && s.expected.ssh.iter().any(|c| c == "0.0.0.0/0") {
            continue;
        }
        hop.push(
            Draft::new(
                "group-open",
                format!("{what} is open to the whole internet"),
                format!("{} ({}) lets in TCP {port} from 0.0.0.0/0", group.id, group.name),
                UP,
            )
            .weak(),
        );
    }
    let shut: Vec<&String> = s.expected.ssh.iter().filter(|c| !view.lets_in(&carried, SSH, &net(c))).collect();
    if !shut.is_empty() {
        let cause = format!("SSH from {} is blocked, although the stack file allows it", names(shut));
        hop.push(Draft::new("app-ssh-missing", cause, format!("{ours} has no such ingress rule"), UP).weak());
    }
}
