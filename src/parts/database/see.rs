//! The look at the database.
use crate::{
    aws::listing,
    config::Mode,
    snapshot::{
        Look, Part,
        read::{port, some},
    },
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An RDS instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Database {
    pub id: String,
    pub status: String,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub class: String,
    pub engine_version: String,
    pub multi_az: bool,
    pub zone: Option<String>,
    /// The ids of its security groups.
    pub groups: Vec<String>,
    pub subnets: Vec<String>,
    /// The apply status of each parameter group: `in-sync`, `pending-reboot`…
    pub parameters: BTreeMap<String, String>,
    /// The settings with a pending change.
    pub pending: Vec<String>,
}

/// Finds the stack's own database by its name.
pub(crate) async fn find(look: &Look<'_>) {
    if look.expected.database != Mode::Create {
        return;
    }
    let found = look.ask(Part::Database, "DescribeDBInstances", async {
        Ok(listing::database(look.aws, &look.expected.names.database).await?.map(database))
    });
    let found = found.await;
    look.keep(|s| s.database = found);
}

fn database(d: aws_sdk_rds::types::DbInstance) -> Database {
    let pending = d.pending_modified_values.as_ref().map_or(vec![], |p| {
        let all = [
            ("class", p.db_instance_class.is_some()),
            ("storage", p.allocated_storage.is_some()),
            ("master password", p.master_user_password.is_some()),
            ("port", p.port.is_some()),
            ("backup days", p.backup_retention_period.is_some()),
            ("Multi-AZ", p.multi_az.is_some()),
            ("version", p.engine_version.is_some()),
            ("identifier", p.db_instance_identifier.is_some()),
            ("storage type", p.storage_type.is_some()),
            ("subnet group", p.db_subnet_group_name.is_some()),
        ];
        all.into_iter().filter(|(_, is)| *is).map(|(name, _)| name.to_owned()).collect()
    });
    Database {
        id: d.db_instance_identifier.unwrap_or_default(),
        status: d.db_instance_status.unwrap_or_default(),
        port: d.endpoint.as_ref().and_then(|e| e.port).map(|p| port(Some(p))),
        host: some(d.endpoint.and_then(|e| e.address)),
        class: d.db_instance_class.unwrap_or_default(),
        engine_version: d.engine_version.unwrap_or_default(),
        multi_az: d.multi_az.unwrap_or_default(),
        zone: d.availability_zone,
        groups: d.vpc_security_groups.unwrap_or_default().into_iter().filter_map(|g| g.vpc_security_group_id).collect(),
        subnets: d
            .db_subnet_group
            .and_then(|g| g.subnets)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|s| s.subnet_identifier)
            .collect(),
        parameters: d
            .db_parameter_groups
            .unwrap_or_default()
            .into_iter()
            .filter_map(|p| Some((p.db_parameter_group_name?, p.parameter_apply_status.unwrap_or_default())))
            .collect(),
        pending,
    }
}
