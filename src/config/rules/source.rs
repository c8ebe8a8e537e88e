//! The program of a service.
use super::Rules;
use crate::check::Issue;
use crate::command::{self, After, Kind};
use crate::place::Place;
use crate::signed::{self, Validity};
use crate::{Mode, Run, Service, markup};
use jiff::Timestamp;

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
    start(rules, place, service);
    for (key, file) in [("config", &service.config), ("user_data", &service.user_data)] {
        if let Some(file) = file {
            rules.file_exists(place.key(key), file);
            template_without_ending(rules, place.key(key), file);
        }
    }
}

/// Checks the start command: a command line that stays in the foreground, or the arguments of a container.
fn start(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    let Some(text) = &service.command else { return };
    let here = place.key("command");
    if text.chars().any(char::is_control) && !rules.raw(&here).contains('\n') {
        return;
    }
    let example = "for example \"./server -config server.ini\", or delete the line for ./server";
    let line = match command::read(text) {
        _ if text.trim().is_empty() || text.contains('\n') => {
            Err("it has to be one line that starts the service".to_owned())
        }
        Err(open) => Err(format!("{open} is not closed")),
        Ok(line) => Ok(line),
    };
    let line = match line {
        Ok(line) => line,
        Err(why) => {
            rules.found.error("command", here, "this is not a command line", why, example);
            return;
        }
    };
    let container = service.run == Run::Container;
    if container {
        arguments(rules, place, text, &line);
    }
    for doubt in line.doubts() {
        let (why, fix) = (doubt.why, doubt.fix);
        match doubt.kind {
            Kind::Root | Kind::Nothing if container => {}
            Kind::Background if doubt.sure => {
                let what = "the start command would end, and systemd would restart it endlessly";
                rules.found.error("command_background", here.clone(), what, why, fix);
            }
            Kind::Background => {
                let what = "the start command may end, and systemd would restart it endlessly";
                rules.found.warn("command_may_end", here.clone(), what, why, fix);
            }
            Kind::Root => {
                let what = "the start command changes the user";
                rules.found.error("command_root", here.clone(), what, why, fix);
            }
            Kind::Nothing => {
                rules.found.error("command_nothing", here.clone(), "the start command starts nothing", why, fix);
            }
        }
    }
}

/// Checks the words after the image's name, which go to its entry point and to no shell.
fn arguments(rules: &mut Rules<'_>, place: &Place, text: &str, line: &command::CommandLine) {
    let here = place.key("command");
    let quoted = text.replace('\'', r"'\''");
    let in_a_shell = format!("start a shell in the container: command = \"\"\"sh -c '{quoted}'\"\"\"");
    let first = line.commands.first();
    let why = match first {
        _ if line.compound => Some("brackets and conditions need a shell"),
        Some(c) if !matches!(c.after, After::End) => Some("&&, |, ; and & need a shell"),
        Some(c) if c.redirected => Some("< and > need a shell"),
        Some(c) if !c.assignments.is_empty() => Some("a variable before the command needs a shell"),
        _ => None,
    };
    if let Some(why) = why {
        let fix = match first.is_some_and(|c| !c.assignments.is_empty()) {
            true => format!("put the variable under [{place}.env]"),
            false => in_a_shell,
        };
        rules.found.error("command_no_shell", here, "a container gets words, and no shell reads them", why, fix);
    } else if let Some(word) =
        first.and_then(|c| c.words.iter().find(|w| w.contains(['$', '`', '*']) && !w.contains(char::is_whitespace)))
    {
        rules.found.warn(
            "command_literal",
            here,
            format!("the container gets {word:?} unchanged"),
            "no shell reads the words, so nothing replaces it",
            in_a_shell,
        );
    }
}

/// Reports a file that uses gameday's names but does not end in `.j2`.
pub(super) fn template_without_ending(rules: &mut Rules<'_>, place: Place, file: &str) {
    if crate::is_template(file) {
        return;
    }
    let Some(text) = rules.includes.read(file).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else { return };
    let Some(mark) = markup::unrendered(&text) else { return };
    let line = text[..mark.at.start].matches('\n').count() + 1;
    let piece: String = text[mark.at].lines().next().unwrap_or_default().chars().take(60).collect();
    rules.found.warn(
        "template_ending",
        place,
        format!("{file} is delivered unchanged, including {piece}"),
        format!("line {line} looks like a template, but only names that end in .j2 are templates"),
        format!("rename it to {file}.j2, here too, to have it rendered"),
    );
}

fn download(rules: &mut Rules<'_>, place: &Place, service: &Service) {
    let here = place.key("source");
    let source = service.source.as_str();
    let example = "\"https://example-bucket.s3.amazonaws.com/server\"";
    let (scheme, rest) = source.split_once("://").unwrap_or(("", source));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let wrong = if source.is_empty() {
        Some(("it is empty".to_owned(), format!("for example {example}")))
    } else if source.trim() != source {
        Some(("it begins or ends with a space".to_owned(), format!("write {:?}", source.trim())))
    } else if source.contains(char::is_whitespace) && scheme != "s3" {
        Some(("a URL has no spaces".to_owned(), format!("escape them: {:?}", source.replace(' ', "%20"))))
    } else if source.contains('\\') && scheme != "s3" {
        Some(("the parts of a URL are separated by /".to_owned(), format!("write {:?}", source.replace('\\', "/"))))
    } else if source.starts_with(['.', '/', '~']) || scheme == "file" {
        Some((
            "this file is on your own machine".to_owned(),
            "the instances download it themselves: upload it (`aws s3 cp server s3://BUCKET/server`) and give its URL"
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
        Some(("host or path is missing".to_owned(), format!("for example {example}")))
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
            "the service is downloaded without encryption",
            "anybody between could change it unnoticed",
            "use https://, or give its `sha256`",
        );
    }
    if scheme == "s3" && rules.config.iam.mode == Mode::Off {
        rules.found.push(
            Issue::error(
                "source_needs_profile",
                here.clone(),
                "the instances are not allowed to read from S3",
                "s3:// needs an instance profile",
                "use the object's https:// URL, or a profile: [iam] mode = \"create\" or \"use\"",
            )
            .with(crate::place::at("iam.mode"), "no profile"),
        );
    }
    if scheme == "s3" && has_escapes(path) {
        rules.found.warn(
            "source_escaped",
            here.clone(),
            "in s3:// a key is not escaped",
            "%20 means three characters of the key here, not a space",
            format!("if the key has spaces, write them: {:?}", source.replace("%20", " ")),
        );
    }
    expiry(rules, here.clone(), source, Timestamp::now());
    // A URL can have a query. In a key of S3 every character belongs to the name.
    let file = if scheme == "s3" { path } else { path.split(['?', '#']).next().unwrap_or_default() };
    kind_of_file(rules, here, &file.to_lowercase(), service.run);
}

/// The endings that tar on Amazon Linux unpacks.
const TAR: &[&str] =
    &[".tar", ".tar.gz", ".tgz", ".taz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst"];

fn kind_of_file(rules: &mut Rules<'_>, here: Place, file: &str, run: Run) {
    let ends = |all: &[&'static str]| all.iter().filter(|e| file.ends_with(**e)).max_by_key(|e| e.len()).copied();
    let tar = ends(TAR);
    let other = ends(&[
        ".zip", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst", ".lz", ".lz4", ".tar.lz", ".tar.lz4", ".tar.lzo",
        ".tar.z", ".tar.br", ".cpio", ".ar",
    ]);
    let package = ends(&[".deb", ".rpm", ".apk", ".snap", ".msi", ".exe", ".dmg", ".pkg", ".iso", ".img", ".appimage"]);
    let program =
        ends(&[".jar", ".war", ".py", ".pyz", ".js", ".mjs", ".rb", ".php", ".sh", ".pl", ".whl", ".gem", ".wasm"]);
    match (run, tar, other, package, program) {
        (Run::Binary, Some(_), ..) => rules.found.error(
            "source_is_archive",
            here,
            "an archive cannot be run as a binary",
            "run = \"binary\", the default, starts the file itself",
            "add run = \"archive\" and, when it is not ./server, a `command`",
        ),
        (Run::Archive, Some(_), ..) => {}
        (Run::Binary, None, Some(ending), ..) => rules.found.error(
            "source_is_archive",
            here,
            "an archive cannot be run as a binary",
            format!("run = \"binary\", the default, starts the file itself; this is a {ending}"),
            "unpack it and upload the binary, or pack it as .tar.gz and add run = \"archive\"",
        ),
        (_, _, Some(ending), ..) => rules.found.error(
            "archive_kind",
            here,
            format!("{ending} is not unpacked"),
            "run = \"archive\" accepts .tar, .tar.gz, .tar.bz2, .tar.xz, .tar.zst",
            "pack it again: `tar czf app.tar.gz -C FOLDER .`",
        ),
        (_, _, _, Some(ending), _) => rules.found.error(
            "source_kind",
            here,
            format!("{ending} is neither a binary nor an archive"),
            "nothing installs it on the instances",
            "pack what it installs as .tar.gz with run = \"archive\", or install it in a boot script (`user_data`)",
        ),
        (_, _, _, _, Some(ending)) => rules.found.error(
            "source_kind",
            here,
            format!("{ending} is not a binary"),
            "it needs a program that runs it",
            format!(
                "pack it as .tar.gz, add run = \"archive\" and `command` = \"{} …\"",
                match ending {
                    ".jar" | ".war" => "java -jar",
                    ".py" | ".pyz" | ".whl" => "python3",
                    ".js" | ".mjs" => "node",
                    ".sh" => "bash",
                    ".rb" | ".gem" => "ruby",
                    ".php" => "php -S",
                    ".pl" => "perl",
                    _ => "PROGRAM",
                }
            ),
        ),
        (Run::Archive, ..) => rules.found.warn(
            "source_not_archive",
            here,
            "this does not look like an archive",
            "run = \"archive\" accepts what tar unpacks, such as .tar.gz",
            "name a .tar.gz, or set run = \"binary\"",
        ),
        _ => {}
    }
}

/// Checks a URL that expires, since every later instance downloads it again.
fn expiry(rules: &mut Rules<'_>, here: Place, source: &str, now: Timestamp) {
    let Some(holds) = signed::validity(source) else { return };
    let way_out =
        "upload the file to a bucket of your own and give its s3:// URL, which the instances' role is allowed to read";
    let until = match holds {
        Validity::Until(until) => until,
        Validity::Unknown => {
            rules.found.warn(
                "source_signed",
                here,
                "the signed URL will expire",
                "the URL does not show when; instances that start later cannot download it",
                way_out,
            );
            return;
        }
    };
    let moment = until.strftime("%Y-%m-%d %H:%M UTC");
    if until <= now {
        rules.found.error(
            "source_expired",
            here,
            format!("the signed URL expired at {moment}"),
            "instances can no longer download it",
            format!("sign it again; better: {way_out}"),
        );
        return;
    }
    let sooner = match source.to_ascii_lowercase().contains("x-amz-security-token=") {
        true => ", sooner if the credentials that signed it expire earlier",
        false => "",
    };
    let left = until.duration_since(now);
    let left = if left.as_hours() < 24 * 365 { format!(", {} from now", signed::long(left)) } else { String::new() };
    rules.found.warn(
        "source_expires",
        here,
        format!("the signed URL expires at {moment}{left}{sooner}"),
        "instances that start later, for scaling or as a replacement, cannot download it",
        way_out,
    );
}

/// True for escapes such as `%20`.
fn has_escapes(text: &str) -> bool {
    let hex = |i: usize| text.as_bytes().get(i).is_some_and(u8::is_ascii_hexdigit);
    text.match_indices('%').any(|(at, _)| hex(at + 1) && hex(at + 2))
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
            "instances may run different versions",
            "without a fixed tag each instance pulls the newest image at its boot",
            format!("name a version: \"{}:1.0\"", name.trim_end_matches(":latest")),
        );
    }
    if service.sha256.is_some() {
        let issue = Issue::warning(
            "container_ignores",
            place.key("sha256"),
            "`sha256` has no effect",
            "run = \"container\" does not use it",
            "delete the line; a digest goes into `source`: name@sha256:…",
        );
        rules.found.push(issue.on_key());
    }
}

/// True for texts such as `nginx:1.27` or `registry.example.com/team/api:1`.
fn looks_like_image(source: &str) -> bool {
    let last = source.rsplit('/').next().unwrap_or_default();
    last.contains(':') && source.chars().all(|c| c.is_ascii_alphanumeric() || "/:._-@".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_url_is_said_with_the_time_that_is_left() {
        let source = "https://b.s3.amazonaws.com/server?X-Amz-Date=20261129T100000Z&X-Amz-Expires=3600&X-Amz-Security-Token=x&X-Amz-Signature=y";
        let text = format!("name = \"x\"\n[service.api]\nsource = \"{source}\"\n");
        let config: crate::Config = toml::from_str(&text).unwrap();
        let said = |now: &str| {
            let mut rules = Rules::of_test(&config);
            expiry(&mut rules, Place::default(), source, now.parse().unwrap());
            let problems = rules.found.locate(&crate::place::Map::default(), "");
            problems[0].message.clone()
        };
        assert_eq!(
            said("2026-11-29T10:10:00Z"),
            "the signed URL expires at 2026-11-29 11:00 UTC, 50 minutes from now, sooner if the credentials that signed it expire earlier"
        );
        assert_eq!(said("2026-11-29T11:00:00Z"), "the signed URL expired at 2026-11-29 11:00 UTC");
    }
}
