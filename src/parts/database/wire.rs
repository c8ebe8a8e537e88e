//! The steps of the database.
use crate::{
    config::{Mode, Origin},
    engine::Ref,
    parts::{Builder, access::Groups, network::Network},
    resources::{
        database::Database, db_parameter_group::DbParameterGroup, db_subnet_group::DbSubnetGroup, parameter::Parameter,
    },
};

/// The passwords of the database.
///
/// The passwords are generated once and stored where every teammate and every instance can read them.
#[derive(Clone)]
pub(crate) struct Passwords {
    pub master: Option<Ref<Parameter>>,
    pub app: Option<Ref<Parameter>>,
}

impl Passwords {
    /// Returns the passwords that exist.
    pub(crate) fn all(&self) -> impl Iterator<Item = Ref<Parameter>> {
        self.master.iter().chain(&self.app).cloned()
    }
}

/// Wires the database and its passwords, if the stack has one.
pub(crate) fn wire(
    b: &mut Builder<'_>,
    network: &Network,
    groups: &Groups,
) -> (Option<Ref<Database>>, Option<Passwords>) {
    let d = &b.config.database;
    if d.mode == Mode::Off {
        return (None, None);
    }
    let passwords = passwords(b);
    let ours = d.mode == Mode::Create;
    let subnet_group = ours.then(|| b.add("main", DbSubnetGroup { aws: b.aws(), subnets: network.private.clone() }));
    let parameters = d.known_parameters();
    let parameter_group =
        ours.then(|| b.add("main", DbParameterGroup { aws: b.aws(), family: d.family(), parameters }));
    let database = Database {
        aws: b.aws(),
        existing: d.endpoint().filter(|_| !ours),
        engine: d.engine,
        version: d.engine_version().into(),
        extended_support: d.extended_support(),
        class: d.class.clone(),
        storage_gb: d.storage_gb as i32,
        encrypted: d.encrypted,
        multi_az: d.multi_az,
        backup_days: d.backup_days as i32,
        deletion_protection: d.deletion_protection,
        database: d.database.clone(),
        master_user: d.master_user.clone(),
        subnet_group,
        parameter_group,
        groups: groups.database.iter().cloned().collect(),
        master_password: passwords.master.clone().filter(|_| ours),
    };
    (Some(b.add_or_use(ours, "main", database)), Some(passwords))
}

/// Wires the parameters with the passwords.
fn passwords(b: &mut Builder<'_>) -> Passwords {
    let config = b.config;
    // Without an instance profile the instances cannot read parameters, so the user data contains the passwords.
    let reveal = config.iam.mode == Mode::Off;
    let mut one = |name: &str, used: &Option<String>| match (config.secrets.mode, used) {
        (Origin::Create, _) => {
            let path = format!("/gameday/{}/{name}", config.name);
            Some(b.add(name, Parameter { aws: b.aws(), path, existing: false, reveal }))
        }
        (Origin::Use, Some(path)) => {
            Some(b.add_used(name, Parameter { aws: b.aws(), path: path.clone(), existing: true, reveal }))
        }
        (Origin::Use, None) => None,
    };
    let master = one("db-master-password", &config.secrets.master_password);
    Passwords { master, app: one("db-app-password", &config.secrets.app_password) }
}
