//! A thread of its own for connections under TLS, so that handshakes never hold up the signalling loop. It owns a runtime and decides
//! nothing.

use std::io;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// Ends when it is dropped, and all its tasks with it.
#[derive(Debug)]
pub(super) struct TlsThread {
    handle: Handle,
    /// The thread waits for the end of this.
    _alive: oneshot::Sender<()>,
}

impl TlsThread {
    /// Starts it under this name.
    pub(super) fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // The sender is never used: its end is what is waited for.
            drop(runtime.block_on(ended));
        })?;
        Ok(Self { handle, _alive: alive })
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.handle.spawn(task).abort_handle()
    }
}
