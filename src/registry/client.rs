//! HTTP clients: TLS, proxies, connections and name lookups as configured; made when first needed.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Proxy};
use tokio::sync::OnceCell;
use url::Url;

use super::error::RegistryError;
use super::network::{setup, shown};
use crate::npmrc::Config;

const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// After this long without an answer, the name is asked for a second time: lost packets cost 5 s.
const SECOND_LOOKUP: Duration = Duration::from_millis(300);
/// HTTP/2 has all requests on one connection; two fill the line better than one.
const TLS_CLIENTS: usize = 2;

/// PEM files of a client certificate and its key.
type KeyPair = Option<(PathBuf, PathBuf)>;

/// All clients of a run.
pub(super) struct Clients {
    config: Config,
    sockets: usize,
    names: Arc<Names>,
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    plain: Option<Client>,
    tls: HashMap<KeyPair, Vec<Client>>,
    turn: usize,
}

impl Clients {
    pub fn new(config: Config, sockets: usize) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            config,
            sockets,
            names: Arc::default(),
            made: Mutex::default(),
        }
    }

    /// The client for `url`. Plain http never pays for reading the system's authorities.
    pub fn get(&self, url: &Url, pair: &KeyPair) -> Result<Client, RegistryError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        match url.scheme() {
            "http" => {
                if made.plain.is_none() {
                    let client = self.builder().tls_certs_only([]).build();
                    made.plain = Some(client.map_err(|error| setup(&error))?);
                }
                made.plain.clone().ok_or_else(|| scheme(url))
            }
            "https" => {
                made.turn += 1;
                let turn = made.turn;
                if !made.tls.contains_key(pair) {
                    let clients = (0..TLS_CLIENTS).map(|_| self.secure(pair));
                    let clients = clients.collect::<Result<Vec<_>, _>>()?;
                    made.tls.insert(pair.clone(), clients);
                }
                let client = made
                    .tls
                    .get(pair)
                    .and_then(|all| all.get(turn % TLS_CLIENTS));
                client.cloned().ok_or_else(|| scheme(url))
            }
            _ => Err(scheme(url)),
        }
    }

    fn builder(&self) -> ClientBuilder {
        let proxies = self.config.proxies().clone();
        let proxy = Proxy::custom(move |url| {
            let proxy = proxies.proxy(url)?;
            Url::parse(proxy).ok()
        });
        Client::builder()
            .user_agent(user_agent(&self.config))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .proxy(proxy)
            .connect_timeout(CONNECT_WAIT)
            .pool_max_idle_per_host(self.sockets)
            .tcp_nodelay(true)
            .http2_initial_stream_window_size(8 << 20)
            .http2_initial_connection_window_size(64 << 20)
            .dns_resolver(self.names.clone())
    }

    fn secure(&self, pair: &KeyPair) -> Result<Client, RegistryError> {
        let mut builder = self.builder();
        let (mut texts, file) = self.config.authorities();
        if let Some(file) = file {
            texts.push(pem(&file)?);
        }
        if !texts.is_empty() {
            let bundles = texts
                .iter()
                .map(|text| Certificate::from_pem_bundle(text.as_bytes()));
            let bundles: Result<Vec<_>, _> = bundles.collect();
            let certificates = bundles
                .map_err(|error| setup(&error))?
                .into_iter()
                .flatten();
            builder = builder.tls_certs_only(certificates);
        }
        let identity = match pair {
            Some((certificate, key)) => Some(pem(certificate)? + "\n" + &pem(key)?),
            None => self
                .config
                .client_certificate()
                .map(|(cert, key)| cert + "\n" + &key),
        };
        if let Some(identity) = identity {
            let identity = Identity::from_pem(identity.as_bytes());
            builder = builder.identity(identity.map_err(|error| setup(&error))?);
        }
        if !self.config.strict_ssl() {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        builder.build().map_err(|error| setup(&error))
    }
}

fn pem(path: &std::path::Path) -> Result<String, RegistryError> {
    std::fs::read_to_string(path).map_err(|error| RegistryError::Setup {
        reason: format!("`{}`: {error}", path.display()).into(),
    })
}

fn scheme(url: &Url) -> RegistryError {
    RegistryError::Scheme { url: shown(url) }
}

/// npm's form, so that registries which read it see what they know.
fn user_agent(config: &Config) -> String {
    let told = config.text("user-agent").filter(|text| !text.contains('{'));
    told.map_or_else(
        || {
            let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
            let version = env!("CARGO_PKG_VERSION");
            format!("npm/11.19.1 {os} {arch} workspaces/false heatseal/{version}")
        },
        str::to_owned,
    )
}

/// Each host is looked up once a run.
#[derive(Default)]
struct Names {
    known: Mutex<HashMap<String, Arc<OnceCell<Vec<SocketAddr>>>>>,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = known.entry(host.clone()).or_default().clone();
        Box::pin(async move {
            let found = cell.get_or_try_init(|| look_up(host)).await?;
            Ok(Box::new(found.clone().into_iter()) as Addrs)
        })
    }
}

async fn look_up(host: String) -> io::Result<Vec<SocketAddr>> {
    let query = || async { tokio::net::lookup_host((host.as_str(), 0)).await };
    let first = query();
    tokio::pin!(first);
    let found = tokio::select! {
        found = &mut first => found?,
        () = tokio::time::sleep(SECOND_LOOKUP) => tokio::select! {
            found = &mut first => found?,
            found = query() => found?,
        },
    };
    Ok(found.collect())
}
