//! The program's pipes: stdin fed from memory, stdout and stderr drained live as bounded bytes and never interpreted.

use leave_out::Part;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use forkserver::wire::Cause;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backend::Stop;
use crate::door::document::Overflow;
use crate::failure::{Failure, Step};
use crate::live::{Ring, Stream};
use crate::plan::Phase;

/// How much is read at a time.
const CHUNK: usize = 64 * 1024;
/// How long after a chunk the next one of a stream is read whose bytes are no longer kept: some 60 MiB a second. More would
/// only take CPU time from other jobs, for bytes that are counted and thrown away.
const PAUSE: Duration = Duration::from_millis(1);

/// What was kept of one stream, and how much there was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    pub bytes: Vec<u8>,
    pub total: u64,
}

/// Limits and audience of both streams.
#[derive(Clone)]
pub struct Terms {
    /// Most bytes that are kept of each stream.
    pub limit: u64,
    pub overflow: Overflow,
    pub phase: Phase,
    pub live: Arc<Ring>,
}

/// Our ends of the pipes of one program.
pub struct Pipes {
    stdin: Sender,
    stdout: Receiver,
    stderr: Receiver,
}

/// A program's streams while it runs.
pub struct Streams {
    feeding: JoinHandle<()>,
    stdout: JoinHandle<Kept>,
    stderr: JoinHandle<Kept>,
    dead: watch::Sender<bool>,
}

/// Makes the pipes: ours, and the program's stdin, stdout, stderr.
pub fn pipes() -> Result<(Pipes, [OwnedFd; 3]), Failure> {
    let (guest_stdin, stdin) = pipe()?;
    let (stdout, guest_stdout) = pipe()?;
    let (stderr, guest_stderr) = pipe()?;
    let registered = || -> std::io::Result<Pipes> {
        Ok(Pipes {
            stdin: Sender::from_owned_fd(stdin)?,
            stdout: Receiver::from_owned_fd(stdout)?,
            stderr: Receiver::from_owned_fd(stderr)?,
        })
    };
    let ours = registered().map_err(|error| Failure::new(Step::Output, "register", error.kind().to_string()))?;
    Ok((ours, [guest_stdin, guest_stdout, guest_stderr]))
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    pipe_with(PipeFlags::CLOEXEC).map_err(|errno| Failure::system(Step::Output, "pipe2", errno))
}

impl Pipes {
    /// Begins to feed and to drain. Overflow stops the program through `stopper`, if the terms say so.
    pub fn flow(self, input: Vec<u8>, terms: &Terms, stopper: &Arc<dyn Stop>) -> Streams {
        let (dead, is_dead) = watch::channel(false);
        let drain = |pipe, stream| {
            let drain = Drain {
                pipe,
                stream,
                terms: terms.clone(),
                stopper: stopper.clone(),
                kept: Kept::default(),
                overflowed: false,
            };
            tokio::spawn(drain.run(is_dead.clone()))
        };
        Streams {
            stdout: drain(self.stdout, Stream::Stdout),
            stderr: drain(self.stderr, Stream::Stderr),
            feeding: tokio::spawn(feed(self.stdin, input)),
            dead,
        }
    }
}

impl Streams {
    /// Takes what was written, once everything that could write is dead.
    pub async fn finish(self) -> Result<(Kept, Kept), Failure> {
        self.feeding.abort();
        self.dead.send_replace(true);
        let lost = |_| Failure::new(Step::Output, "drain", "a drain ended before its stream");
        Ok((self.stdout.await.map_err(lost)?, self.stderr.await.map_err(lost)?))
    }
}

/// A program need not read its input: that the pipe breaks is no error.
async fn feed(mut stdin: Sender, input: Vec<u8>) {
    let _ = stdin.write_all(&input).await;
}

struct Drain {
    pipe: Receiver,
    stream: Stream,
    terms: Terms,
    stopper: Arc<dyn Stop>,
    kept: Kept,
    overflowed: bool,
}

impl Drain {
    async fn run(mut self, mut dead: watch::Receiver<bool>) -> Kept {
        let mut buffer = vec![0; CHUNK];
        while !*dead.borrow_and_update() {
            match self.pipe.try_read(&mut buffer) {
                Ok(0) => return self.kept,
                Ok(count) => {
                    self.take(&buffer[..count]);
                    self.give_way(&mut dead).await;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    tokio::select! {
                        _ = self.pipe.readable() => {}
                        _ = dead.changed() => {}
                    }
                }
                Err(_) => return self.kept,
            }
        }
        self.drain_what_is_left(&mut buffer);
        self.kept
    }

    /// A flood must not keep other jobs' streams waiting.
    async fn give_way(&self, dead: &mut watch::Receiver<bool>) {
        if !self.overflowed {
            return tokio::task::yield_now().await;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = dead.changed() => {}
        }
    }

    /// Nobody is left who could write. Whatever is in the pipe is read from it directly: the runtime may not have heard of
    /// it yet. A descriptor that is still open somewhere, in a socket's queue, is not waited for.
    fn drain_what_is_left(&mut self, buffer: &mut [u8]) {
        loop {
            match rustix::io::read(self.pipe.as_fd(), &mut *buffer) {
                Ok(0) => return,
                Ok(count) => self.take(&buffer[..count]),
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let kept = if leave_out::is(Part::OutputKept) { 0 } else { self.kept.bytes.len() as u64 };
        let room = self.terms.limit - kept;
        let keep = &bytes[..bytes.len().min(room as usize)];
        if !keep.is_empty() {
            self.terms.live.push(self.terms.phase, self.stream, self.kept.total, keep);
            self.kept.bytes.extend_from_slice(keep);
        }
        self.kept.total += bytes.len() as u64;
        if self.kept.total > self.terms.limit && !self.overflowed {
            self.overflowed = true;
            if self.terms.overflow == Overflow::Kill && !leave_out::is(Part::OutputCap) {
                self.stopper.stop(Cause::Output);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Stops(AtomicUsize);

    impl Stop for Stops {
        fn stop(&self, cause: Cause) {
            assert_eq!(cause, Cause::Output);
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn extend(&self, _until_ms: u64) {
            unreachable!("output extends nothing");
        }
    }

    /// Writes to stdout what a program would; returns what was kept, and how often it was stopped.
    async fn written(bytes: usize, limit: u64, overflow: Overflow) -> (Kept, usize) {
        let (ours, [_stdin, stdout, stderr]) = pipes().expect("pipes");
        drop(stderr);
        let stops = Arc::new(Stops::default());
        let stopper: Arc<dyn Stop> = stops.clone();
        let streams =
            ours.flow(Vec::new(), &Terms { limit, overflow, phase: Phase::Run, live: Arc::default() }, &stopper);
        let writer = std::thread::spawn(move || std::fs::File::from(stdout).write_all(&vec![b'x'; bytes]));
        while !writer.is_finished() {
            tokio::task::yield_now().await;
        }
        writer.join().expect("a thread").expect("written");
        let (kept, _) = streams.finish().await.expect("drained");
        (kept, stops.0.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn exactly_the_limit_passes_and_one_more_does_not() {
        assert_eq!(written(1000, 1000, Overflow::Kill).await, (Kept { bytes: vec![b'x'; 1000], total: 1000 }, 0));
        assert_eq!(written(1001, 1000, Overflow::Kill).await, (Kept { bytes: vec![b'x'; 1000], total: 1001 }, 1));
        assert_eq!(written(1, 0, Overflow::Kill).await, (Kept { bytes: vec![], total: 1 }, 1));
    }

    #[tokio::test]
    async fn truncation_keeps_the_first_bytes_and_counts_all() {
        assert_eq!(written(500_000, 10, Overflow::Truncate).await, (Kept { bytes: vec![b'x'; 10], total: 500_000 }, 0));
    }

    #[tokio::test]
    async fn what_is_not_kept_is_read_at_a_bounded_rate() {
        let (bytes, begun) = (8 << 20, std::time::Instant::now());
        assert_eq!(written(bytes, 10, Overflow::Truncate).await.0.total, bytes as u64);
        // 128 chunks, less what lies in the pipe at the end.
        assert!(begun.elapsed() >= Duration::from_millis(120), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_writer_that_stays_open_does_not_hold_up_the_end() {
        let (ours, guest) = pipes().expect("pipes");
        let stopper: Arc<dyn Stop> = Arc::new(Stops::default());
        let terms = Terms { limit: 9, overflow: Overflow::Kill, phase: Phase::Run, live: Arc::default() };
        let streams = ours.flow(vec![0; 1_000_000], &terms, &stopper);
        (&std::fs::File::from(guest[1].try_clone().expect("dup"))).write_all(b"late").expect("written");
        assert_eq!(streams.finish().await.expect("drained").0.bytes, b"late");
        drop(guest);
    }
}
