//! Writes the image of a service into the stack file, which keeps its comments.
use crate::{
    config::file,
    error::{Error, Result},
};
use std::{fs, io::Write as _, path::Path};
use toml_edit::{DocumentMut, Item, value};

/// Fails if the image could not be written into the file.
pub(super) fn check(path: &Path, service: &str) -> Result<()> {
    edited(path, service, "ami-0").map(drop)?;
    let metadata = fs::metadata(path).map_err(|e| not_written(path, &e.to_string()))?;
    match metadata.is_file() && !metadata.permissions().readonly() {
        true => Ok(()),
        false => Err(not_written(path, "it is no file that can be written")),
    }
}

/// Writes the image of a service into the stack file, as it is now.
pub(super) fn set(path: &Path, service: &str, image: &str) -> Result<()> {
    let text = edited(path, service, image)?;
    let write = || -> std::io::Result<()> {
        // The file that a link names is replaced, not the link.
        let target = fs::canonicalize(path)?;
        let mut new = tempfile(&target)?;
        new.0.write_all(text.as_bytes())?;
        new.0.set_permissions(fs::metadata(&target)?.permissions())?;
        new.0.sync_all()?;
        fs::rename(&new.1, &target)
    };
    write().map_err(|e| not_written(path, &format!("{e}; write `image = \"{image}\"` under [service.{service}]")))
}

/// Creates a file beside another one.
fn tempfile(beside: &Path) -> std::io::Result<(fs::File, std::path::PathBuf)> {
    let name = beside.file_name().unwrap_or_default().to_string_lossy();
    let path = beside.with_file_name(format!(".{name}.{}.new", std::process::id()));
    _ = fs::remove_file(&path);
    Ok((fs::File::create_new(&path)?, path))
}

fn edited(path: &Path, service: &str, image: &str) -> Result<String> {
    let text = file::read_text(path, file::MOST).map_err(|e| not_written(path, &e.to_string()))?;
    with_image(&text, service, image).map_err(|why| not_written(path, &why))
}

fn not_written(path: &Path, why: &str) -> Error {
    Error::other(
        format!("the image cannot be written into {}: {why}", path.display()),
        "without --set, `gameday bake` prints the image instead",
    )
}

/// Returns the text of a stack file with the image of a service.
fn with_image(text: &str, service: &str, image: &str) -> std::result::Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| e.message().to_owned())?;
    let item = document.get_mut("service").and_then(|all| all.get_mut(service));
    let no_table = || format!("it has no table [service.{service}]");
    let item = item.ok_or_else(no_table)?;
    let is_inline = item.is_inline_table();
    let table = item.as_table_like_mut().ok_or_else(no_table)?;
    match table.get_mut("image").and_then(Item::as_value_mut) {
        Some(there) => {
            let decor = there.decor().clone();
            *there = image.into();
            *there.decor_mut() = decor;
        }
        None => {
            table.insert("image", value(image));
            // A table on one line has no comments, but spaces of its own.
            if is_inline {
                table.fmt();
            }
        }
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_image_of_the_service_changes() {
        let file = "# mine\nname = \"billing\" # the name\n\n[service.api] # runs\nsource = \"x\" # here\n\n\
                    # the other one\n[service.web]\nimage = \"ami-1\" # by hand\nsource = \"y\"\n";
        let api = with_image(file, "api", "ami-2").unwrap();
        assert_eq!(api, file.replace("# here\n", "# here\nimage = \"ami-2\"\n"));
        let web = with_image(file, "web", "ami-2").unwrap();
        assert_eq!(web, file.replace("\"ami-1\"", "\"ami-2\""));
        assert_eq!(with_image(&web, "web", "ami-1").unwrap(), file);
        let inline = "service = { api = { source = \"x\" } } # all of it\n";
        let there = with_image(inline, "api", "ami-2").unwrap();
        assert_eq!(there, "service = { api = { source = \"x\", image = \"ami-2\" } } # all of it\n");
        assert!(with_image(file, "none", "ami-2").unwrap_err().contains("[service.none]"));
        assert!(with_image("x = ", "api", "ami-2").is_err());
    }

    #[test]
    fn the_file_behind_a_link_is_written_with_its_rights() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = std::env::temp_dir().join(format!("gameday-image-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (file, link) = (folder.join("real.toml"), folder.join("gameday.toml"));
        fs::write(&file, "[service.api]\nsource = \"x\"\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        check(&link, "api").unwrap();
        set(&link, "api", "ami-2").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "[service.api]\nsource = \"x\"\nimage = \"ami-2\"\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "nothing is left beside it");
        assert!(check(&folder.join("none.toml"), "api").is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
