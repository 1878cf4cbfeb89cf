//! Turns an honest answer into the faulty one.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, LOCATION, RETRY_AFTER,
};
use hyper::{Response, StatusCode};
use tokio::time::sleep;

use crate::fault::Fault;
use crate::route::Kind;
use crate::wire::{Body, Control};

/// How many bytes of an answer come slowly when its headers do.
const SLOW_BYTES: u64 = 64;
/// Long enough for what was sent before a bad end to leave.
const BEFORE_END: Duration = Duration::from_millis(50);
const PIECE: usize = 64 * 1024;
const PAGE: &str =
    "<!DOCTYPE html>\n<title>Welcome</title>\n<p>Please sign in to use this network.\n";

/// The request that is being answered wrongly.
pub struct Victim {
    pub kind: Kind,
    pub path: String,
    pub control: Arc<Control>,
}

/// What waits before an answer: true when the connection is gone instead.
pub async fn before(faults: &[Fault], victim: &Victim) -> bool {
    for fault in faults {
        match fault {
            Fault::Latency(time) => sleep(*time).await,
            Fault::SlowHeaders(pause) => victim.control.crawl(SLOW_BYTES, *pause),
            Fault::CloseBefore => {
                victim.control.close();
                return true;
            }
            _ => {}
        }
    }
    false
}

/// The answer that is given instead of the honest one, if a fault says so.
pub fn instead(faults: &[Fault], victim: &Victim) -> Option<Response<Body>> {
    faults.iter().find_map(|fault| match fault {
        Fault::Status { code, retry_after } => Some(status(*code, retry_after.as_deref())),
        Fault::GzipBomb(bytes) => Some(bomb(*bytes, victim.kind)),
        Fault::Redirect(to) => Some(redirect(302, to)),
        Fault::RedirectAs { code, to } => Some(redirect(*code, to)),
        Fault::RedirectLoop => Some(redirect(302, &victim.path)),
        Fault::Html => Some(typed(
            "text/html",
            Body::Whole(Bytes::from_static(PAGE.as_bytes())),
        )),
        Fault::Endless => Some(typed("application/json", Body::fed(endless))),
        _ => None,
    })
}

/// The honest answer with its body spoilt; one without a body stays as it is.
pub fn spoil(faults: &[Fault], victim: &Victim, answer: Response<Body>) -> Response<Body> {
    faults
        .iter()
        .fold(answer, |answer, fault| spoil_once(fault, victim, answer))
}

fn spoil_once(fault: &Fault, victim: &Victim, answer: Response<Body>) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    let bytes = match body {
        Body::Whole(bytes) if !bytes.is_empty() => bytes,
        body => return Response::from_parts(head, body),
    };
    let mut promised = bytes.len() as u64;
    let body = match fault {
        Fault::CutBody(after) => {
            let part = bytes.slice(..bytes.len().min(*after));
            one_piece(part)
        }
        Fault::WrongLength(off) => {
            promised = promised.saturating_add_signed(*off);
            one_piece(bytes)
        }
        Fault::WrongBytes => {
            head.headers.remove(ETAG);
            Body::Whole(change_a_byte(&bytes))
        }
        Fault::CloseMidway => {
            let control = victim.control.clone();
            let half = bytes.slice(..bytes.len() / 2);
            Body::fed(async move |pieces| {
                let _ = pieces.send(half).await;
                sleep(BEFORE_END).await;
                control.reset();
                // The connection goes before the body can end.
                pieces.closed().await;
            })
        }
        Fault::Bandwidth(rate) => trickle(bytes, *rate),
        _ => Body::Whole(bytes),
    };
    head.headers
        .insert(CONTENT_LENGTH, HeaderValue::from(promised));
    Response::from_parts(head, body)
}

/// A body whose length hyper does not know, so that it believes the header.
///
/// Its end comes late, because at a wrong end hyper drops what it has not sent yet.
fn one_piece(bytes: Bytes) -> Body {
    Body::fed(async move |pieces| {
        let _ = pieces.send(bytes).await;
        sleep(BEFORE_END).await;
    })
}

/// Sends twenty times a second.
fn trickle(mut bytes: Bytes, rate: u64) -> Body {
    let step = usize::try_from(rate / 20).unwrap_or(usize::MAX).max(1);
    let pause = Duration::from_secs_f64(step as f64 / rate as f64);
    Body::fed(async move |pieces| {
        while !bytes.is_empty() {
            let piece = bytes.split_to(step.min(bytes.len()));
            if pieces.send(piece).await.is_err() {
                return;
            }
            sleep(pause).await;
        }
    })
}

/// The low byte of a gzip header's time is nobody's content, but it is in every hash.
fn change_a_byte(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    let at = if bytes.starts_with(&[0x1f, 0x8b]) {
        4
    } else {
        bytes.len() / 2
    };
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
    Bytes::from(bytes)
}

fn status(code: u16, retry_after: Option<&str>) -> Response<Body> {
    let text = format!("{{\"error\":\"status {code}\"}}");
    let mut answer = typed("application/json", Body::Whole(Bytes::from(text)));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::IM_A_TEAPOT);
    if let Some(value) = retry_after.and_then(|value| HeaderValue::from_str(value).ok()) {
        answer.headers_mut().insert(RETRY_AFTER, value);
    }
    answer
}

fn redirect(code: u16, to: &str) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::FOUND);
    if let Ok(to) = HeaderValue::from_str(to) {
        answer.headers_mut().insert(LOCATION, to);
    }
    answer
}

/// A packument's bomb is in its transfer, a tarball's is the tarball.
fn bomb(bytes: u64, kind: Kind) -> Response<Body> {
    let body = Body::fed(async move |pieces| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let spaces = vec![b' '; PIECE];
        let mut left = bytes;
        while left > 0 {
            let step = left.min(PIECE as u64);
            left -= step;
            let write = encoder.write_all(&spaces[..step as usize]);
            if write.is_err() || !send_some(&mut encoder, &pieces).await {
                return;
            }
        }
        if let Ok(rest) = encoder.finish() {
            let _ = pieces.send(Bytes::from(rest)).await;
        }
    });
    if kind == Kind::Tarball {
        return typed("application/octet-stream", body);
    }
    let mut answer = typed("application/json", body);
    answer
        .headers_mut()
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

/// Sends what the encoder has made so far; false when nobody reads any more.
async fn send_some(encoder: &mut GzEncoder<Vec<u8>>, pieces: &crate::wire::Pieces) -> bool {
    if encoder.get_ref().is_empty() {
        // Encoding does not wait for anything: let the other requests have their turn.
        tokio::task::yield_now().await;
        return !pieces.is_closed();
    }
    let made = std::mem::take(encoder.get_mut());
    pieces.send(Bytes::from(made)).await.is_ok()
}

async fn endless(pieces: crate::wire::Pieces) {
    let piece = Bytes::from(vec![b' '; PIECE]);
    while pieces.send(piece.clone()).await.is_ok() {}
}

fn typed(content_type: &'static str, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
