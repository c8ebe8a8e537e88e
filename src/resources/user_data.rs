//! User data as AWS stores it and as people see it: without base64, gzip and passwords.
use crate::{
    config::signed,
    engine::secret,
    hidden::{self, DOTS},
    userdata,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// The script of an instance's first boot.
pub struct UserData {
    /// Base64 as AWS accepts it, or why it could not be rendered.
    pub encoded: Result<String, String>,
    /// The script with dots instead of passwords.
    pub shown: String,
    /// True if `encoded` contains passwords.
    pub secrets: bool,
}

/// User data in a plan. The hash is of the real script, including passwords.
#[derive(Serialize)]
pub(crate) struct Shown {
    sha256: String,
    script: String,
}

impl From<UserData> for Shown {
    fn from(wanted: UserData) -> Self {
        Self { sha256: wanted.sha256(), script: wanted.shown }
    }
}

impl Shown {
    /// Returns AWS's script, in the form of the wanted one if both are equal.
    pub(super) fn seen(encoded: &str, wanted: Option<UserData>) -> Self {
        let text = userdata::decode(encoded);
        let sha256 = sha256(&text);
        match wanted {
            Some(w) if w.sha256() == sha256 => w.into(),
            w => {
                let mut values = secret::known();
                values.extend(w.as_ref().map(UserData::values).unwrap_or_default());
                let text = String::from_utf8_lossy(&text);
                let script = masked(&hidden::without(&text, &values), w.as_ref().map_or("", |w| &w.shown));
                let script = signed::masked(&script);
                Self { sha256, script }
            }
        }
    }
}

impl UserData {
    /// Returns the passwords in the script, which are dots in the script for people.
    fn values(&self) -> Vec<String> {
        let Ok(encoded) = &self.encoded else { return vec![] };
        let (text, shown) = (userdata::decode(encoded), &self.shown);
        let text = String::from_utf8_lossy(&text);
        let value = |(line, shown): (&str, &str)| {
            let (before, after) = shown.split_once(DOTS)?;
            Some(line.strip_prefix(before)?.strip_suffix(after.rsplit(DOTS).next()?)?.to_owned())
        };
        text.lines().zip(shown.lines()).filter_map(value).collect()
    }

    fn sha256(&self) -> String {
        match &self.encoded {
            Ok(encoded) => sha256(userdata::decode(encoded)),
            Err(why) => format!("(not rendered: {why})"),
        }
    }
}

/// Returns the SHA-256 digest in hexadecimal.
pub(crate) fn sha256(of: impl AsRef<[u8]>) -> String {
    Sha256::digest(of).iter().map(|b| format!("{b:02x}")).collect()
}

/// Masks the passwords of another script, which somebody edited by hand.
///
/// Masked are the places where gameday's scripts have passwords, the passwords of the wanted script, and lines that
/// look like a password and are not in the wanted script. All other lines of the wanted script are known to be
/// harmless.
fn masked(script: &str, wanted: &str) -> String {
    let around: Vec<(&str, &str)> = wanted
        .lines()
        .filter_map(|l| Some((l.split_once(DOTS)?.0, l.rsplit_once(DOTS)?.1)))
        .filter(|(before, after)| !before.trim().is_empty() || !after.trim().is_empty())
        .collect();
    let known: HashSet<&str> = wanted.lines().collect();
    // The end of a block that writes a password: a marker line, or the next line.
    let mut inside: Option<String> = None;
    let mask = |line: &str| {
        let at = line.find(SECRETS);
        if let Some(end) = inside.take() {
            if line.trim() == end {
                return line.into();
            }
            if at.is_none() && !(end.is_empty() && known.contains(line)) {
                inside = Some(end).filter(|end| !end.is_empty());
                return DOTS.to_owned();
            }
        }
        if let Some(at) = at.filter(|_| !known.contains(line) || line.starts_with("put ")) {
            let (before, path) = line.split_at(at);
            inside = Some(
                path.split_once("<<").map_or("", |(_, end)| end.trim_matches(|c: char| "-'\" ".contains(c))).into(),
            );
            if known.contains(line) || line.trim_start().starts_with("put ") {
                return mask_guesses(line, wanted);
            }
            // `echo PASSWORD > FILE`, `FILE PASSWORD`.
            let name = path.split(char::is_whitespace).next().unwrap_or_default();
            let first = before.split_whitespace().next().unwrap_or_default();
            return format!("{first} {DOTS} {name} {DOTS}");
        }
        if known.contains(line) {
            return line.into();
        }
        if let Some((before, after)) = around.iter().find(|(b, a)| line.starts_with(b) && line.ends_with(a)) {
            return format!("{before}{DOTS}{after}");
        }
        match line.find(['=', ':']) {
            _ if !mentions_password(line) => mask_guesses(line, wanted),
            Some(value) if mentions_password(&line[..value]) => format!("{} {DOTS}", &line[..=value]),
            _ => DOTS.to_owned(),
        }
    };
    script.split('\n').map(mask).collect::<Vec<_>>().join("\n")
}

/// The folder where the scripts put passwords.
const SECRETS: &str = "/opt/gameday/secrets/";

/// True if the line mentions a password.
fn mentions_password(line: &str) -> bool {
    let lower = line.to_lowercase();
    ["pass", "secret", "pwd", "credential", "token", "identified by", "mysql", "redis"]
        .iter()
        .any(|w| lower.contains(w))
}

/// Masks words of a line that look like a generated password, also in base64.
///
/// Such a word is long, mixes all kinds of letters, and is not in the wanted script.
fn mask_guesses(line: &str, wanted: &str) -> String {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || "+/_=".contains(c);
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(from) = rest.find(is_inner) {
        shown += &rest[..from];
        rest = &rest[from..];
        let word = &rest[..rest.find(|c| !is_inner(c)).unwrap_or(rest.len())];
        let has = |is: fn(&char) -> bool| word.chars().any(|c| is(&c));
        let all_kinds = has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase) && has(char::is_ascii_digit);
        let is_one = word.len() >= 16 && all_kinds && !wanted.contains(word);
        shown += if is_one { DOTS } else { word };
        rest = &rest[word.len()..];
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, prelude::BASE64_STANDARD};

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
    fn no_hand_edit_shows_a_password() {
        let ours = |password: &str| {
            format!(
                "#!/bin/bash\nput /opt/gameday/secrets/app 0400 <<'@@'\n{password}\n@@\nif test -s /opt/gameday/secrets/app; then\n\
                 start\nfi\n"
            )
        };
        for password in ["0CYAZVDpL7mNqRstUvWx0CYAZVDpL7mN", "hunter2 it's", "correct horse"] {
            let wanted =
                UserData { encoded: Ok(BASE64_STANDARD.encode(ours(password))), shown: ours(DOTS), secrets: true };
            assert_eq!(wanted.values(), [password]);
            let put = format!("put /opt/gameday/secrets/app 0400 <<'@@'\n{password}\n");
            let encoded = BASE64_STANDARD.encode(format!("x{password}\n"));
            for edit in [
                ours(password).replace("put /opt", " put /opt"),
                ours(password).replace("put /opt", "\tput  /opt"),
                ours(password).replace("@@", "EOF"),
                ours(password).replace(&put, &format!("cat > /opt/gameday/secrets/app <<EOF\n{password}\nEOF\n@@\n")),
                ours(password).replace(&put, &format!("echo '{password}' > /opt/gameday/secrets/app\n@@\n")),
                format!("# {password}\n{}", ours(password)),
                format!("{}mysql -p{password} billing\n", ours(password)),
                format!("{}echo {encoded} | base64 -d\n", ours(password)),
                format!("{}echo {password} | chpasswd\n", ours(password)),
            ] {
                // Once with the known values, and once without.
                let edited = BASE64_STANDARD.encode(&edit);
                let again = UserData { encoded: wanted.encoded.clone(), shown: ours(DOTS), secrets: true };
                let shown = Shown::seen(&edited, Some(again)).script;
                assert!(!shown.contains(password) && !shown.contains(&encoded), "{edit}\n→\n{shown}");
                assert!(shown.contains("start\nfi"), "what is not edited is still seen: {shown}");
                // A comment that consists of the bare words of a password cannot be recognised.
                if !edit.starts_with("# ") {
                    let shown = masked(&edit, &ours(DOTS));
                    assert!(!shown.contains(password), "unknown: {edit}\n→\n{shown}");
                }
            }
        }
    }

    #[test]
    fn compressed_is_the_same_script() {
        use std::io::Write;
        let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
        gzip.write_all(b"#!/bin/bash").expect("into memory");
        let packed = BASE64_STANDARD.encode(gzip.finish().expect("into memory"));
        assert_eq!(userdata::decode(&packed), b"#!/bin/bash");
        assert_eq!(userdata::decode(&BASE64_STANDARD.encode("#!/bin/bash")), b"#!/bin/bash");
        assert_eq!(userdata::decode("not base64!"), b"not base64!");
    }
}
