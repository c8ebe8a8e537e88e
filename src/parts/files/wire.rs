//! The steps of the file system.
use crate::{
    config::{Mode, Need},
    engine::Ref,
    parts::{Builder, access::Groups, network::Network},
    resources::{access_point::AccessPoint, file_system::FileSystem, mount_target::MountTarget},
    userdata,
};
use std::collections::BTreeMap;

/// The file system with its mount targets and access points.
#[derive(Clone)]
pub(crate) struct Files {
    pub system: Ref<FileSystem>,
    /// The mount targets, one per zone.
    pub targets: Vec<Ref<MountTarget>>,
    /// The access points by service, since each has its own folder. Empty if the stack only uses the file system.
    pub access_points: BTreeMap<String, Ref<AccessPoint>>,
}

/// Wires the file system, if the stack has one.
pub(crate) fn wire(b: &mut Builder<'_>, network: &Network, groups: &Groups) -> Option<Files> {
    let config = b.config;
    if config.files.mode == Mode::Off {
        return None;
    }
    let ours = config.files.mode == Mode::Create;
    let system = FileSystem {
        aws: b.aws(),
        existing: config.files.file_system.clone().filter(|_| !ours),
        throughput: config.files.throughput.to_string(),
        encrypted: config.files.encrypted,
    };
    let system = b.add_or_use(ours, "main", system);
    let mut targets = vec![];
    for (subnet, zone) in network.private.iter().zip(b.zones()) {
        let target = MountTarget {
            aws: b.aws(),
            file_system: system.clone(),
            subnet: subnet.clone(),
            groups: groups.files.iter().cloned().collect(),
            zone: zone.clone(),
            existing: !ours,
        };
        targets.push(b.add_or_use(ours, b.short(zone), target));
    }
    let mut access_points = BTreeMap::new();
    for service in config.services().filter(|service| ours && service.needs(Need::Files)) {
        // The uid and gid are those that the boot script gives the service's user. The path of an access point cannot
        // be changed, so each service has an access point of its own.
        let point = AccessPoint {
            aws: b.aws(),
            file_system: system.clone(),
            uid: userdata::SERVICE_UID,
            gid: userdata::SERVICE_UID,
            path: format!("/{}", service.name),
        };
        access_points.insert(service.name.to_owned(), b.add(service.name, point));
    }
    Some(Files { system, targets, access_points })
}
