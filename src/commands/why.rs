//! `gameday why`: the request path, up to the first broken hop.
use super::{DONE, Failure, Outcome, Session, failed};
use crate::{
    cli::{Consent, Global, Why},
    diagnose,
    error::Error,
    output::{Printer, why},
    serving::{Verdict, Word},
    shell::word,
    snapshot::Snapshot,
};
use std::{fs, path::Path};

pub async fn run(global: &Global, out: Printer, args: Why) -> Outcome {
    let snapshot = match &args.from {
        Some(file) => read(file)?,
        None => {
            let session = Session::open(global, out, &Consent::default()).await?;
            let asking = session.asking(args.url.clone(), args.no_probe);
            let snapshot = session.snapshot(&asking).await;
            session.say_calls();
            snapshot
        }
    };
    let chain = diagnose::chain(&snapshot);
    let verdict = Verdict::of(&snapshot);
    why::show(&out, &snapshot, &chain, &verdict, args.url.as_deref());
    // Last: what was seen is told, even where it cannot be kept.
    if let Some(file) = &args.save {
        fs::write(file, snapshot.to_json())
            .map_err(|e| Error::other(format!("cannot write {}: {e}", file.display()), "choose another place"))?;
        if !out.json() {
            out.note(format!("kept in {}: `gameday why --from {}`", file.display(), word(&file.display().to_string())));
        }
    }
    // What could not be seen is not known to be whole.
    Ok(if chain.broken() || verdict.word() == Word::Unknown { failed() } else { DONE })
}

fn read(file: &Path) -> Result<Snapshot, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|e| Error::other(format!("cannot read {}: {e}", file.display()), "give a file that --save wrote"))?;
    Ok(Snapshot::from_json(&text)?)
}
