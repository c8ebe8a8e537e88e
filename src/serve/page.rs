//! The page: one file that needs only `/status`, with a policy under which a browser runs nothing else.
use axum::{
    http::{HeaderValue, header::CONTENT_SECURITY_POLICY},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const PAGE: &str = include_str!("../../templates/page.html");

/// Allows only the style and the script in the file, by their hashes.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = |tag: &str| {
        let (_, rest) = PAGE.split_once(&format!("<{tag}>")).expect("the page has it");
        let (inside, _) = rest.split_once(&format!("</{tag}>")).expect("and it ends");
        format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(inside)))
    };
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash("style"),
        hash("script")
    );
    HeaderValue::from_str(&policy).expect("it is ASCII")
});

/// Returns the page with its policy.
pub(super) async fn page() -> Response {
    let mut page = Html(PAGE).into_response();
    page.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    page
}
