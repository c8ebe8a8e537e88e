//! `gameday policy`: prints the IAM policies for everybody who runs gameday with this stack file.
use super::{DONE, Outcome, session};
use crate::{
    aws::{Aws, Target},
    cli::Global,
    error::Error,
    facts::Facts,
    leftovers,
    output::Printer,
    policy::{self, Policy},
    shell::word,
    stack,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Runs `gameday policy`.
pub async fn run(global: &Global, out: Printer, save: Option<PathBuf>) -> Outcome {
    let loaded = session::load(global, &out)?;
    let aws = Aws::connect(&Target { region: loaded.config.region.clone(), ..Target::default() }).await;
    let facts = Facts::offline(&loaded.config);
    let stack = stack::wire(&loaded, &facts, &aws).map_err(session::template)?;
    let before = leftovers::imaginable(&loaded, &facts, &aws).map_err(session::template)?;
    let policies = policy::of(&stack.graph, &before, &loaded.config);
    if let Some(folder) = save {
        return saved(&out, &folder, &policies);
    }
    let object = serde_json::json!({"stack": loaded.config.name, "policies": policies});
    if out.json() {
        out.line(&object);
    } else {
        out.verbatim(serde_json::to_string_pretty(&object).expect("policies serialise"));
    }
    Ok(DONE)
}

/// Writes each document to a file of its own, as AWS takes it, and prints what to type.
fn saved(out: &Printer, folder: &Path, policies: &[Policy]) -> Outcome {
    let no = |e| Error::other(format!("cannot write to {}: {e}", folder.display()), "choose another folder");
    fs::create_dir_all(folder).map_err(no)?;
    for Policy { name, document } in policies {
        let file = folder.join(format!("{name}.json"));
        fs::write(&file, serde_json::to_string_pretty(document).expect("a policy serialises")).map_err(no)?;
        let (name_word, path) = (word(name), word(&format!("file://{}", file.display())));
        let command = out.typed(&format!("aws iam create-policy --policy-name {name_word} --policy-document {path}"));
        match out.json() {
            true => out.line(&serde_json::json!({"name": name, "file": file, "command": command})),
            false => out.data(command),
        }
    }
    Ok(DONE)
}
