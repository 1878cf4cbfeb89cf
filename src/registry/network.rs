//! The network thread: requests in, whole bodies out, with retries, redirects and credentials.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_NONE_MATCH, LOCATION, RETRY_AFTER,
};
use reqwest::{Client, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::client::Clients;
use super::error::RegistryError;
use crate::npmrc::{Config, Fetching, masked, parse_date};
use crate::report::{Event, Reporter};

/// Requests under way at once, unless `maxsockets` says otherwise.
const SOCKETS: usize = 48;
/// Bytes of tarballs in memory at once, in KiB; a larger one waits until it is alone.
const BUDGET_KIB: u32 = 256 * 1024;
/// Largest body of an answer that does not say how long it is.
const UNDECLARED: u64 = 64 << 20;
/// Of a body, in bytes: what is kept in one piece from the start.
const FIRST_PIECE: usize = 8 << 20;
const REDIRECTS: usize = 20;
const HEADER_WAIT: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_secs(30);
/// A body must bring this much in each [`IDLE`] span: 1 kB a second.
const FLOOR: usize = 30_000;
/// Longest total of waits that a server may order with `Retry-After`.
const PATIENCE: Duration = Duration::from_mins(1);

/// A GET.
pub(super) struct Request {
    pub url: Url,
    /// `@scope` of the package it is for: decides whose credentials may go along.
    pub scope: Option<String>,
    pub kind: Kind,
    /// Largest body that is accepted, in bytes.
    pub limit: u64,
    pub reply: Box<dyn FnOnce(Result<Response, RegistryError>) + Send + Sync>,
}

pub(super) enum Kind {
    /// `name`, and the `ETag` of what is known already.
    Packument {
        name: Arc<str>,
        etag: String,
        form: Form,
    },
    /// `name` only for messages.
    Tarball { name: Arc<str> },
}

/// How much of a packument is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Full,
    /// What npm asks for when it fills in the manifests of an old lock.
    Abbreviated,
}

impl Form {
    fn accept(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Full => "application/json",
            Self::Abbreviated => {
                "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*"
            }
        })
    }
}

/// A body (empty for 304), and what its headers say about it.
pub(super) struct Response {
    pub not_modified: bool,
    pub gzip: bool,
    pub etag: String,
    /// Seconds; 0 when it must be asked for each time.
    pub max_age: u32,
    pub may_store: bool,
    pub body: Vec<u8>,
    /// A share of the tarball budget, given back when dropped.
    pub permit: Option<OwnedSemaphorePermit>,
}

/// Half of what this process may have open besides its files and pipes: a connection that is given
/// back may still be open while the next one is made.
fn most_sockets() -> usize {
    const OWN: usize = 32;
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let most = most.map_or(usize::MAX, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    });
    (most.saturating_sub(OWN) / 2).max(2)
}

/// The thread's door.
pub(super) struct Network {
    requests: mpsc::UnboundedSender<Request>,
}

impl Network {
    /// Starts the thread. It ends when the last door is closed and its requests are answered.
    pub fn start(config: Config, reporter: Arc<dyn Reporter>) -> Result<Self, RegistryError> {
        let (requests, mut queue) = mpsc::unbounded_channel::<Request>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(4)
            .build()
            .map_err(|error| setup(&error))?;
        let work = move || {
            let fetching = config.fetching();
            let sockets = fetching.sockets.unwrap_or(SOCKETS).min(most_sockets());
            let fetcher = Arc::new(Fetcher {
                clients: Clients::new(config.clone(), sockets),
                slots: Arc::new(Semaphore::new(sockets)),
                open_slots: AtomicUsize::new(sockets),
                budget: Arc::new(Semaphore::new(BUDGET_KIB as usize)),
                fetching,
                config,
                reporter,
            });
            runtime.block_on(async {
                let mut tasks = tokio::task::JoinSet::new();
                while let Some(request) = queue.recv().await {
                    let fetcher = fetcher.clone();
                    tasks.spawn(async move { fetcher.answer(request).await });
                    while tasks.try_join_next().is_some() {}
                }
                while tasks.join_next().await.is_some() {}
            });
        };
        std::thread::Builder::new()
            .name("network".to_owned())
            .spawn(work)
            .map_err(|error| setup(&error))?;
        Ok(Self { requests })
    }

    /// Queues a request; the answer comes on the network thread, which must not be held up.
    pub fn send(&self, request: Request) {
        if let Err(mpsc::error::SendError(request)) = self.requests.send(request) {
            let reason = "the network thread has ended".into();
            (request.reply)(Err(RegistryError::Setup { reason }));
        }
    }
}

pub(super) fn setup(error: &dyn std::error::Error) -> RegistryError {
    RegistryError::Setup {
        reason: error.to_string().into(),
    }
}

struct Fetcher {
    config: Config,
    clients: Clients,
    fetching: Fetching,
    slots: Arc<Semaphore>,
    open_slots: AtomicUsize,
    budget: Arc<Semaphore>,
    reporter: Arc<dyn Reporter>,
}

/// A failed attempt, and how long the server wants to be left alone.
struct Failure {
    error: RegistryError,
    retry_after: Option<Duration>,
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self {
            error,
            retry_after: None,
        }
    }
}

impl Fetcher {
    async fn answer(&self, request: Request) {
        let answer = self.fetch(&request).await;
        (request.reply)(answer);
    }

    async fn fetch(&self, request: &Request) -> Result<Response, RegistryError> {
        let mut waited = Duration::ZERO;
        let mut attempt = 0;
        loop {
            let failure = {
                let _slot = self.slots.acquire().await;
                match self.attempt(request).await {
                    Ok(response) => return Ok(response),
                    Err(failure) => failure,
                }
            };
            if !failure.error.is_passing() || attempt >= self.fetching.retries {
                return Err(failure.error);
            }
            let pause = match failure.retry_after {
                Some(told) => told.min(PATIENCE.saturating_sub(waited)),
                None => self.pause(attempt),
            };
            self.relent(&failure.error);
            self.announce(&failure.error, pause);
            sleep(pause).await;
            waited += pause;
            attempt += 1;
        }
    }

    /// A server that is overrun gets fewer requests at once.
    fn relent(&self, error: &RegistryError) {
        let overrun = matches!(
            error,
            RegistryError::Status { status: 429, .. } | RegistryError::Stalled { .. }
        );
        let open = self.open_slots.load(Ordering::Relaxed);
        if overrun && open > 4 {
            let forgotten = self.slots.forget_permits(open / 4);
            self.open_slots.store(open - forgotten, Ordering::Relaxed);
        }
    }

    /// npm's waits where they are configured (`fetch-retry-*`); else 0.2 s, doubling, ± half.
    fn pause(&self, attempt: u32) -> Duration {
        let Fetching {
            factor,
            shortest_wait,
            longest_wait,
            ..
        } = self.fetching;
        if factor.is_some() || shortest_wait.is_some() {
            let factor = factor.unwrap_or(10.0).clamp(1.0, 1e6);
            let first = shortest_wait.unwrap_or(Duration::from_secs(10));
            let seconds = first.as_secs_f64() * factor.powi(attempt.min(64).cast_signed());
            return Duration::from_secs_f64(seconds.min(longest_wait.as_secs_f64()));
        }
        let ticks = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.subsec_nanos());
        let jitter = 0.5 + f64::from(ticks % 1000) / 1000.0;
        let pause = Duration::from_millis(200 << attempt.min(10)).mul_f64(jitter);
        pause.min(longest_wait)
    }

    fn announce(&self, error: &RegistryError, pause: Duration) {
        if pause >= Duration::from_secs(1) {
            let message = format!("{error}; trying again in {} s", pause.as_secs());
            self.reporter.emit(Event::Warning {
                code: "ERETRY",
                message,
            });
        }
    }

    /// One try. Redirects are followed by hand: what was meant for one origin (scheme, host and
    /// port) is not shown to another, not even on the way back.
    async fn attempt(&self, request: &Request) -> Result<Response, Failure> {
        let mut url = request.url.clone();
        let mut at_home = true;
        for _ in 0..=REDIRECTS {
            let response = self.send(request, &url, at_home).await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return self.read(request, &url, response).await;
            }
            let next = redirect(&url, response.headers())?;
            at_home &= next.origin() == url.origin();
            url = next;
        }
        let reason = format!("more than {REDIRECTS} times");
        Err(redirected(&request.url, &reason).into())
    }

    async fn send(
        &self,
        request: &Request,
        url: &Url,
        at_home: bool,
    ) -> Result<reqwest::Response, RegistryError> {
        let credentials = at_home
            .then(|| self.config.credentials(url, request.scope.as_deref()))
            .flatten();
        let certificate = credentials.as_ref().and_then(|own| own.certificate.clone());
        let client: Client = self.clients.get(url, &certificate)?;
        let mut headers = headers(&request.kind);
        if let Some(secret) = credentials.and_then(|own| own.authorization) {
            let mut value =
                HeaderValue::from_str(secret.expose()).map_err(|error| setup(&error))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let sent = client.get(url.clone()).headers(headers).send();
        let wait = self.fetching.timeout.unwrap_or(HEADER_WAIT);
        match timeout(wait, sent).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unreachable(url, error)),
            Err(_) => Err(RegistryError::Stalled { url: shown(url) }),
        }
    }

    async fn read(
        &self,
        request: &Request,
        url: &Url,
        response: reqwest::Response,
    ) -> Result<Response, Failure> {
        let status = response.status();
        let headers = response.headers().clone();
        if status.is_client_error() || status.is_server_error() {
            return Err(self.refusal(request, url, response).await);
        }
        let (max_age, may_store) = age(&headers);
        let mut answer = Response {
            not_modified: status == StatusCode::NOT_MODIFIED,
            gzip: is_gzip(url, &headers, &request.kind)?,
            etag: text(&headers, &ETAG).to_owned(),
            max_age,
            may_store: may_store && status == StatusCode::OK,
            body: Vec::new(),
            permit: None,
        };
        if answer.not_modified {
            return Ok(answer);
        }
        let length = response.content_length();
        let limit = match length {
            None => request.limit.min(UNDECLARED),
            Some(_) => request.limit,
        };
        if length.is_some_and(|length| length > limit) {
            return Err(too_big(url, limit).into());
        }
        if matches!(request.kind, Kind::Tarball { .. }) {
            let kib = length.unwrap_or(1 << 20).div_ceil(1024);
            let kib = u32::try_from(kib).unwrap_or(u32::MAX).clamp(1, BUDGET_KIB);
            answer.permit = self.budget.clone().acquire_many_owned(kib).await.ok();
        }
        // The length is a hint: nobody makes us reserve more than a moderate piece ahead.
        let hint = usize::try_from(length.unwrap_or(0)).unwrap_or(0);
        answer.body.reserve(hint.min(8 << 20));
        self.collect(url, response, limit, &mut answer.body).await?;
        Ok(answer)
    }

    async fn collect(
        &self,
        url: &Url,
        mut response: reqwest::Response,
        limit: u64,
        body: &mut Vec<u8>,
    ) -> Result<(), RegistryError> {
        // What comes after the first piece waits in pieces: a body that never ends is not copied
        // again and again while it grows.
        let mut more = Vec::new();
        let mut received = 0;
        let idle = self.fetching.timeout.map_or(IDLE, |told| told.min(IDLE));
        let length = response.content_length();
        let (mut since, mut before) = (Instant::now(), 0);
        loop {
            match timeout(idle, response.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    received += chunk.len();
                    if received <= FIRST_PIECE {
                        body.extend_from_slice(&chunk);
                    } else {
                        more.push(chunk);
                    }
                }
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    let of = length.map_or_else(String::new, |length| format!(" of {length}"));
                    let reason = format!("at {received}{of} bytes ({})", innermost(&error));
                    return Err(cut(url, &reason));
                }
                Err(_) => return Err(RegistryError::Stalled { url: shown(url) }),
            }
            if received as u64 > limit {
                return Err(too_big(url, limit));
            }
            if since.elapsed() >= IDLE {
                if received - before < FLOOR {
                    return Err(RegistryError::Stalled { url: shown(url) });
                }
                (since, before) = (Instant::now(), received);
            }
        }
        body.reserve_exact(received - body.len());
        for chunk in more {
            body.extend_from_slice(&chunk);
        }
        match length {
            Some(length) if length != received as u64 => {
                Err(cut(url, &format!("at {received} of {length} bytes")))
            }
            _ => Ok(()),
        }
    }

    /// The registry's words about an error: its `error` or `message` field, short and without
    /// control characters or what it was sent.
    fn words(&self, body: &[u8]) -> String {
        let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let told = ["error", "message"]
            .iter()
            .find_map(|key| json.get(*key)?.as_str());
        let told = self.config.without_secrets(told.unwrap_or_default());
        let plain = told.chars().filter(|c| !c.is_control());
        plain.take(100).collect()
    }

    async fn refusal(
        &self,
        request: &Request,
        url: &Url,
        mut response: reqwest::Response,
    ) -> Failure {
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        while body.len() < 4096
            && let Ok(Ok(Some(chunk))) = timeout(Duration::from_secs(5), response.chunk()).await
        {
            body.extend_from_slice(&chunk);
        }
        let (Kind::Packument { name, .. } | Kind::Tarball { name }) = &request.kind;
        let error = match status {
            404 => RegistryError::NotFound {
                name: name.clone(),
                url: shown(url),
            },
            status => RegistryError::Status {
                status,
                url: shown(url),
                body: self.words(&body).into(),
            },
        };
        Failure { error, retry_after }
    }
}

fn headers(kind: &Kind) -> HeaderMap {
    let mut headers = HeaderMap::new();
    match kind {
        Kind::Packument { etag, form, .. } => {
            headers.insert(ACCEPT, form.accept());
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
            if let Ok(etag) = HeaderValue::from_str(etag)
                && !etag.is_empty()
            {
                headers.insert(IF_NONE_MATCH, etag);
            }
        }
        Kind::Tarball { .. } => {
            headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        }
    }
    headers
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().trim()
}

fn is_gzip(url: &Url, headers: &HeaderMap, kind: &Kind) -> Result<bool, RegistryError> {
    if matches!(kind, Kind::Tarball { .. }) {
        return Ok(false); // some servers label the archive's own compression so
    }
    match text(headers, &CONTENT_ENCODING) {
        "" | "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        other => Err(RegistryError::Malformed {
            url: shown(url),
            reason: format!("it has the encoding {other:?}, which was not asked for").into(),
        }),
    }
}

/// `max-age` less the time spent in caches on the way, and may it be kept at all?
fn age(headers: &HeaderMap) -> (u32, bool) {
    let mut max_age = 0_u32;
    let (mut check_always, mut may_store) = (false, true);
    for directive in text(headers, &CACHE_CONTROL).split(',') {
        let directive = directive.trim().to_ascii_lowercase();
        match directive.split_once('=').unwrap_or((&directive, "")) {
            ("max-age", seconds) => max_age = seconds.trim_matches('"').parse().unwrap_or(0),
            ("no-cache", _) => check_always = true,
            ("no-store", _) => may_store = false,
            _ => {}
        }
    }
    let spent = text(headers, &HeaderName::from_static("age"))
        .parse()
        .unwrap_or(0);
    let max_age = if check_always {
        0
    } else {
        max_age.saturating_sub(spent)
    };
    (max_age, may_store)
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Seconds, or a date such as `Wed, 21 Oct 2015 07:28:00 GMT`.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let told = text(headers, &RETRY_AFTER);
    if let Ok(seconds) = told.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let mut parts = told.split(' ').skip(1);
    let (day, month, year, clock) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let then = parse_date(&format!("{year}-{month:02}-{day:0>2}T{clock}Z"))?;
    let now = i64::try_from(super::cache::now()).ok()? * 1000;
    Some(Duration::from_millis((then - now).max(0).unsigned_abs()))
}

fn redirect(from: &Url, headers: &HeaderMap) -> Result<Url, RegistryError> {
    let location = text(headers, &LOCATION);
    if location.is_empty() {
        return Err(redirected(from, "nowhere"));
    }
    let mut next = from
        .join(location)
        .map_err(|_| redirected(from, "to something that is no URL"))?;
    match (from.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => {}
        ("https", "http") => return Err(redirected(from, "from https to http")),
        _ => return Err(redirected(from, "to something other than http and https")),
    }
    if next.origin() != from.origin() {
        let _ = next.set_username("");
        let _ = next.set_password(None);
    }
    Ok(next)
}

pub(super) fn shown(url: &Url) -> Arc<str> {
    masked(url.as_str()).into()
}

fn redirected(url: &Url, reason: &str) -> RegistryError {
    RegistryError::Redirect {
        url: shown(url),
        reason: reason.into(),
    }
}

pub(super) fn cut(url: &Url, reason: &str) -> RegistryError {
    RegistryError::Cut {
        url: shown(url),
        reason: reason.into(),
    }
}

pub(super) fn too_big(url: &Url, limit: u64) -> RegistryError {
    RegistryError::TooBig {
        url: shown(url),
        limit,
    }
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The system's code for a request that never got an answer.
fn unreachable(url: &Url, error: reqwest::Error) -> RegistryError {
    let reason = innermost(&error.without_url());
    let lower = reason.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let code = if has(&["lookup", "name or service", "name resolution"]) {
        "ENOTFOUND"
    } else if has(&["refused"]) {
        "ECONNREFUSED"
    } else if has(&["certificate", "tls", "unknownissuer", "handshake"]) {
        "ECERT"
    } else if has(&["timed out", "deadline", "elapsed"]) {
        "ETIMEDOUT"
    } else if has(&["unreachable"]) {
        "ENETUNREACH"
    } else {
        "ECONNRESET"
    };
    RegistryError::Unreachable {
        url: shown(url),
        code,
        reason: reason.into(),
    }
}
