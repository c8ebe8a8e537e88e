//! `gameday why`: the request path, up to the first broken hop.
use super::{DONE, Failure, Outcome, Session, failed, session::Paths};
use crate::{
    cli::{Consent, Global, WhyArgs},
    config::file,
    error::Error,
    output::{Printer, why},
    private,
    shell::word,
    snapshot::{Snapshot, saved},
    verdict::Judged,
};
use std::{fs, io, path::Path};

/// The size limit of a snapshot file, which is more than any stack's snapshot has.
const LARGEST: usize = 16 << 20;

/// Runs `gameday why`.
pub async fn run(global: &Global, out: Printer, args: WhyArgs) -> Outcome {
    let snapshots = match &args.from {
        Some(file) => of_service(read(file)?, args.service.service.as_deref())?,
        None => {
            let session = Session::open(global, out, &Consent::default()).await?;
            let paths = Paths::new(&args.service, args.url.clone(), args.no_probe);
            paths.check(&session.loaded.config)?;
            let snapshots = session.snapshots(&paths.of_url(&session.loaded.config)).await;
            session.say_calls();
            snapshots
        }
    };
    let text = args.save.as_ref().map(|_| saved::save(&snapshots));
    let judged = Judged::all(snapshots);
    why::show(&out, &judged, args.url.as_deref());
    // Saving comes last, so that the findings are shown even if it fails.
    if let (Some(file), Some(text)) = (&args.save, &text) {
        save(file, text)
            .map_err(|e| Error::other(format!("cannot write {}: {e}", file.display()), "choose another place"))?;
        if !out.json() {
            out.note(format!("kept in {}: `gameday why --from {}`", file.display(), word(&file.display().to_string())));
        }
    }
    Ok(if judged.iter().all(Judged::is_whole) { DONE } else { failed() })
}

/// Returns the snapshot of the service that the user has named, or all.
fn of_service(all: Vec<Snapshot>, service: Option<&str>) -> Result<Vec<Snapshot>, Failure> {
    let Some(name) = service else { return Ok(all) };
    let help = all.iter().map(|s| s.whose.service.as_str()).collect::<Vec<_>>().join(", ");
    match all.into_iter().find(|s| s.whose.service == name) {
        Some(one) => Ok(vec![one]),
        None => Err(Failure::usage(
            "no_such_service",
            format!("there is no service {name}"),
            format!("the file has {help}"),
        )),
    }
}

fn read(file: &Path) -> Result<Vec<Snapshot>, Failure> {
    let text = file::read_text(file, LARGEST)
        .map_err(|e| Error::other(format!("cannot read {}: {e}", file.display()), "give a file that --save wrote"))?;
    Ok(saved::load(&text)?)
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
