//! User data as AWS holds it and as people see it: without base64, gzip and passwords.
use crate::config::signed;
use crate::userdata;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{collections::HashSet, io::Read};

/// What an instance runs at its first boot.
pub struct UserData {
    /// Base64 as AWS takes it, or why it could not be rendered.
    pub encoded: Result<String, String>,
    /// The script with dots for passwords.
    pub shown: String,
    /// Whether `encoded` holds passwords.
    pub secrets: bool,
}

/// User data as a plan shows it. The hash is of the script as it runs, passwords and all.
#[derive(Serialize)]
pub struct Shown {
    sha256: String,
    script: String,
}

const DOTS: &str = "••••••••";

impl From<UserData> for Shown {
    fn from(wanted: UserData) -> Self {
        Self { sha256: wanted.sha256(), script: wanted.shown }
    }
}

impl Shown {
    /// The script that AWS holds, in the form of the one that is wanted when it is the same.
    pub(super) fn seen(encoded: &str, wanted: Option<UserData>) -> Self {
        let text = decoded(encoded);
        let sha256 = sha256(&text);
        match wanted {
            Some(w) if w.sha256() == sha256 => w.into(),
            w => {
                let script = masked(&String::from_utf8_lossy(&text), w.as_ref().map_or("", |w| &w.shown));
                let script = signed::masked(&script);
                Self { sha256, script }
            }
        }
    }
}

impl UserData {
    fn sha256(&self) -> String {
        match &self.encoded {
            Ok(encoded) => sha256(&decoded(encoded)),
            Err(why) => format!("(not rendered: {why})"),
        }
    }
}

pub(super) fn sha256(of: impl AsRef<[u8]>) -> String {
    Sha256::digest(of).iter().map(|b| format!("{b:02x}")).collect()
}

/// What cloud-init sees: without base64, and without gzip if it was compressed.
fn decoded(encoded: &str) -> Vec<u8> {
    let raw = BASE64_STANDARD.decode(encoded.trim()).unwrap_or_else(|_| encoded.as_bytes().to_vec());
    let mut text = Vec::new();
    match flate2::read::MultiGzDecoder::new(&raw[..]).take(userdata::UNPACKED).read_to_end(&mut text) {
        Ok(_) if raw.starts_with(&[0x1f, 0x8b]) => text,
        _ => raw,
    }
}

/// Another script, without passwords: neither where our scripts have them, nor where the wanted one has, nor where a line
/// that is not in the wanted one looks like it.
fn masked(script: &str, wanted: &str) -> String {
    let around: Vec<(&str, &str)> = wanted
        .lines()
        .filter_map(|l| Some((l.split_once(DOTS)?.0, l.rsplit_once(DOTS)?.1)))
        .filter(|(before, after)| !before.trim().is_empty() || !after.trim().is_empty())
        .collect();
    let known: HashSet<&str> = wanted.lines().collect();
    let mut after_put = false;
    let mask = |line: &str| {
        if std::mem::replace(&mut after_put, userdata::is_before_secret(line)) {
            return DOTS.to_owned();
        }
        if known.contains(line) {
            return line.into();
        }
        if let Some((before, after)) = around.iter().find(|(b, a)| line.starts_with(b) && line.ends_with(a)) {
            return format!("{before}{DOTS}{after}");
        }
        let lower = line.to_lowercase();
        let Some(value) = line.find(['=', ':']) else { return line.into() };
        let names_one = ["pass", "secret", "pwd"].iter().any(|w| lower.contains(w));
        if names_one { format!("{} {DOTS}", &line[..=value]) } else { line.into() }
    };
    script.split('\n').map(mask).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_another_script_are_not_shown() {
        let wanted = format!("--user '{DOTS}' --x\nport = 80\n");
        let other = "--user 'hunter2' --x\nMysqlPass = \"hunter2\"\nexport DB_SECRET=hunter2\nport = 8080\n";
        let shown = masked(other, &wanted);
        assert_eq!(shown, format!("--user '{DOTS}' --x\nMysqlPass = {DOTS}\nexport DB_SECRET= {DOTS}\nport = 8080\n"));
    }

    #[test]
    fn an_older_script_of_ours_differs_only_where_it_differs() {
        let ours = |password: &str, level: &str| {
            format!("put /opt/gameday/secrets/app 0400 <<'@@'\n{password}\n@@\nlocal user=password\nLOG={level}\n")
        };
        assert_eq!(masked(&ours("hunter2", "debug"), &ours(DOTS, "info")), ours(DOTS, "debug"));
    }

    #[test]
    fn compressed_is_the_same_script() {
        use std::io::Write;
        let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
        gzip.write_all(b"#!/bin/bash").expect("into memory");
        let packed = BASE64_STANDARD.encode(gzip.finish().expect("into memory"));
        assert_eq!(decoded(&packed), b"#!/bin/bash");
        assert_eq!(decoded(&BASE64_STANDARD.encode("#!/bin/bash")), b"#!/bin/bash");
        assert_eq!(decoded("not base64!"), b"not base64!");
    }
}
