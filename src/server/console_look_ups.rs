//! Look-ups of the console in the database. Few run at once, and each request waits only for a limited time. Each look-up opens its own
//! connections, so a database or a disk that hangs must not occupy more and more of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::limits::CONSOLE_LOOK_UPS_MAX;

/// Maximum wait of a request for its turn, and then for its result.
const PATIENCE: Duration = Duration::from_secs(5);
/// A look-up that takes this long is abandoned.
const LONGEST: Duration = Duration::from_secs(60);

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoResult {
    /// Other look-ups take too long.
    Busy,
    /// This look-up takes too long.
    Late,
}

/// Limits the look-ups that run at once. Clones share the limit.
#[derive(Clone, Debug)]
pub(super) struct LookUps {
    turns: Arc<Semaphore>,
    patience: Duration,
    longest: Duration,
}

impl Default for LookUps {
    fn default() -> Self {
        Self::with(PATIENCE, LONGEST)
    }
}

impl LookUps {
    fn with(patience: Duration, longest: Duration) -> Self {
        Self { turns: Arc::new(Semaphore::new(CONSOLE_LOOK_UPS_MAX)), patience, longest }
    }

    /// The result of a look-up. If the request no longer waits, the look-up keeps its turn until it ends or is abandoned.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        look_up: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, NoResult> {
        let turn = timeout(self.patience, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(NoResult::Busy) };
        let longest = self.longest;
        let task = tokio::spawn(async move {
            let result = timeout(longest, look_up).await;
            drop(turn);
            result
        });
        match timeout(self.patience, task).await {
            Ok(Ok(Ok(result))) => Ok(result),
            Ok(Ok(Err(_)) | Err(_)) | Err(_) => Err(NoResult::Late),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    #[tokio::test]
    async fn a_database_that_hangs_has_few_look_ups_and_the_next_is_told_that_it_is_busy() {
        let look_ups = LookUps::with(Duration::from_millis(20), Duration::from_millis(500));
        let (begin, mut begun) = tokio::sync::mpsc::channel(CONSOLE_LOOK_UPS_MAX);
        let hangs = |_| {
            let (look_ups, begin) = (look_ups.clone(), begin.clone());
            tokio::spawn(async move {
                let hangs = async move {
                    begin.send(()).await.unwrap();
                    pending::<()>().await;
                };
                look_ups.run(hangs).await
            })
        };
        let all: Vec<_> = (0..CONSOLE_LOOK_UPS_MAX).map(hangs).collect();
        for _ in &all {
            begun.recv().await.unwrap();
        }
        let more: Vec<_> = (0..20).map(hangs).collect();
        for one in all {
            assert_eq!(one.await.unwrap(), Err(NoResult::Late));
        }
        for one in more {
            assert_eq!(one.await.unwrap(), Err(NoResult::Busy));
        }
        assert!(begun.try_recv().is_err(), "no other look-up has begun");
        // The first ones are given up in the end.
        while look_ups.run(async {}).await.is_err() {}
    }
}
