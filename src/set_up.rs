//! Records that the database of a stack is set up. From then on the instances' role can no longer read the master
//! password.
//!
//! The note holds AWS's own id of the database, which differs in a new or restored one, and a digest of what was set
//! up. Without a note, or if either differs, the role is allowed to read the master password: the next boot needs it.
use crate::{
    aws::{
        Aws,
        error::AwsResult,
        listing,
        note::{self, SET_UP as NOTE},
    },
    config::{Config, Mode},
    error::Result,
    snapshot,
};
use aws_sdk_ec2::types::{Instance, Reservation};
use aws_sdk_rds::types::DbInstance;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{cell::RefCell, rc::Rc};

/// The content of the note.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct SetUpNote {
    database: String,
    digest: String,
}

/// The digest of what is set up in the existing database; `None` while the master password is needed.
///
/// Shared by the role, which reads it, and code that learns more.
pub type Done = Rc<RefCell<Option<String>>>;

/// The note that the database of a stack is set up.
#[derive(Clone, Debug, Default)]
pub struct SetUp {
    noted: SetUpNote,
    /// True if there is a note.
    stored: bool,
    /// AWS's id of the existing database.
    database: Option<String>,
    /// True if the account did not allow the look: then the role stays as it is.
    pub unseen: bool,
}

impl SetUp {
    /// Reads the note and the database of this name.
    pub async fn load(aws: &Aws, config: &Config, name: &str) -> Self {
        if config.iam.mode != Mode::Create || config.database.mode == Mode::Off {
            return Self::default();
        }
        let (notes, database) = futures::join!(note::all(aws, &config.name), database(aws, config, name));
        let unseen = notes.is_err() || database.is_err();
        let (notes, database) = (notes.unwrap_or_default(), database.unwrap_or_default());
        let note = notes.get(NOTE);
        let noted = note.and_then(|n| note::json(&n.text)).unwrap_or_default();
        Self { noted, stored: note.is_some(), database: database.map(|d| d.id), unseen }
    }

    /// Returns the digest of what is set up in the existing database.
    pub fn done(&self) -> Option<String> {
        let is_this = self.database.as_ref().is_some_and(|id| *id == self.noted.database);
        (is_this && !self.noted.digest.is_empty()).then(|| self.noted.digest.clone())
    }

    /// Writes the note if the database is set up, and returns true if so.
    ///
    /// The database is set up once an instance that booted after its creation serves behind one of the `targets`.
    pub async fn learn(
        &self,
        aws: &Aws,
        config: &Config,
        name: &str,
        targets: &[String],
        digest: String,
    ) -> Result<bool> {
        let Some(database) = database(aws, config, name).await? else { return Ok(false) };
        let since = database.since;
        let booted = try_join_all(targets.iter().map(|target| booted_since(aws, target, since))).await?;
        if !booted.contains(&true) {
            return Ok(false);
        }
        let text = serde_json::to_string(&SetUpNote { database: database.id, digest }).expect("it serialises");
        note::write(aws, &config.name, NOTE, text).await?;
        Ok(true)
    }

    /// Deletes the note, if there is one.
    pub async fn forget(&self, aws: &Aws, stack: &str) -> Result<()> {
        if self.stored || self.unseen { note::delete(aws, stack, NOTE).await } else { Ok(()) }
    }
}

/// Returns the digest of what an instance sets up: `what` it runs, and when the password of the service's user was set.
pub fn digest(what: &str, password_set: &str) -> String {
    Sha256::digest(format!("{what}\n{password_set}")).iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Existing {
    id: String,
    /// The creation time in seconds.
    since: i64,
}

/// Returns the existing database. One that is only used is known by its address alone.
async fn database(aws: &Aws, config: &Config, name: &str) -> Result<Option<Existing>> {
    if let Some((host, port)) = config.database.endpoint().filter(|_| config.database.mode == Mode::Use) {
        return Ok(Some(Existing { id: format!("{host}:{port}"), since: 0 }));
    }
    let standing =
        |found: DbInstance| Some(Existing { since: found.instance_create_time()?.secs(), id: found.dbi_resource_id? });
    Ok(listing::database(aws, name).await?.and_then(standing))
}

/// True if a healthy target was launched after that moment.
async fn booted_since(aws: &Aws, target: &str, since: i64) -> Result<bool> {
    let healthy = snapshot::targets(aws, target).await?.into_iter().filter(|t| t.state == "healthy");
    let ids: Vec<String> = healthy.map(|t| t.id).collect();
    if ids.is_empty() {
        return Ok(false);
    }
    let filter = aws_sdk_ec2::types::Filter::builder().name("instance-id").set_values(Some(ids)).build();
    let pages = aws.ec2.describe_instances().filters(filter).into_paginator().items().send();
    let all: Vec<Reservation> = pages.try_collect().await.during("DescribeInstances")?;
    let launched = |i: &Instance| i.launch_time().is_some_and(|at| at.secs() >= since);
    Ok(all.iter().flat_map(|r| r.instances()).any(launched))
}
