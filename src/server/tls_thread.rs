//! A separate thread for TLS connections, so that handshakes never delay the signalling loop. It only owns a runtime.

use std::io;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// The thread. It ends with all its tasks when this is dropped.
#[derive(Debug)]
pub(super) struct TlsThread {
    handle: Handle,
    /// The thread waits until this is dropped.
    _alive: oneshot::Sender<()>,
}

impl TlsThread {
    /// Starts the thread under this name.
    pub(super) fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // The sender is never used: the thread waits for it to be dropped.
            drop(runtime.block_on(ended));
        })?;
        Ok(Self { handle, _alive: alive })
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.handle.spawn(task).abort_handle()
    }
}
