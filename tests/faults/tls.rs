//! TLS in front of a registry that speaks plainly: a certificate, and each request passed on with
//! whatever misbehaviour comes back.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Where it listens, until the process ends.
pub struct Front {
    pub url: String,
}

/// A file of `tests/faults/certificates`.
pub fn certificate(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/certificates");
    PathBuf::from(folder).join(format!("{name}.pem"))
}

impl Front {
    /// Passes requests on to `plain`, an `http://` URL, and shows the certificate of this name.
    pub fn start(plain: &str, name: &str) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let file = certificate(name);
        let chain = CertificateDer::pem_file_iter(&file).unwrap();
        let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(&file).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!(
            "https://127.0.0.1:{}/",
            listener.local_addr().unwrap().port()
        );
        let to = plain
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, to) = (config.clone(), to.clone());
                std::thread::spawn(move || pass_on(stream, config, &to));
            }
        });
        Self { url }
    }
}

/// One request and its answer; then the connection ends as the one behind did.
fn pass_on(stream: TcpStream, config: Arc<ServerConfig>, to: &str) -> io::Result<()> {
    let raw = stream.try_clone()?;
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut outside = StreamOwned::new(connection, stream);
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        outside.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let mut inside = TcpStream::connect(to)?;
    let (first, rest) = text.split_once("\r\n").unwrap_or_default();
    write!(inside, "{first}\r\nconnection: close\r\n{rest}")?;
    let mut piece = [0; 16 << 10];
    loop {
        match inside.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => outside.write_all(&piece[..read])?,
            // As rough as it was: without the words by which TLS ends.
            Err(_) => return raw.shutdown(Shutdown::Both),
        }
    }
    outside.conn.send_close_notify();
    outside.flush()
}
