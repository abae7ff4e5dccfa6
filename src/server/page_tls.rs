//! The certificate of a listener for browsers, which is read again when its files change.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{error, info};

use crate::config::{PageTls, TlsFault};

use super::certificates::{LOOK_EVERY, stamps};

/// Maximum time of a handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// The current certificate. Clones share it.
#[derive(Clone)]
pub(super) struct PageCertificate {
    files: PageTls,
    current: Arc<Mutex<Arc<ServerConfig>>>,
}

impl PageCertificate {
    /// Reads the files.
    pub(super) fn read(files: &PageTls) -> Result<Self, TlsFault> {
        let current = Arc::new(Mutex::new(files.server()?));
        Ok(Self { files: files.clone(), current })
    }

    /// Reads the files again whenever they change, until this is dropped. Open connections stay.
    pub(super) async fn renew(&self) {
        let mut known = stamps(self.files.paths());
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let new = stamps(self.files.paths());
            if new == known {
                continue;
            }
            known = new;
            match self.files.server() {
                Ok(config) => {
                    *self.current.lock().unwrap_or_else(PoisonError::into_inner) = config;
                    info!("the certificate of the pages was read again");
                }
                Err(fault) => error!(%fault, "the old certificate of the pages stays"),
            }
        }
    }

    /// Runs the handshake with a browser.
    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::time::timeout(HANDSHAKE_TIME, TlsAcceptor::from(config).accept(stream)).await?
    }
}
