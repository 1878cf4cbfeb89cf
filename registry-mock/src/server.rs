//! The door: a registry on its own thread that stops when it is dropped.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;

use crate::MockError;
use crate::answer::{self, Asked, Source};
use crate::fault::{Fault, Rule, Schedule};
use crate::folder::Folder;
use crate::misbehave::{self, Victim};
use crate::record::Upstream;
use crate::route::{self, Kind};
use crate::wire::{Body, Control, Wire};

/// A credential that opens the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    Bearer(String),
    /// `user:password`.
    Basic(String),
}

/// What to serve, and how.
#[derive(Debug, Clone)]
pub struct Options {
    pub folder: PathBuf,
    pub host: String,
    /// 0 takes a free one.
    pub port: u16,
    /// Any one of these is needed; with none, everybody is welcome.
    pub auth: Vec<Auth>,
    /// Seconds for `Cache-Control: max-age`; `None` sends no such header.
    pub max_age: Option<u32>,
    /// Whether tarball addresses are pointed at this server.
    pub rewrite: bool,
    pub faults: Vec<Rule>,
    /// A registry to ask for what the folder lacks, and to keep it.
    pub upstream: Option<String>,
}

impl Options {
    /// Serves `folder` on a free loopback port, as the public registry would: fresh for 5 minutes.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            host: "127.0.0.1".to_owned(),
            port: 0,
            auth: Vec::new(),
            max_age: Some(300),
            rewrite: true,
            faults: Vec::new(),
            upstream: None,
        }
    }
}

/// A request that came in; questions about the mock itself (`/-/stats`) are not kept.
#[derive(Debug, Clone)]
pub struct Request {
    pub kind: Kind,
    pub method: String,
    /// As sent, with the query.
    pub path: String,
    /// In order, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub protocol: String,
    /// Requests with the same number shared a connection.
    pub connection: u64,
}

impl Request {
    /// The first header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A running registry; dropping it stops it.
#[derive(Debug)]
pub struct Server {
    url: String,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens before it returns. Needs no tokio runtime of the caller's, and does not mind one.
    pub fn start(options: Options) -> Result<Self, MockError> {
        let address = format!("{}:{}", options.host, options.port);
        let (listener, runtime, port) =
            listen(&address).map_err(|source| MockError::Listen { address, source })?;
        let url = format!("http://{}:{port}", options.host);
        let shared = Arc::new(Shared::new(options, &url)?);
        let (stop, stopped) = oneshot::channel();
        let serving = shared.clone();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, serving) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Ok(Self {
            url,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:4873`, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests().clone()
    }

    pub fn forget_requests(&self) {
        self.shared.requests().clear();
    }

    /// Puts a fault in force, after those that are.
    pub fn add_fault(&self, rule: Rule) {
        self.shared.schedule.add(rule);
    }

    pub fn clear_faults(&self) {
        self.shared.schedule.clear();
    }

    /// Serves until the process ends.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves `folder` while a command runs with npm's `registry` setting pointed at it.
pub fn run(options: Options, program: &str, arguments: &[String]) -> Result<ExitStatus, MockError> {
    let server = Server::start(options)?;
    std::process::Command::new(program)
        .args(arguments)
        .env("npm_config_registry", format!("{}/", server.url()))
        .status()
        .map_err(|source| MockError::Run {
            program: program.to_owned(),
            source,
        })
}

struct Shared {
    source: Source,
    schedule: Schedule,
    requests: Mutex<Vec<Request>>,
    connections: AtomicU64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    fn new(options: Options, url: &str) -> Result<Self, MockError> {
        let base = options.rewrite.then(|| url.to_owned());
        let upstream = options.upstream.as_deref().map(Upstream::new).transpose()?;
        Ok(Self {
            source: Source {
                folder: Arc::new(Folder::new(options.folder, base)),
                auth: options.auth,
                max_age: options.max_age,
                upstream,
            },
            schedule: Schedule::new(options.faults),
            requests: Mutex::default(),
            connections: AtomicU64::new(0),
        })
    }

    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request on record, and says what goes wrong with it.
    fn note(&self, request: Request) -> Vec<Fault> {
        // Held for both, so that faults count requests in the order on record.
        let mut requests = self.requests();
        let faults = self.schedule.faults(request.kind, &request.path);
        requests.push(request);
        faults
    }

    /// Counts by kind of path, and the connections they came over.
    fn stats(&self) -> String {
        let mut counts: BTreeMap<&str, u64> = Kind::ALL
            .into_iter()
            .filter(|kind| *kind != Kind::Stats)
            .map(|kind| (kind.word(), 0))
            .collect();
        let mut connections = std::collections::BTreeSet::new();
        for request in self.requests().iter() {
            *counts.entry(request.kind.word()).or_default() += 1;
            connections.insert(request.connection);
        }
        serde_json::json!({ "requests": counts, "connections": connections.len() }).to_string()
    }
}

fn listen(address: &str) -> std::io::Result<(TcpListener, Runtime, u16)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    Ok((listener, runtime, port))
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, perhaps: some connection has to end first.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let number = shared.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(serve(stream, number, shared.clone()));
    }
}

async fn serve(stream: tokio::net::TcpStream, number: u64, shared: Arc<Shared>) {
    let control = Arc::new(Control::default());
    let wire = Wire::new(stream, control.clone());
    let service = service_fn(|request| {
        let (shared, control) = (shared.clone(), control.clone());
        async move { Ok::<_, Infallible>(respond(&shared, number, control, request).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    tokio::select! {
        // How a connection ends is the client's business; the requests are on record.
        _ = builder.serve_connection(TokioIo::new(wire), service) => {}
        () = control.broken() => {}
    }
}

async fn respond(
    shared: &Shared,
    connection: u64,
    control: Arc<Control>,
    request: hyper::Request<Incoming>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let route = route::parse(head.uri.path());
    if route.kind() == Kind::Stats {
        return answer::json(StatusCode::OK, shared.stats());
    }
    // A body that breaks off is the client's affair; what it asked for is in the head.
    let body = body.collect().await.map(|body| body.to_bytes().to_vec());
    let request = Request {
        kind: route.kind(),
        method: head.method.to_string(),
        path: head
            .uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned(),
        headers: header_list(&head.headers),
        body: body.unwrap_or_default(),
        protocol: format!("{:?}", head.version),
        connection,
    };
    let victim = Victim {
        kind: request.kind,
        path: request.path.clone(),
        control,
    };
    let faults = shared.note(request);
    let asked = Asked {
        method: &head.method,
        route: &route,
        headers: &head.headers,
    };
    respond_with(&faults, &victim, &shared.source, &asked).await
}

async fn respond_with(
    faults: &[Fault],
    victim: &Victim,
    source: &Source,
    asked: &Asked<'_>,
) -> Response<Body> {
    if misbehave::before(faults, victim).await {
        // The connection's task is dropped while it waits here.
        std::future::pending::<()>().await;
    }
    if let Some(mut instead) = misbehave::instead(faults, victim) {
        if *asked.method == Method::HEAD {
            *instead.body_mut() = Body::empty();
        }
        return instead;
    }
    let honest = answer::answer(source, asked).await;
    misbehave::spoil(faults, victim, honest)
}

fn header_list(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        })
        .collect()
}
