//! Answers honestly: who may ask, what has not changed, what is compressed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, VARY, WWW_AUTHENTICATE,
};
use hyper::{Method, Response, StatusCode};
use sha1::Digest as _;

use crate::MockError;
use crate::builder::hex;
use crate::folder::{Folder, Form};
use crate::record::Upstream;
use crate::route::Route;
use crate::server::Auth;
use crate::wire::Body;

/// What honest answers are made from.
pub struct Source {
    pub folder: Arc<Folder>,
    pub auth: Vec<Auth>,
    pub max_age: Option<u32>,
    pub upstream: Option<Upstream>,
}

/// A request as far as honest answers look at it.
pub struct Asked<'a> {
    pub method: &'a Method,
    pub route: &'a Route,
    pub headers: &'a HeaderMap,
}

/// The answer to a request; trouble of the mock's own is a 500 that says what it is.
pub async fn answer(source: &Source, asked: &Asked<'_>) -> Response<Body> {
    if !is_allowed(&source.auth, asked.headers) {
        return unauthorized(&source.auth);
    }
    let mut answer = match content(source, asked).await {
        Ok(answer) => answer,
        Err(error) => trouble(&error),
    };
    if *asked.method == Method::HEAD {
        *answer.body_mut() = Body::empty();
    }
    answer
}

/// A JSON answer.
pub fn json(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut answer = whole("application/json", text.into());
    *answer.status_mut() = status;
    answer
}

async fn content(source: &Source, asked: &Asked<'_>) -> Result<Response<Body>, MockError> {
    match asked.route {
        Route::Ping => Ok(json(StatusCode::OK, "{}")),
        Route::Advisory if *asked.method == Method::POST => Ok(json(StatusCode::OK, "{}")),
        Route::Packument { name } if is_read(asked.method) => packument(source, asked, name).await,
        Route::Tarball { name, file } if is_read(asked.method) => {
            tarball(source, asked, name, file).await
        }
        Route::Packument { .. } | Route::Tarball { .. } => Ok(json(
            StatusCode::METHOD_NOT_ALLOWED,
            r#"{"error":"this registry only reads"}"#,
        )),
        _ => Ok(not_found()),
    }
}

async fn packument(
    source: &Source,
    asked: &Asked<'_>,
    name: &str,
) -> Result<Response<Body>, MockError> {
    if let Some(upstream) = &source.upstream
        && let Some(refusal) = upstream.keep_packument(&source.folder, name).await?
    {
        return Ok(refusal.into_answer());
    }
    let form = accepted_form(asked.headers);
    let (folder, name) = (source.folder.clone(), name.to_owned());
    let gzip = accepts_gzip(asked.headers);
    let found = blocking(move || {
        let document = folder.packument(&name, form)?;
        // Compressing is work too, and is done once.
        Ok(document.map(|document| {
            let body = if gzip {
                document.gzip()
            } else {
                document.text.clone()
            };
            (document, body)
        }))
    })
    .await?;
    let Some((document, body)) = found else {
        return Ok(not_found());
    };
    let mut answer = whole(form.content_type(), body);
    set(&mut answer, VARY, "accept, accept-encoding");
    if gzip {
        set(&mut answer, CONTENT_ENCODING, "gzip");
    }
    // Weak, because the compressed text has the same tag.
    let tag = format!("W/\"{}\"", document.tag);
    Ok(cacheable(source, asked, answer, &tag))
}

async fn tarball(
    source: &Source,
    asked: &Asked<'_>,
    name: &str,
    file: &str,
) -> Result<Response<Body>, MockError> {
    if let Some(upstream) = &source.upstream
        && let Some(refusal) = upstream.keep_tarball(&source.folder, name, file).await?
    {
        return Ok(refusal.into_answer());
    }
    let (folder, name, file) = (source.folder.clone(), name.to_owned(), file.to_owned());
    let found = blocking(move || {
        let bytes = folder.tarball(&name, &file)?;
        Ok(bytes.map(|bytes| (hex(&sha1::Sha1::digest(&bytes)), bytes)))
    })
    .await?;
    let Some((tag, bytes)) = found else {
        return Ok(not_found());
    };
    let answer = whole("application/octet-stream", bytes);
    Ok(cacheable(source, asked, answer, &format!("\"{tag}\"")))
}

/// The answer with its validator and age; or only these, when the client has the content.
fn cacheable(
    source: &Source,
    asked: &Asked<'_>,
    mut answer: Response<Body>,
    tag: &str,
) -> Response<Body> {
    set(&mut answer, ETAG, tag);
    if let Some(seconds) = source.max_age {
        set(
            &mut answer,
            CACHE_CONTROL,
            &format!("public, max-age={seconds}"),
        );
    }
    if has_content(asked.headers, tag) {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        *answer.body_mut() = Body::empty();
        for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING] {
            answer.headers_mut().remove(name);
        }
    }
    answer
}

/// `If-None-Match` by weak comparison (RFC 9110, 13.1.2).
fn has_content(headers: &HeaderMap, tag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tag = bare(tag);
    values(headers, &IF_NONE_MATCH).any(|value| {
        value
            .split(',')
            .any(|seen| seen.trim() == "*" || bare(seen) == tag)
    })
}

fn accepted_form(headers: &HeaderMap) -> Form {
    let wanted = Form::Abbreviated.content_type();
    if values(headers, &ACCEPT).any(|value| value.contains(wanted)) {
        Form::Abbreviated
    } else {
        Form::Full
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    values(headers, &ACCEPT_ENCODING)
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let (coding, quality) = coding.split_once(';').unwrap_or((coding, ""));
            coding.trim() == "gzip" && !matches!(quality.trim(), "q=0" | "q=0.0")
        })
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// Whether the request carries one of the credentials, if any are asked for.
fn is_allowed(auth: &[Auth], headers: &HeaderMap) -> bool {
    auth.is_empty()
        || values(headers, &AUTHORIZATION).any(|given| {
            auth.iter().any(|auth| match auth {
                Auth::Bearer(token) => given == format!("Bearer {token}"),
                Auth::Basic(pair) => given == format!("Basic {}", BASE64.encode(pair)),
            })
        })
}

fn unauthorized(auth: &[Auth]) -> Response<Body> {
    let scheme = match auth.first() {
        Some(Auth::Basic(_)) => "Basic realm=\"registry-mock\"",
        _ => "Bearer",
    };
    let mut answer = json(
        StatusCode::UNAUTHORIZED,
        r#"{"error":"authentication required"}"#,
    );
    set(&mut answer, WWW_AUTHENTICATE, scheme);
    answer
}

fn not_found() -> Response<Body> {
    json(StatusCode::NOT_FOUND, r#"{"error":"Not found"}"#)
}

fn trouble(error: &MockError) -> Response<Body> {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    let text = format!("{error}{}", cause.unwrap_or_default());
    let body = serde_json::json!({ "error": text }).to_string();
    json(StatusCode::INTERNAL_SERVER_ERROR, body)
}

fn whole(content_type: &'static str, body: Bytes) -> Response<Body> {
    let length = HeaderValue::from(body.len());
    let mut answer = Response::new(Body::Whole(body));
    set(&mut answer, CONTENT_TYPE, content_type);
    answer.headers_mut().insert(CONTENT_LENGTH, length);
    answer
}

/// Sets a header whose value is known to be printable.
fn set(answer: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// Runs disk work off the connection's thread.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MockError> + Send + 'static,
) -> Result<T, MockError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
