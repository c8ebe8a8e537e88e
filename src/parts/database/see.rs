//! The look at the database.
use crate::{
    aws::{error::AwsResult, listing},
    config::Mode,
    snapshot::{
        Look, Part, Snapshot,
        read::{port, some},
    },
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

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
    /// The number of rows that the database has refused or deleted (`refuse` under `[database]`). `None`: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_rows: Option<u64>,
}

/// How far the look for that number reaches back: instances say it every ten minutes, and the log agent takes a while.
const SAID_WITHIN: Duration = Duration::from_secs(15 * 60);

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
        refused_rows: None,
    }
}

/// Reads how many rows the database has refused, from the log of one instance that asks the database.
pub(crate) async fn refused(look: &Look<'_>) {
    let in_service = |s: &Snapshot| {
        let members = &s.auto_scaling_group.as_ref()?.members;
        members.iter().filter(|m| m.lifecycle == "InService").map(|m| m.id.clone()).min()
    };
    let (Some(group), Some(instance)) = (&look.expected.refused_rows, look.seen(in_service)) else { return };
    let said = look.ask(Part::RefusedRows, "FilterLogEvents", async {
        let from = (Timestamp::now() - SAID_WITHIN).as_millisecond();
        // By prefix, since naming a stream that does not exist yet is an error.
        let stream = format!("{instance}/refused");
        let call = look.aws.logs.filter_log_events().log_group_name(group).log_stream_name_prefix(stream);
        let pages = call.start_time(from).into_paginator().send();
        let pages: Vec<_> = pages.try_collect().await.or_absent("FilterLogEvents")?.unwrap_or_default();
        let last = pages.into_iter().flat_map(|page| page.events.unwrap_or_default()).max_by_key(|e| e.timestamp);
        Ok(last.and_then(|e| e.message))
    });
    let number = said.await.and_then(|text| text.rsplit(' ').next()?.trim().parse().ok());
    look.keep(|s| s.database.iter_mut().for_each(|d| d.refused_rows = number));
}
