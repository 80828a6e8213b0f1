//! The library's side of collecting: what a clerk says, believed as far as it was asked for.
//!
//! A clerk reads what a hostile program left. Should that program have taken it over, it has its slot's ids and can say what
//! it likes about its own job's files; it can't make the library hold more than the limits allow.

use serde_json::from_slice;

use crate::collect::{MAX_PRESENTED, Reason, is_presentable};
use crate::frames::{Answer, Kind, Limits};

/// A path that matched, relative to `/work`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// At most 4096 characters, none of them a control character: where a name has such, or isn't UTF-8, `\xNN` stands.
    pub path: String,
    pub content: Result<Vec<u8>, Reason>,
}

/// Everything that was taken, in byte order of the paths.
#[derive(Debug, PartialEq, Eq)]
pub struct Collected {
    pub artifacts: Vec<Artifact>,
    /// More matched than the limits allow, or may have: the walk was cut off.
    pub truncated: bool,
}

/// Why an answer isn't believed, or the clerk's own word that it failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    #[error("an answer that is none: {0}")]
    NotAsked(&'static str),
    #[error("{step}: errno {errno}")]
    Failed { step: String, errno: i32 },
}

/// Puts frames together again.
#[derive(Debug)]
pub struct Intake {
    limits: Limits,
    artifacts: Vec<Artifact>,
    /// Bytes that contents may still have.
    room: u64,
    /// Path and size of the content under way, and what there is of it.
    open: Option<(String, u64, Vec<u8>)>,
}

impl Intake {
    pub fn new(limits: Limits) -> Intake {
        Intake { limits, artifacts: Vec::new(), room: limits.artifact_bytes, open: None }
    }

    /// Takes one frame; the whole, when it was the last.
    pub fn take(&mut self, kind: Kind, bytes: &[u8]) -> Result<Option<Collected>, Distrust> {
        match kind {
            Kind::Data => self.append(bytes).map(|()| None),
            Kind::Word => match from_slice(bytes).map_err(|_| Distrust::NotAsked("no word"))? {
                Answer::Rejected { path, reason } => self.reject(path, reason).map(|()| None),
                Answer::Content { path, bytes } => self.begin(path, bytes).map(|()| None),
                Answer::Collected { truncated } if self.open.is_none() => {
                    let artifacts = std::mem::take(&mut self.artifacts);
                    Ok(Some(Collected { artifacts, truncated }))
                }
                Answer::Failed { step, errno } => Err(Distrust::Failed { step, errno }),
                _ => Err(Distrust::NotAsked("out of order")),
            },
        }
    }

    fn begin(&mut self, path: String, bytes: u64) -> Result<(), Distrust> {
        if self.open.is_some() {
            return Err(Distrust::NotAsked("a content within a content"));
        }
        if !is_relative(&path) {
            return Err(Distrust::NotAsked("a path that leads elsewhere"));
        }
        self.room = self.room.checked_sub(bytes).ok_or(Distrust::NotAsked("more bytes than allowed"))?;
        if bytes == 0 {
            return self.keep(path, Ok(Vec::new()));
        }
        // Grows with what really comes: a size is only a word.
        self.open = Some((path, bytes, Vec::new()));
        Ok(())
    }

    fn append(&mut self, more: &[u8]) -> Result<(), Distrust> {
        let Some((_, bytes, content)) = &mut self.open else { return Err(Distrust::NotAsked("bytes of no content")) };
        if more.is_empty() || *bytes - (content.len() as u64) < more.len() as u64 {
            return Err(Distrust::NotAsked("other bytes than announced"));
        }
        content.extend_from_slice(more);
        if content.len() as u64 == *bytes
            && let Some((path, _, content)) = self.open.take()
        {
            return self.keep(path, Ok(content));
        }
        Ok(())
    }

    fn reject(&mut self, path: String, reason: Reason) -> Result<(), Distrust> {
        if let Some((open, bytes, _)) = self.open.take() {
            if open != path {
                return Err(Distrust::NotAsked("out of order"));
            }
            self.room += bytes;
        }
        self.keep(path, Err(reason))
    }

    fn keep(&mut self, path: String, content: Result<Vec<u8>, Reason>) -> Result<(), Distrust> {
        if self.artifacts.len() as u64 >= self.limits.artifacts {
            return Err(Distrust::NotAsked("more entries than allowed"));
        }
        if !is_presentable(path.as_bytes()) || path.chars().count() > MAX_PRESENTED {
            return Err(Distrust::NotAsked("a path that can't be shown"));
        }
        self.artifacts.push(Artifact { path, content });
        Ok(())
    }
}

fn is_relative(path: &str) -> bool {
    path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { artifacts: 2, artifact_bytes: 10, time_ms: 0 };

    fn content(path: &str, bytes: u64) -> (Kind, Vec<u8>) {
        say(&Answer::Content { path: path.to_owned(), bytes })
    }

    fn rejected(path: &str) -> (Kind, Vec<u8>) {
        say(&Answer::Rejected { path: path.to_owned(), reason: Reason::Unreadable })
    }

    fn say(answer: &Answer) -> (Kind, Vec<u8>) {
        (Kind::Word, serde_json::to_vec(answer).unwrap())
    }

    fn data(bytes: &[u8]) -> (Kind, Vec<u8>) {
        (Kind::Data, bytes.to_vec())
    }

    fn taken(frames: &[(Kind, Vec<u8>)]) -> Result<Option<Collected>, Distrust> {
        let mut intake = Intake::new(LIMITS);
        let mut last = Ok(None);
        for (kind, bytes) in frames {
            last = intake.take(*kind, bytes);
            if last.is_err() {
                break;
            }
        }
        last
    }

    #[test]
    fn what_was_asked_for_is_taken() {
        let end = say(&Answer::Collected { truncated: true });
        let all = [content("a/b", 3), data(b"x"), data(b"yz"), content("c", 7), data(b"1"), rejected("c"), end];
        let one = |path: &str, content| Artifact { path: path.to_owned(), content };
        let artifacts = vec![one("a/b", Ok(b"xyz".to_vec())), one("c", Err(Reason::Unreadable))];
        assert_eq!(taken(&all), Ok(Some(Collected { artifacts, truncated: true })));
        let empty = [content("e", 0), say(&Answer::Collected { truncated: false })];
        let artifacts = vec![one("e", Ok(Vec::new()))];
        assert_eq!(taken(&empty), Ok(Some(Collected { artifacts, truncated: false })));
    }

    #[test]
    fn nothing_else_is() {
        for frames in [
            vec![content("a", 11)],
            vec![content("a", u64::MAX)],
            vec![content("a", 6), data(b"123456"), content("b", 5)],
            vec![content("a", 2), data(b"123")],
            vec![content("a", 2), data(b"")],
            vec![data(b"1")],
            vec![content("a", 2), content("b", 2)],
            vec![content("a", 2), rejected("b")],
            vec![content("a", 2), say(&Answer::Collected { truncated: false })],
            vec![rejected("a"), rejected("b"), rejected("c")],
            vec![content("../a", 1)],
            vec![content("/a", 1)],
            vec![content("a/./b", 1)],
            vec![content("", 1)],
            vec![content("a\n", 0)],
            vec![rejected("a\u{1b}")],
            vec![rejected(&"a".repeat(4097))],
            vec![say(&Answer::Filled)],
            vec![(Kind::Word, b"{}".to_vec())],
            vec![(Kind::Word, b"\xff".to_vec())],
        ] {
            assert!(taken(&frames).is_err(), "{frames:?}");
        }
        let failed = say(&Answer::Failed { step: "open".to_owned(), errno: 5 });
        assert_eq!(taken(&[failed]), Err(Distrust::Failed { step: "open".to_owned(), errno: 5 }));
    }
}
