//! TLS with one certificate, which is reloaded when its files change.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// Interval at which the files are read again. Certificates are renewed days before they expire, so a minute suffices.
const RELOAD_INTERVAL: Duration = Duration::from_secs(60);

/// The name of HTTP/2 in the negotiation of TLS (ALPN).
pub const HTTP2: &[u8] = b"h2";

/// Paths of a certificate and its private key, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, followed by its intermediate certificates.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
}

/// An error in the files of a certificate and its key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate file cannot be used: its path, and the reason.
    #[error("--tls-cert (ROLLCALL_TLS_CERT) {0} {1}")]
    Certificate(PathBuf, String),
    /// The key file cannot be used: its path, and the reason.
    #[error("--tls-key (ROLLCALL_TLS_KEY) {0} {1}")]
    Key(PathBuf, String),
    /// The certificate and the key cannot be used together, for example because they do not match.
    #[error("--tls-cert and --tls-key (ROLLCALL_TLS_CERT, ROLLCALL_TLS_KEY) cannot be used together: {0}")]
    Pair(rustls::Error),
}

/// The acceptor of TLS connections, and the certificate that it presents.
pub struct Tls {
    files: TlsFiles,
    read: Read,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

/// The contents of the certificate file and of the key file.
#[derive(PartialEq, Eq)]
struct Read(Vec<u8>, Vec<u8>);

/// The certificate presented to new connections.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Reads the files and builds an acceptor for HTTP/2 and HTTP/1.1.
    pub async fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let read = files.read().await?;
        let current = Arc::new(Current(ArcSwap::from_pointee(files.certified(&read, &provider)?)));
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Pair)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(current.clone());
        // The versions that are served, so that no client negotiates another.
        config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
        // A client that resumes its session costs no signature, however many others have connected since.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Pair)?;
        Ok(Tls { files, read, provider, current, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Returns an acceptor that always presents the newest certificate.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Presents the certificate in the files whenever they change, until `stopping` is cancelled. Contents that cannot
    /// be used, such as a certificate with the previous key, are logged once; the certificate in use stays.
    pub async fn watch(mut self, clock: Clock, stopping: CancellationToken) -> Result<(), Infallible> {
        loop {
            tokio::select! {
                () = clock.sleep(RELOAD_INTERVAL) => {}
                () = stopping.cancelled() => return Ok(()),
            }
            let read = match self.files.read().await {
                Ok(read) if read == self.read => continue,
                Ok(read) => read,
                Err(error) => {
                    tracing::warn!(%error, "the certificate cannot be reloaded; the one in use stays");
                    continue;
                }
            };
            match self.files.certified(&read, &self.provider) {
                Ok(certified) => {
                    self.current.0.store(Arc::new(certified));
                    tracing::info!("a new certificate is in use");
                }
                Err(error) => tracing::warn!(%error, "the new certificate cannot be used; the one in use stays"),
            }
            self.read = read;
        }
    }
}

impl TlsFiles {
    async fn read(&self) -> Result<Read, TlsError> {
        let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
        let certificate = tokio::fs::read(&self.certificate).await;
        let certificate = certificate.map_err(|error| self.bad_certificate(unreadable(error)))?;
        let key = tokio::fs::read(&self.key).await.map_err(|error| self.bad_key(unreadable(error)))?;
        Ok(Read(certificate, key))
    }

    fn certified(&self, Read(certificate, key): &Read, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.map_err(|error| self.bad_certificate(format!("is not PEM: {error}")))?;
        if chain.is_empty() {
            return Err(self.bad_certificate(String::from("has no certificate in PEM")));
        }
        let key = PrivateKeyDer::from_pem_slice(key);
        let key = key.map_err(|_| self.bad_key(String::from("has no private key in PEM")))?;
        CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Pair)
    }

    fn bad_certificate(&self, why: String) -> TlsError {
        TlsError::Certificate(self.certificate.clone(), why)
    }

    fn bad_key(&self, why: String) -> TlsError {
        TlsError::Key(self.key.clone(), why)
    }
}
