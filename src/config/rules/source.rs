//! What a service runs.
use super::Rules;
use crate::check::Issue;
use crate::place::Place;
use crate::{Mode, Run, Service};

pub(super) fn check(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    match service.run {
        Run::Container => container(rules, place, service),
        Run::Binary | Run::Archive => download(rules, place, service),
    }
    if let Some(sha256) = &service.sha256
        && (sha256.len() != 64 || !sha256.chars().all(|c| c.is_ascii_hexdigit()))
    {
        rules.found.error(
            "sha256",
            place.key("sha256"),
            "this is not a SHA-256",
            format!("{} characters; it has 64 hex digits", sha256.chars().count()),
            "copy the first column of `sha256sum server`",
        );
    }
    if service.command.as_ref().is_some_and(|command| command.trim().is_empty() || command.contains('\n')) {
        rules.found.error(
            "command",
            place.key("command"),
            "this is not a command line",
            "one line that starts the service",
            "for example \"./server -config server.ini\", or delete the line for ./server",
        );
    }
    for (key, file) in [("config", &service.config), ("user_data", &service.user_data)] {
        if let Some(file) = file {
            rules.file_exists(place.key(key), file);
        }
    }
}

fn download(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    let here = place.key("source");
    let source = service.source.as_str();
    let example = "\"https://example-bucket.s3.amazonaws.com/server\"";
    let (scheme, rest) = source.split_once("://").unwrap_or(("", source));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let wrong = if source.is_empty() {
        Some(("it is empty".to_owned(), format!("for example {example}")))
    } else if source.contains(char::is_whitespace) {
        Some(("a URL has no spaces".to_owned(), "escape them as %20".into()))
    } else if source.starts_with(['.', '/', '~']) || scheme == "file" {
        Some((
            "this file is on your own machine".to_owned(),
            "the instances fetch it themselves: upload it (`aws s3 cp server s3://BUCKET/server`) and give its URL"
                .into(),
        ))
    } else if scheme.is_empty() && service.run == Run::Binary && looks_like_image(source) {
        Some((
            "this looks like a container image".to_owned(),
            "add run = \"container\", or give the binary's URL".into(),
        ))
    } else if !matches!(scheme, "https" | "http" | "s3") {
        Some(("neither https:// nor s3://".to_owned(), format!("for example {example}")))
    } else if host.is_empty() || path.is_empty() {
        Some(("host and path, please".to_owned(), format!("for example {example}")))
    } else {
        None
    };
    if let Some((why, fix)) = wrong {
        rules.found.error("source_form", here, format!("{source:?} is not the URL of a file"), why, fix);
        return;
    }
    if scheme == "http" && service.sha256.is_none() {
        rules.found.warn(
            "source_plain_http",
            here.clone(),
            "the service is fetched without encryption",
            "anybody on the way could change it unseen",
            "use https://, or give its `sha256`",
        );
    }
    if scheme == "s3" && rules.config.iam.mode == Mode::Off {
        rules.found.push(
            Issue::error(
                "source_needs_profile",
                here.clone(),
                "the instances may not read from S3",
                "s3:// needs an instance profile",
                "use the object's https:// URL, or a profile: [iam] mode = \"create\" or \"use\"",
            )
            .with(crate::place::at("iam.mode"), "no profile"),
        );
    }
    let file = path.split(['?', '#']).next().unwrap_or_default().to_lowercase();
    let tar = file.ends_with(".tar.gz") || file.ends_with(".tgz");
    if service.run == Run::Binary && (tar || file.ends_with(".zip")) {
        rules.found.error(
            "source_is_archive",
            here,
            "an archive cannot be run as a binary",
            "run = \"binary\" starts the file itself",
            if tar {
                "add run = \"archive\" and, when it is not ./server, a `command`"
            } else {
                "pack it as .tar.gz and add run = \"archive\""
            },
        );
    } else if service.run == Run::Archive && !tar {
        rules.found.warn(
            "source_not_archive",
            here,
            "this does not look like an archive",
            "run = \"archive\" unpacks a .tar.gz",
            "name a .tar.gz, or set run = \"binary\"",
        );
    }
}

fn container(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    let here = place.key("source");
    let source = service.source.as_str();
    if source.contains("://") {
        rules.found.error(
            "source_form",
            here,
            format!("{source:?} is not the name of a container image"),
            "this is a URL",
            "name the image as Docker does (\"public.ecr.aws/docker/library/httpd:2.4\"), or set run = \"binary\"",
        );
        return;
    }
    let (name, digest) = source.split_once('@').map_or((source, None), |(name, digest)| (name, Some(digest)));
    let last = name.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once(':').map(|(_, tag)| tag);
    let sane = !name.is_empty()
        && name.split('/').all(|part| !part.is_empty())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "/:._-".contains(c))
        && tag.is_none_or(|tag| !tag.is_empty() && tag.len() <= 128)
        && digest.is_none_or(|digest| digest.starts_with("sha256:") && digest.len() == 71);
    if !sane {
        rules.found.error(
            "source_form",
            here,
            format!("{source:?} is not the name of a container image"),
            "registry/name:tag, or name@sha256:…",
            "for example \"public.ecr.aws/docker/library/httpd:2.4\"",
        );
        return;
    }
    if let Some(upper) = name.strip_suffix(tag.unwrap_or("")).unwrap_or(name).chars().find(char::is_ascii_uppercase) {
        rules.found.error(
            "source_form",
            here,
            format!("{source:?} is not the name of a container image"),
            format!("{upper:?} is a capital letter"),
            format!("write {:?}", source.to_lowercase()),
        );
        return;
    }
    if digest.is_none() && matches!(tag, None | Some("latest")) {
        rules.found.warn(
            "image_untagged",
            here,
            "instances may come to run different versions",
            "without a fixed tag each one pulls the newest at its boot",
            format!("name a version: \"{}:1.0\"", name.trim_end_matches(":latest")),
        );
    }
    for (key, given, instead) in [
        ("sha256", service.sha256.is_some(), "a digest goes into `source`: name@sha256:…"),
        ("command", service.command.is_some(), "the image says itself how it is started"),
    ] {
        if given {
            let issue = Issue::warning(
                "container_ignores",
                place.key(key),
                format!("`{key}` has no effect"),
                "run = \"container\" does not read it",
                format!("delete the line; {instead}"),
            );
            rules.found.push(issue.on_key());
        }
    }
}

/// `nginx:1.27`, `registry.example.com/team/api:1`.
fn looks_like_image(source: &str) -> bool {
    let last = source.rsplit('/').next().unwrap_or_default();
    last.contains(':') && source.chars().all(|c| c.is_ascii_alphanumeric() || "/:._-@".contains(c))
}
