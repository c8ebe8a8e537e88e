//! Which certificates are trusted: this machine's, or those of a bundle that the user names.
use crate::{
    config::file,
    error::{Error, Result},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::path::Path;

/// The size limit of a bundle, larger than one of all authorities.
const LARGEST: usize = 16 << 20;

/// The certificates of a bundle. Without one, this machine's are trusted.
#[derive(Clone, Debug, Default)]
pub struct Trust(Option<Bundle>);

#[derive(Clone, Debug)]
struct Bundle {
    /// `AWS_CA_BUNDLE (/etc/ca.pem)`
    from: String,
    certificates: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Reads the bundle that the environment or the profile names, in the order of the AWS CLI. `of_profile` is its
    /// `ca_bundle` and its place.
    pub fn load(of_profile: Option<(&str, String)>) -> Result<Self> {
        let of = |name: &'static str| {
            let path = std::env::var(name).ok().filter(|v| !v.trim().is_empty())?;
            Some((path.trim().to_owned(), name.to_owned()))
        };
        let profile = of_profile.map(|(path, place)| (path.to_owned(), format!("ca_bundle in {place}")));
        if let Some((path, by)) = of("AWS_CA_BUNDLE").or(profile).or_else(|| of("REQUESTS_CA_BUNDLE")) {
            let certificates = read(&path, &by)?;
            return Ok(Self(Some(Bundle { from: format!("{by} ({path})"), certificates })));
        }
        // The loader of this machine's certificates uses the variable, and ignores a missing file silently.
        if let Some((path, by)) = of("SSL_CERT_FILE").filter(|_| of("SSL_CERT_DIR").is_none()) {
            read(&path, &by)?;
        }
        Ok(Self(None))
    }

    /// Returns the bundle's source, for messages.
    pub fn from(&self) -> Option<&str> {
        self.0.as_ref().map(|b| b.from.as_str())
    }

    /// Returns the certificates of the bundle.
    pub fn certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.0.as_ref().map(|b| b.certificates.as_slice())
    }
}

fn read(path: &str, by: &str) -> Result<Vec<CertificateDer<'static>>> {
    let file = match (path.strip_prefix("~/"), etcetera::home_dir()) {
        (Some(rest), Ok(home)) => home.join(rest),
        _ => Path::new(path).into(),
    };
    let wrong = |why: String| {
        let help = format!("let {by} name a file of certificates in PEM form, or take it away");
        Error::other(format!("{by} names {path}, which {why}"), help)
    };
    if file.is_dir() {
        return Err(wrong("is a folder".into()));
    }
    let bytes = file::read(&file, LARGEST).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => wrong("is not there".into()),
        _ => wrong(format!("cannot be read: {e}")),
    })?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(wrong("is empty".into()));
    }
    let mut trusted = RootCertStore::empty();
    let mut found = vec![];
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|e| wrong(format!("is not valid PEM: {e}")))?;
        // Many bundles hold old certificates that can no longer be parsed.
        if trusted.add(certificate.clone()).is_ok() {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err(wrong("has no certificate in PEM form (-----BEGIN CERTIFICATE-----)".into()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_bundle_is_said_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        for (path, why) in [
            (folder.path().join("gone").to_str().unwrap().to_owned(), "is not there"),
            (folder.path().to_str().unwrap().to_owned(), "is a folder"),
            (file("empty", b"\n"), "is empty"),
            (file("text", b"hello"), "no certificate"),
            (file("der", &[0x30, 0x82, 1, 2, 0xff]), "no certificate"),
            (file("key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "no certificate"),
            (file("cut", b"-----BEGIN CERTIFICATE-----\nAAAA\n"), "not valid PEM"),
            (file("junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "no certificate"),
        ] {
            let said = read(&path, "AWS_CA_BUNDLE").unwrap_err().to_string();
            assert!(said.contains("AWS_CA_BUNDLE") && said.contains(&path) && said.contains(why), "{said}");
        }
    }
}
