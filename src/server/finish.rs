//! The end of the service after its last call, in this order: recordings, then the loop that adds them to their calls, then records.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::oneshot;
use tracing::warn;

use super::journal_thread::Ledger;
use super::loop_sender::LoopSender;
use super::media::{DueMarker, Media};
use super::records::Records;
use super::signalling::Inbound;

/// Maximum time to close the recordings after the last call.
const MEDIA_END: Duration = Duration::from_secs(10);
/// Maximum time for the last changes of the local copy of registrations.
const LOCAL_END: Duration = Duration::from_secs(5);

/// Ends media, the loop and the records. When it returns, every recording that could be closed is in its record.
pub(super) async fn finish(
    media: Arc<Media>,
    loop_sender: &LoopSender,
    over: oneshot::Receiver<Ledger>,
    records: Records,
    kept: JoinHandle<()>,
) -> anyhow::Result<()> {
    let markers = stop_media(media).await;
    loop_sender.tell(Inbound::MediaStopped).await;
    let watch = records.watch();
    records.close(over.await.context("the signalling loop has failed")?).await;
    if watch.figures().journal_backlog == 0 {
        markers.iter().for_each(DueMarker::settle);
    }
    let kept = tokio::task::spawn_blocking(move || kept.join().is_ok());
    if !matches!(tokio::time::timeout(LOCAL_END, kept).await, Ok(Ok(true))) {
        warn!("the local copy of registrations may lack the last changes");
    }
    Ok(())
}

/// Stops the media threads and closes the recordings. Recordings that take longer than `MEDIA_END` are left to the next start. Returns the
/// markers of the recordings whose facts are not in the journal yet.
async fn stop_media(media: Arc<Media>) -> Vec<DueMarker> {
    // The loop has released its reference, and the console holds one only within a turn of this thread.
    let Some(media) = Arc::into_inner(media) else {
        warn!("media is still in use at the end");
        return Vec::new();
    };
    let (report, stopped) = oneshot::channel();
    // On a separate thread, because the runtime would wait for a disk that hangs.
    let thread = std::thread::Builder::new().name("media-end".to_owned()).spawn(move || {
        if report.send(media.stop()).is_err() {
            warn!("the recordings were closed too late to be registered in this run");
        }
    });
    match tokio::time::timeout(MEDIA_END, stopped).await {
        Ok(Ok(markers)) if thread.is_ok() => markers,
        Ok(_) | Err(_) => {
            warn!(seconds = MEDIA_END.as_secs(), "recordings were not closed in time: the next start repairs them");
            Vec::new()
        }
    }
}
