//! The library's end of a clerk's stream: what is to be done, and what comes back.

use std::io;
use std::time::Duration;

use files::{Answer, Collected, Distrust, Full, Intake, Limits, Order, frames};
use forkserver::wire::CLERK_PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::backend::NewFile;

/// How long it may take: after that the forkserver has killed the clerk, or is no more.
const PATIENCE: Duration = CLERK_PATIENCE.saturating_add(Duration::from_secs(15));

/// Why a clerk didn't do its task.
#[derive(Debug, thiserror::Error)]
pub enum ClerkError {
    /// It ended, or was killed, before it had answered.
    #[error("the stream ended: {0}")]
    Gone(#[from] io::Error),
    #[error(transparent)]
    Distrusted(#[from] Distrust),
}

/// Has files written; which limit of the workspace they don't fit into, if they don't.
pub async fn fill(mut stream: UnixStream, files: &[NewFile<'_>]) -> Result<Option<Full>, ClerkError> {
    let answer = within(async {
        // One that stops reading, because the workspace is full, has answered before.
        let _ = send(&mut stream, files).await;
        let (kind, bytes) = receive(&mut stream).await?;
        Ok(match (kind, serde_json::from_slice(&bytes)) {
            (frames::Kind::Word, Ok(answer)) => answer,
            _ => return Err(Distrust::NotAsked("no word").into()),
        })
    });
    match answer.await? {
        Answer::Filled => Ok(None),
        Answer::Full { full } => Ok(Some(full)),
        Answer::Failed { step, errno } => Err(Distrust::Failed { step, errno }.into()),
        _ => Err(Distrust::NotAsked("out of order").into()),
    }
}

/// Has artifacts read.
pub async fn collect(stream: UnixStream, patterns: &[String], limits: Limits) -> Result<Collected, ClerkError> {
    within(async {
        let mut stream = BufReader::with_capacity(frames::MAX_DATA, stream);
        let order = Order::Collect { patterns: patterns.to_vec(), limits };
        stream.write_all(&[frames::word(&order), frames::word(&Order::End)].concat()).await?;
        let mut intake = Intake::new(limits);
        loop {
            let (kind, bytes) = receive(&mut stream).await?;
            if let Some(collected) = intake.take(kind, &bytes)? {
                return Ok(collected);
            }
        }
    })
    .await
}

async fn within<T>(work: impl Future<Output = Result<T, ClerkError>>) -> Result<T, ClerkError> {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

/// Small files together in few writes, large ones in parts.
async fn send(stream: &mut UnixStream, files: &[NewFile<'_>]) -> io::Result<()> {
    let mut batch = Vec::new();
    for NewFile { path, bytes, executable } in files {
        let file = files::NewFile { path: (*path).to_owned(), bytes: bytes.len() as u64, executable: *executable };
        batch.extend(frames::word(&Order::File(file)));
        for part in bytes.chunks(frames::MAX_DATA) {
            batch.extend(frames::header(frames::Kind::Data, part.len()));
            batch.extend(part);
            if batch.len() >= frames::MAX_DATA {
                stream.write_all(&batch).await?;
                batch.clear();
            }
        }
    }
    batch.extend(frames::word(&Order::End));
    stream.write_all(&batch).await
}

/// A whole frame. No more is held for it than a frame may have.
async fn receive(stream: &mut (impl AsyncReadExt + Unpin)) -> Result<(frames::Kind, Vec<u8>), ClerkError> {
    let mut header = [0; frames::HEADER];
    stream.read_exact(&mut header).await?;
    let (kind, length) = frames::parse_header(header).ok_or(Distrust::NotAsked("no frame"))?;
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok((kind, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { artifacts: 1, artifact_bytes: 10, time_ms: 1000 };

    /// What becomes of a clerk that says this and ends.
    async fn collected(said: Vec<u8>) -> Result<Collected, ClerkError> {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let clerk = async move { theirs.write_all(&said).await.map(|()| theirs) };
        let (collected, _) = tokio::join!(collect(ours, &[], LIMITS), async { clerk.await.map(drop) });
        collected
    }

    #[tokio::test]
    async fn a_clerk_that_ends_early_or_lies_is_an_error() {
        let end = frames::word(&Answer::Collected { truncated: false });
        assert_eq!(collected(end.clone()).await.expect("whole").artifacts, []);
        let lies = frames::word(&Answer::Content { path: "a".to_owned(), bytes: 11 });
        assert!(matches!(collected(lies).await, Err(ClerkError::Distrusted(_))));
        let endless = frames::header(frames::Kind::Word, u32::MAX as usize).to_vec();
        assert!(matches!(collected(endless).await, Err(ClerkError::Distrusted(_))));
        for cut in [0, 3, end.len() - 1] {
            assert!(matches!(collected(end[..cut].to_vec()).await, Err(ClerkError::Gone(_))), "{cut}");
        }
    }

    #[tokio::test]
    async fn one_that_answers_before_it_has_read_all_is_heard() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let large = vec![0; 4 << 20];
        let files = [NewFile { path: "a", bytes: &large, executable: false }];
        let clerk = async move {
            theirs.write_all(&frames::word(&Answer::Full { full: Full::Bytes })).await.map(|()| drop(theirs))
        };
        let (filled, said) = tokio::join!(fill(ours, &files), clerk);
        said.expect("said");
        assert_eq!(filled.expect("an answer"), Some(Full::Bytes));
    }
}
