//! The findings about the shared files: the file system, its mount target in each zone, and whether the instances can
//! reach it.
use super::{PORT, PROTOCOL};
use crate::{
    config::Mode,
    diagnose::{Draft, Hop, HopName, UP, View, adopt, names},
    parts::store::{Place, Status, Store, rules},
    resources::sorted,
    snapshot::Part,
};

/// The file system as a store.
pub(crate) const STORE: Store = Store {
    hop: HopName::Files,
    what: "the file system",
    speaks: PROTOCOL,
    port: PORT,
    group: "files",
    stage: "files",
    rules: rules!("files"),
    statuses: STATUSES,
    refusal: |_, _| None,
};

/// The meaning of the states of EFS.
const STATUSES: &[Status] = &[
    Status::serves(&["available", "updating"]),
    Status::broken(&["deleting", "deleted"], "files-deleting", "the file system is being deleted", UP, None),
    Status::busy(Status::OTHER, "files-creating", "AWS is still creating the file system"),
];

/// Returns the hop of the file system, or `None` if the stack has none.
pub(crate) fn hop(view: &View<'_>) -> Option<Hop> {
    let s = view.s;
    if s.expected.files == Mode::Off {
        return None;
    }
    let mut hop = Draft::hop();
    let seen = s.saw(Part::Files);
    let Some(f) = &s.files else {
        if seen {
            hop.push(Draft::new(
                "files-missing",
                "the stack has no file system",
                "DescribeFileSystems returns none with its tag",
                UP,
            ));
        }
        return Some(hop.done(HopName::Files, seen, view.absent(Part::Files, "no EFS file system")));
    };
    if let Some(key) = s.expected.step("file-system").filter(|_| f.untagged) {
        hop.push(
            Draft::new(
                "files-untagged",
                "the file system has lost the stack's tags: gameday does not touch it",
                format!("{} was created for {}, but its tags no longer say so", f.id, s.whose.stack),
                adopt(key, &f.id),
            )
            .weak_if(view.serves()),
        );
    }
    hop.extend(STORE.status(&f.id, &f.state, true));
    if s.saw(Part::MountTargets) {
        let here = |zone: &str| f.mount_targets.iter().find(|m| m.zone == zone);
        let gone: Vec<&String> = s.expected.zones.iter().filter(|z| here(z).is_none()).collect();
        if !gone.is_empty() {
            hop.push(
                Draft::new(
                    "files-zone-missing",
                    format!("the file system has no mount target in {}", names(&gone)),
                    format!(
                        "{} has them in {}: an instance that boots in another zone has only a local directory",
                        f.id,
                        names(sorted(f.mount_targets.iter().map(|m| &m.zone).collect()))
                    ),
                    UP,
                )
                .weak_if(view.serves()),
            );
        }
        let unready: Vec<&str> =
            f.mount_targets.iter().filter(|m| m.state != "available").map(|m| m.id.as_str()).collect();
        if !unready.is_empty() {
            let cause = "mount targets are not available yet";
            let draft = Draft::new("files-mount-target", cause, names(&unready), (UP, "waits for it"));
            hop.push(draft.waiting().weak_if(view.serves()));
        }
    }
    if s.expected.files == Mode::Create && s.saw(Part::MountTargets) {
        let place = Place {
            port: None,
            groups: f.mount_targets.iter().map(|m| m.groups.as_slice()).collect(),
            subnets: f.mount_targets.iter().map(|m| m.subnet.as_str()).collect(),
        };
        STORE.reach(view, &place, &mut hop);
    }
    STORE.beacons(view, &mut hop);
    let told = format!(
        "{} {}, mount targets in {}",
        f.id,
        f.state,
        names(sorted(f.mount_targets.iter().map(|m| &m.zone).collect()))
    );
    Some(hop.done(HopName::Files, seen && s.saw(Part::MountTargets), told))
}
