//! `gameday bake --prune`: removes images that nothing needs, with their snapshots.
use super::super::{DONE, Failure, Outcome, Session, failed};
use crate::{
    bake::{self, Image},
    cli::BakeArgs,
    config::Config,
    error::Help as _,
    output::{
        self,
        bake::{Kept, Pruned},
        style::*,
    },
};
use std::collections::BTreeSet;

/// Shows the images that nothing needs, asks, and deletes them.
pub(super) async fn run(session: &mut Session, args: &BakeArgs) -> Outcome {
    let mut has_lease = false;
    let (goes, stays) = loop {
        session.reread().await?;
        let (goes, stays) = look(session).await?;
        if has_lease || goes.is_empty() {
            break (goes, stays);
        }
        if !session.out.json() {
            for image in &goes {
                session.out.note(format!("  {BAD}- {}{RESET} {DIM}{}{RESET}", image.key(), image.id));
            }
        }
        let question =
            format!("Delete {} with the snapshots in {}? [y/N] ", count(goes.len(), "image"), session.place());
        if !args.yes && !output::agree(&session.out, &question) {
            return Ok(failed());
        }
        has_lease = true;
        session.lease("bake", args.lease).await?;
        // An image can be in use since.
        session.aws.reads.renew();
    };
    session.building();
    let mut pruned = Pruned { deleted: vec![], kept: stays };
    let mut is_complete = true;
    for image in goes {
        if session.env.stop.is_requested() {
            is_complete = false;
            pruned.kept.push(kept(image, "the command was stopped".into()));
            continue;
        }
        match bake::delete(&session.aws, &image.id).await {
            Ok(()) => pruned.deleted.push(image.id),
            Err(e) => {
                is_complete = false;
                let help = e.help().map(|help| format!("; {help}")).unwrap_or_default();
                pruned.kept.push(kept(image, format!("{e}{help}")));
            }
        }
    }
    session.release().await;
    output::bake::pruned(&session.out, &pruned);
    Ok(if is_complete { DONE } else { failed() })
}

fn kept(image: Image, why: String) -> Kept {
    Kept { image: image.id, name: image.name, why }
}

/// Returns the images that nothing needs, and those that stay.
async fn look(session: &Session) -> Result<(Vec<Image>, Vec<Kept>), Failure> {
    let (aws, env, config) = (&session.aws, &session.env, &session.loaded.config);
    let images = bake::images(aws, &env.stack).await?;
    let used = bake::used(aws, &images, &templates(session, config)).await?;
    let named: BTreeSet<&str> = config.services().filter_map(|service| service.table.image.as_deref()).collect();
    let is_ours = |image: &Image| env.ownership.has_used(bake::RECORD, &image.name);
    let (goes, stays) = bake::unused(images, &used, &named, is_ours);
    Ok((goes, stays.into_iter().map(|(image, why)| kept(image, why)).collect()))
}

fn templates(session: &Session, config: &Config) -> Vec<String> {
    config.services().map(|service| session.name_of(&service.key("launch-template"))).collect()
}
