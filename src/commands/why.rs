//! `gameday why`: the request path, up to the first broken hop.
use super::{DONE, Failure, Outcome, Session, failed};
use crate::{
    cli::{Consent, Global, WhyArgs},
    config::file,
    diagnose,
    error::Error,
    output::{Printer, why},
    private,
    shell::word,
    snapshot::Snapshot,
    verdict::{Verdict, Word},
};
use std::{fs, io, path::Path};

/// The size limit of a snapshot file, which is more than any stack's snapshot has.
const LARGEST: usize = 16 << 20;

/// Runs `gameday why`.
pub async fn run(global: &Global, out: Printer, args: WhyArgs) -> Outcome {
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
    // Saving comes last, so that the findings are shown even if it fails.
    if let Some(file) = &args.save {
        save(file, &snapshot.to_json())
            .map_err(|e| Error::other(format!("cannot write {}: {e}", file.display()), "choose another place"))?;
        if !out.json() {
            out.note(format!("kept in {}: `gameday why --from {}`", file.display(), word(&file.display().to_string())));
        }
    }
    // A path that could not be seen is not known to be whole.
    Ok(if chain.broken() || verdict.word() == Word::Unknown { failed() } else { DONE })
}

fn read(file: &Path) -> Result<Snapshot, Failure> {
    let text = file::read_text(file, LARGEST)
        .map_err(|e| Error::other(format!("cannot read {}: {e}", file.display()), "give a file that --save wrote"))?;
    Ok(Snapshot::from_json(&text)?)
}

/// Writes a file for the user alone. Replaces a file, but never writes through a link, which others may have made.
fn save(file: &Path, text: &str) -> io::Result<()> {
    match fs::symlink_metadata(file) {
        Ok(there) if there.is_symlink() => Err(io::Error::other("it is a link")),
        Ok(there) if !there.is_file() => Err(io::Error::other("there is something else than a file")),
        _ => private::write(file, text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn what_is_saved_goes_through_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
        save(&at("seen"), "one").unwrap();
        assert_eq!((fs::read_to_string(at("seen")).unwrap().as_str(), mode("seen")), ("one", 0o600));
        fs::set_permissions(at("seen"), fs::Permissions::from_mode(0o666)).unwrap();
        save(&at("seen"), "two").unwrap();
        assert_eq!((fs::read_to_string(at("seen")).unwrap().as_str(), mode("seen")), ("two", 0o600));

        fs::write(at("other"), "theirs").unwrap();
        symlink(at("other"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        for place in ["link", "dangling", "folder"] {
            save(&at(place), "three").unwrap_err();
        }
        save(Path::new("/dev/null"), "three").unwrap_err();
        // Another hard link to the file keeps the old content.
        fs::hard_link(at("other"), at("twin")).unwrap();
        save(&at("twin"), "four").unwrap();
        assert_eq!(fs::read_to_string(at("other")).unwrap(), "theirs");
        assert!(
            !at("nowhere").exists() && fs::read_dir(folder.path()).unwrap().count() == 6,
            "nothing half-made stays"
        );
    }
}
