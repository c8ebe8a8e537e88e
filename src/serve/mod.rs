//! The big screen over HTTP: a page, the same as JSON, and the machines behind a balancer.
//!
//! Pictures are made elsewhere, once for all viewers, and changes are made elsewhere, one after the other. This module
//! therefore knows no AWS, and ten browsers cause no more calls than one.
mod access;
mod connections;
mod page;

pub use access::{Access, Token};
pub use connections::serve;

use crate::{
    error::Class,
    output::{plain, targets::Message},
    targets,
};
use access::Denied;
use axum::{
    Json, Router,
    body::{Body, Bytes, to_bytes},
    extract::{DefaultBodyLimit, Path, Request, State, rejection::JsonRejection},
    http::{
        HeaderValue, Method, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot, watch};

/// How long a request waits for the first picture.
const FIRST: Duration = Duration::from_secs(10);
/// The size limit of a body, larger than any valid one.
const LARGEST: usize = 4096;
/// How long receiving a body may take.
const SLOWEST: Duration = Duration::from_secs(10);

/// The JSON of the latest round, once there is one.
pub type Picture = Option<Bytes>;

/// The state that the handlers share.
pub struct Site {
    pub access: Access,
    pub picture: watch::Receiver<Picture>,
    pub asks: mpsc::Sender<Ask>,
}

/// A request for the desk, and where its answer goes.
pub struct Ask {
    pub balancer: String,
    pub action: Action,
    pub answer: oneshot::Sender<Answer>,
}

/// The kinds of requests.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    List,
    /// This instance.
    Attach(String),
    Detach(String),
}

/// A status and a JSON body.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    body: Bytes,
}

impl Answer {
    /// Makes an answer with the body `{"message": …}`.
    pub fn new(status: StatusCode, message: impl Serialize) -> Self {
        let body = plain::json(&serde_json::to_value(Message { message }).expect("messages serialise"));
        Self { status, body: body.into() }
    }

    /// Makes the answer for a failure, with its way out.
    pub fn refused(e: &targets::Error) -> Self {
        use targets::Error as E;
        let status = match e {
            E::NoBalancer { .. } => StatusCode::NOT_FOUND,
            E::NoId(_) | E::NoInstance(_) => StatusCode::BAD_REQUEST,
            E::Aws(e) if e.class() == Some(Class::Denied) => StatusCode::FORBIDDEN,
            E::Aws(_) => StatusCode::BAD_GATEWAY,
            _ => StatusCode::CONFLICT,
        };
        Self::new(status, with_help(&e.to_string(), e.help().as_deref()))
    }
}

fn with_help(what: &str, help: Option<&str>) -> String {
    help.map_or(what.to_owned(), |help| format!("{what}; {help}"))
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, [(CONTENT_TYPE, "application/json")], self.body).into_response()
    }
}

/// Makes the router of the site.
pub fn router(site: Site) -> Router {
    let site = Arc::new(site);
    Router::new()
        .route("/", get(page::page))
        .route("/healthcheck", get(async || Answer::new(StatusCode::OK, "ok")))
        .route("/status", get(status))
        .route("/elb/{name}", get(list).post(attach).delete(detach))
        .fallback(async || {
            Answer::new(StatusCode::NOT_FOUND, "there is nothing here; / is the page, /status and /elb/NAME are JSON")
        })
        .method_not_allowed_fallback(async || {
            let how = "GET is for everything, POST and DELETE only for /elb/NAME";
            Answer::new(StatusCode::METHOD_NOT_ALLOWED, how)
        })
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(middleware::from_fn_with_state(site.clone(), gate))
        .with_state(site)
}

/// Checks access, and adds the headers that every answer has.
async fn gate(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let from = request.extensions().get::<connections::ClientAddress>().copied();
    let judged = site.access.judge(from, request.method(), request.uri().path(), request.headers());
    let mut answer = match judged {
        Ok(()) => match whole(request).await {
            Ok(request) => next.run(request).await,
            Err(answer) => answer.into_response(),
        },
        Err(no) => {
            let mut answer = Answer::new(no.status(), no.to_string()).into_response();
            let headers = answer.headers_mut();
            match no {
                Denied::Token => {
                    let ask = HeaderValue::from_static(r#"Basic realm="gameday", charset="UTF-8""#);
                    headers.insert(WWW_AUTHENTICATE, ask);
                }
                Denied::TooMany(seconds) => _ = headers.insert(RETRY_AFTER, seconds.into()),
                _ => {}
            }
            answer
        }
    };
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Reads the whole body, which may be neither large nor slow.
async fn whole(request: Request) -> Result<Request, Answer> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    match tokio::time::timeout(SLOWEST, to_bytes(body, LARGEST)).await {
        Ok(Ok(body)) => Ok(Request::from_parts(head, Body::from(body))),
        Ok(Err(_)) => {
            let what = format!("the body is larger than {LARGEST} bytes, or broken off");
            Err(Answer::new(StatusCode::PAYLOAD_TOO_LARGE, with_help(&what, Some(WAY_OUT))))
        }
        Err(_) => {
            let what = format!("the body did not come within {} s", SLOWEST.as_secs());
            Err(Answer::new(StatusCode::REQUEST_TIMEOUT, with_help(&what, Some(WAY_OUT))))
        }
    }
}

/// The way out for a change with an invalid body.
const WAY_OUT: &str = r#"send {"instanceId": "i-…"} with Content-Type: application/json"#;

async fn status(State(site): State<Arc<Site>>) -> Response {
    let mut picture = site.picture.clone();
    let seen = tokio::time::timeout(FIRST, picture.wait_for(Option::is_some)).await;
    match seen {
        Ok(Ok(picture)) => ([(CONTENT_TYPE, "application/json")], picture.clone().unwrap_or_default()).into_response(),
        _ => {
            let wait = "the account is being looked at for the first time; try again in a few seconds";
            let mut answer = Answer::new(StatusCode::SERVICE_UNAVAILABLE, wait).into_response();
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("3"));
            answer
        }
    }
}

/// The body of a change.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Which {
    instance_id: String,
}

async fn list(site: State<Arc<Site>>, name: Path<String>) -> Answer {
    ask(site, name, Action::List).await
}

async fn attach(site: State<Arc<Site>>, name: Path<String>, body: Result<Json<Which>, JsonRejection>) -> Answer {
    match body {
        Ok(Json(which)) => ask(site, name, Action::Attach(which.instance_id)).await,
        Err(e) => unread(&e),
    }
}

async fn detach(site: State<Arc<Site>>, name: Path<String>, body: Result<Json<Which>, JsonRejection>) -> Answer {
    match body {
        Ok(Json(which)) => ask(site, name, Action::Detach(which.instance_id)).await,
        Err(e) => unread(&e),
    }
}

fn unread(e: &JsonRejection) -> Answer {
    // JSON of another shape is as wrong as no JSON.
    let status = match e.status() {
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        status => status,
    };
    Answer::new(status, with_help(e.body_text().trim_end_matches('.'), Some(WAY_OUT)))
}

async fn ask(State(site): State<Arc<Site>>, Path(balancer): Path<String>, action: Action) -> Answer {
    let (answer, answered) = oneshot::channel();
    _ = site.asks.send(Ask { balancer, action, answer }).await;
    answered.await.unwrap_or_else(|_| {
        Answer::new(StatusCode::SERVICE_UNAVAILABLE, "gameday is ending; start `gameday serve` again")
    })
}
