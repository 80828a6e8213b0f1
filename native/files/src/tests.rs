//! Each on a file system as the sandbox has it: a detached tmpfs, small, reached by descriptor only. They need root.

use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, RenameFlags, Uid, mkdirat, mknodat, renameat_with, unlinkat};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen};
use rustix::process::umask;
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};

use super::*;

/// Ids of a slot: what a clerk runs as.
const SLOT: u32 = 231_234;
const LIMITS: Limits = Limits { artifacts: 64, artifact_bytes: 1 << 20, time_ms: 5000 };

/// A writable file system with an empty `work/`.
struct Box {
    root: OwnedFd,
}

/// A stream whose other side has said everything and reads everything.
struct Script {
    said: Cursor<Vec<u8>>,
    answered: Vec<u8>,
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.said.read(buffer)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.answered.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Box {
    fn new() -> Box {
        Box::of("4m", "1000000")
    }

    fn of(size: &str, inodes: &str) -> Box {
        let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
        for (key, value) in [("size", size), ("nr_inodes", inodes), ("mode", "0755")] {
            fsconfig_set_string(context.as_fd(), key, value).unwrap();
        }
        fsconfig_create(context.as_fd()).unwrap();
        let root = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).unwrap();
        mkdirat(&root, "work", Mode::from(0o755)).unwrap();
        Box { root }
    }

    /// A path by which the guest's part can be played with ordinary calls.
    fn at(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/work", self.root.as_raw_fd())).join(path)
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), bytes).unwrap();
    }

    /// Everything in it becomes the slot's.
    fn give_away(&self) {
        let mut left = vec![self.at("")];
        while let Some(path) = left.pop() {
            lchown(&path, Some(SLOT), Some(SLOT)).unwrap();
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
    }

    /// What a clerk answers to these words.
    fn serve(&self, task: Task, said: Vec<u8>) -> Vec<u8> {
        let mut script = Script { said: Cursor::new(said), answered: Vec::new() };
        serve(task, self.root.as_fd(), &mut script).unwrap();
        script.answered
    }

    fn fill(&self, files: &[(&str, &[u8], bool)]) -> Answer {
        let mut said = Vec::new();
        for (path, bytes, executable) in files {
            let (path, executable) = ((*path).to_owned(), *executable);
            said.extend(frames::word(&Order::File(NewFile { path, bytes: bytes.len() as u64, executable })));
            for part in bytes.chunks(frames::MAX_DATA) {
                frames::write_data(&mut said, part).unwrap();
            }
        }
        said.extend(frames::word(&Order::End));
        frames::read_word(&mut &*self.serve(Task::Fill, said)).unwrap()
    }

    fn try_collect(&self, patterns: &[&str], limits: Limits) -> Result<Collected, Distrust> {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let said = [frames::word(&Order::Collect { patterns, limits }), frames::word(&Order::End)].concat();
        let answered = self.serve(Task::Collect, said);
        let (mut intake, mut rest) = (Intake::new(limits), &*answered);
        loop {
            let (start, more) = rest.split_at(frames::HEADER);
            let (kind, length) = frames::parse_header(start.try_into().unwrap()).unwrap();
            let (bytes, more) = more.split_at(length);
            rest = more;
            if let Some(collected) = intake.take(kind, bytes)? {
                assert_eq!(rest, b"");
                return Ok(collected);
            }
        }
    }

    fn collect(&self, patterns: &[&str], limits: Limits) -> Collected {
        self.try_collect(patterns, limits).unwrap()
    }

    /// What is collected, as (path, bytes or reason).
    fn found(&self, patterns: &[&str]) -> Vec<(String, Result<Vec<u8>, Reason>)> {
        let collected = self.collect(patterns, LIMITS);
        collected.artifacts.into_iter().map(|one| (one.path, one.content)).collect()
    }
}

/// Runs `work` on a thread that has the slot's ids and no capability, as a clerk does.
fn as_slot<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let become_slot = || {
        umask(Mode::empty());
        set_thread_res_gid(Gid::from_raw(SLOT), Gid::from_raw(SLOT), Gid::from_raw(SLOT)).unwrap();
        set_thread_res_uid(Uid::from_raw(SLOT), Uid::from_raw(SLOT), Uid::from_raw(SLOT)).unwrap();
        work()
    };
    std::thread::scope(|scope| scope.spawn(become_slot).join().unwrap())
}

fn rejected(path: &str, reason: Reason) -> (String, Result<Vec<u8>, Reason>) {
    (path.to_owned(), Err(reason))
}

fn taken(path: &str, bytes: &[u8]) -> (String, Result<Vec<u8>, Reason>) {
    (path.to_owned(), Ok(bytes.to_vec()))
}

#[test]
fn files_arrive_with_owner_and_mode() {
    let sandbox = Box::new();
    sandbox.give_away();
    let files: [(&str, &[u8], bool); 3] =
        [("data/deep/in.csv", b"1,2\n", false), ("run.sh", b"exit", true), ("data/b", b"", false)];
    assert_eq!(as_slot(|| sandbox.fill(&files)), Answer::Filled);
    for (path, mode) in
        [("data", 0o40755), ("data/deep", 0o40755), ("data/deep/in.csv", 0o100644), ("run.sh", 0o100755)]
    {
        let status = fs::symlink_metadata(sandbox.at(path)).unwrap();
        assert_eq!((status.mode(), status.uid(), status.gid()), (mode, SLOT, SLOT), "{path}");
    }
    assert_eq!(fs::read(sandbox.at("data/deep/in.csv")).unwrap(), b"1,2\n");
    let large = vec![7; 200_000];
    assert_eq!(as_slot(|| sandbox.fill(&[("large", &large, false)])), Answer::Filled);
    assert_eq!(fs::read(sandbox.at("large")).unwrap(), large);
}

#[test]
fn a_slot_fills_nothing_that_is_not_its_own() {
    let sandbox = Box::new();
    let answer = as_slot(|| sandbox.fill(&[("file", b"x", false)]));
    assert!(matches!(answer, Answer::Failed { ref step, errno: 13 } if step == "create"), "{answer:?}");
}

#[test]
fn an_order_of_another_kind_is_none() {
    let file = NewFile { path: "a".to_owned(), bytes: 2, executable: false };
    let order = Order::Collect { patterns: Vec::new(), limits: LIMITS };
    let data = |bytes: &[u8]| {
        let mut frame = Vec::new();
        frames::write_data(&mut frame, bytes).unwrap();
        frame
    };
    for (task, said) in [
        (Task::Fill, frames::word(&order)),
        (Task::Fill, Vec::new()),
        (Task::Fill, frames::word(&Order::File(file.clone()))),
        (Task::Fill, [frames::word(&Order::File(file.clone())), data(b"abc")].concat()),
        (
            Task::Fill,
            [frames::word(&Order::File(NewFile { path: "b".to_owned(), ..file.clone() })), data(b"")].concat(),
        ),
        (Task::Fill, b"d\xff\xff\xff\xff".to_vec()),
        (Task::Collect, frames::word(&Order::File(file))),
        (Task::Collect, frames::word(&order)),
    ] {
        let script = Script { said: Cursor::new(said.clone()), answered: Vec::new() };
        assert!(serve(task, Box::new().root.as_fd(), script).is_err(), "{task:?} {said:?}");
    }
    assert!(Box::new().try_collect(&["["], LIMITS).is_err());
}

#[test]
fn nothing_planted_is_written_through() {
    let sandbox = Box::new();
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "before").unwrap();
    symlink(&victim, sandbox.at("file")).unwrap();
    symlink(outside.path(), sandbox.at("directory")).unwrap();
    fs::hard_link(sandbox.at("file"), sandbox.at("again")).unwrap();
    for path in ["file", "directory/new", "again"] {
        assert!(matches!(sandbox.fill(&[(path, b"after", false)]), Answer::Failed { .. }), "{path}");
    }
    let status = fs::metadata(&victim).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"before");
    assert_eq!(status.len(), 6);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn no_path_leads_out_of_the_box() {
    let sandbox = Box::new();
    for path in ["../escaped", "a/../../escaped", "/escaped", "", ".", "..", "a//b", "a/"] {
        assert!(matches!(sandbox.fill(&[(path, b"x", false)]), Answer::Failed { .. }), "{path:?}");
    }
    assert!(!fs::exists(sandbox.at("../escaped")).unwrap());
}

#[test]
fn a_full_workspace_says_what_is_full() {
    let bytes = Box::of("64k", "100").fill(&[("a", &[7; 32 << 10], false), ("b", &[7; 65 << 10], false)]);
    assert_eq!(bytes, Answer::Full { full: Full::Bytes });
    let inodes = Box::of("1m", "4").fill(&[("a", b"", false), ("b", b"", false), ("c", b"", false), ("d", b"", false)]);
    assert_eq!(inodes, Answer::Full { full: Full::Inodes });
}

#[test]
fn what_matches_comes_back_in_order_of_the_paths() {
    let sandbox = Box::new();
    for (path, bytes) in [("out/b", "2"), ("out/a/z", "3"), ("out/a!", "4"), ("log.txt", "5"), ("other", "6")] {
        sandbox.put(path, bytes.as_bytes());
    }
    let expected = [taken("log.txt", b"5"), taken("out/a!", b"4"), taken("out/a/z", b"3"), taken("out/b", b"2")];
    assert_eq!(sandbox.found(&["out/**", "*.txt", "missing", "out/b"]), expected);
}

#[test]
fn whatever_is_not_an_own_regular_file_is_rejected_without_waiting() {
    let sandbox = Box::new();
    let canary = tempfile::NamedTempFile::new().unwrap();
    sandbox.put("real", b"content");
    symlink(canary.path(), sandbox.at("link")).unwrap();
    symlink("/dev/zero", sandbox.at("zero")).unwrap();
    symlink("real", sandbox.at("inner")).unwrap();
    fs::hard_link(sandbox.at("real"), sandbox.at("second")).unwrap();
    mknodat(CWD, sandbox.at("pipe"), FileType::Fifo, Mode::from(0o644), 0).unwrap();
    mknodat(CWD, sandbox.at("device"), FileType::CharacterDevice, Mode::from(0o644), 0x105).unwrap();
    let _listener = UnixListener::bind(sandbox.at("socket")).unwrap();
    assert!(fs::symlink_metadata(sandbox.at("socket")).unwrap().file_type().is_socket());
    fs::create_dir(sandbox.at("folder")).unwrap();

    let begin = Instant::now();
    let expected = [
        rejected("device", Reason::NotRegular),
        rejected("inner", Reason::Symlink),
        rejected("link", Reason::Symlink),
        rejected("pipe", Reason::NotRegular),
        rejected("real", Reason::Hardlink),
        rejected("second", Reason::Hardlink),
        rejected("socket", Reason::NotRegular),
        rejected("zero", Reason::Symlink),
    ];
    assert_eq!(sandbox.found(&["**"]), expected);
    assert_eq!(sandbox.found(&["folder"]), [rejected("folder", Reason::NotRegular)]);
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[test]
fn directories_behind_links_are_not_entered() {
    let sandbox = Box::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "canary").unwrap();
    symlink(outside.path(), sandbox.at("out")).unwrap();
    symlink("/", sandbox.at("root")).unwrap();
    assert_eq!(sandbox.found(&["out/*", "out/secret", "root/etc/*"]), []);
    assert_eq!(sandbox.found(&["out/**", "**"]), [rejected("out", Reason::Symlink), rejected("root", Reason::Symlink)]);
}

#[test]
fn names_that_cannot_be_shown_are_escaped_and_rejected() {
    let sandbox = Box::new();
    for name in [&b"a\nb"[..], b"\xff\xfe", b"esc\x1b[0m", "c1\u{9b}".as_bytes()] {
        fs::write(sandbox.at("").join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
    }
    sandbox.put("f\u{fc}r \u{4f60}\u{597d} 'q' \\", b"fine");
    let expected = [
        rejected("a\\x0ab", Reason::BadName),
        rejected("c1\\xc2\\x9b", Reason::BadName),
        rejected("esc\\x1b[0m", Reason::BadName),
        taken("f\u{fc}r \u{4f60}\u{597d} 'q' \\", b"fine"),
        rejected("\\xff\\xfe", Reason::BadName),
    ];
    assert_eq!(sandbox.found(&["*"]), expected);
}

#[test]
fn the_byte_budget_takes_what_fits_and_names_what_does_not() {
    let sandbox = Box::new();
    for (path, size) in [("a", 60), ("b", 50), ("c", 40), ("d", 1)] {
        sandbox.put(path, &vec![b'x'; size]);
    }
    let collected = sandbox.collect(&["*"], Limits { artifact_bytes: 100, ..LIMITS });
    let verdicts: Vec<_> = collected.artifacts.iter().map(|one| one.content.as_ref().err().copied()).collect();
    assert_eq!(verdicts, [None, Some(Reason::TooLarge), None, Some(Reason::TooLarge)]);
    assert!(collected.truncated);
    let exact = sandbox.collect(&["a", "c"], Limits { artifact_bytes: 100, ..LIMITS });
    assert!(!exact.truncated && exact.artifacts.iter().all(|one| one.content.is_ok()));
}

#[test]
fn a_sparse_file_counts_by_its_logical_size() {
    let sandbox = Box::new();
    fs::File::create(sandbox.at("sparse")).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(sandbox.found(&["sparse"]), [rejected("sparse", Reason::TooLarge)]);
}

#[test]
fn exactly_the_allowed_number_of_entries_is_not_truncated_and_one_more_is() {
    let sandbox = Box::new();
    for index in (0..65).rev() {
        sandbox.put(&format!("{index:02}"), b"");
    }
    let collected = sandbox.collect(&["*"], LIMITS);
    let paths: Vec<String> = collected.artifacts.into_iter().map(|one| one.path).collect();
    assert_eq!(paths, (0..64).map(|index| format!("{index:02}")).collect::<Vec<_>>());
    assert!(collected.truncated);
    fs::remove_file(sandbox.at("64")).unwrap();
    assert!(!sandbox.collect(&["*"], LIMITS).truncated);
    let none = sandbox.collect(&["*"], Limits { artifacts: 0, ..LIMITS });
    assert!(none.truncated && none.artifacts.is_empty());
}

#[test]
fn a_file_below_sixty_four_directories_is_taken_and_one_below_more_is_not() {
    let sandbox = Box::new();
    let deep = |count: usize| vec!["d"; count].join("/");
    sandbox.put(&format!("{}/f", deep(64)), b"here");
    assert_eq!(sandbox.found(&["**"]), [taken(&format!("{}/f", deep(64)), b"here")]);
    sandbox.put(&format!("{}/g", deep(65)), b"too far");
    let found = sandbox.found(&["**/f", "**/g"]);
    assert_eq!(found, [rejected(&deep(65), Reason::TooDeep), taken(&format!("{}/f", deep(64)), b"here")]);
}

#[test]
fn a_chain_of_twenty_thousand_directories_is_passed_by() {
    let sandbox = Box::new();
    let mut here = fs::File::open(sandbox.at("")).unwrap();
    for _ in 0..20_000 {
        mkdirat(&here, "d", Mode::from(0o755)).unwrap();
        here = rustix::fs::openat(&here, "d", DIRECTORY_FLAGS, Mode::empty()).unwrap().into();
    }
    let begin = Instant::now();
    assert_eq!(sandbox.found(&["**"]).len(), 1);
    drop((here, sandbox));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

const DIRECTORY_FLAGS: rustix::fs::OFlags = rustix::fs::OFlags::DIRECTORY.union(rustix::fs::OFlags::CLOEXEC);

#[test]
fn paths_longer_than_the_kernel_resolves_are_too_deep() {
    let sandbox = Box::new();
    let name = "n".repeat(255);
    let mut here = fs::File::open(sandbox.at("")).unwrap();
    for _ in 0..17 {
        mkdirat(&here, &name, Mode::from(0o755)).unwrap();
        here = rustix::fs::openat(&here, &name, DIRECTORY_FLAGS, Mode::empty()).unwrap().into();
    }
    let found = sandbox.found(&["**"]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, Err(Reason::TooDeep));
    assert!(found[0].0.len() <= 4096);
}

#[test]
fn a_huge_directory_is_cut_off_in_time() {
    let sandbox = Box::of("512m", "1000000");
    let directory = fs::File::open(sandbox.at("")).unwrap();
    for index in 0..210_000 {
        mknodat(&directory, format!("{index}"), FileType::RegularFile, Mode::from(0o644), 0).unwrap();
    }
    let begin = Instant::now();
    let collected = sandbox.collect(&["**/*"], LIMITS);
    assert!(collected.truncated && collected.artifacts.len() as u64 <= LIMITS.artifacts);
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert!(sandbox.collect(&["**"], Limits { time_ms: 0, ..LIMITS }).truncated);
}

#[test]
fn a_file_that_is_swapped_for_a_link_never_gives_the_target() {
    let sandbox = Box::new();
    let canary = tempfile::NamedTempFile::new().unwrap();
    fs::write(canary.path(), "canary").unwrap();
    sandbox.put("out", b"own");
    symlink(canary.path(), sandbox.at("other")).unwrap();
    let directory = fs::File::open(sandbox.at("")).unwrap();
    let over = AtomicBool::new(false);
    let mut seen = [0_u32; 2];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                renameat_with(&directory, "out", &directory, "other", RenameFlags::EXCHANGE).unwrap();
            }
        });
        for _ in 0..10_000 {
            match &sandbox.found(&["out"])[..] {
                [(_, Ok(bytes))] if bytes == b"own" => seen[0] += 1,
                [(_, Err(Reason::Symlink))] => seen[1] += 1,
                other => panic!("{other:?}"),
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(seen[0] > 0 && seen[1] > 0, "both sides of the race were seen: {seen:?}");
}

#[test]
fn a_directory_that_is_swapped_for_a_link_never_gives_what_is_behind_it() {
    let sandbox = Box::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("f"), "canary").unwrap();
    sandbox.put("out/f", b"own");
    symlink(outside.path(), sandbox.at("other")).unwrap();
    let directory = fs::File::open(sandbox.at("")).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                renameat_with(&directory, "out", &directory, "other", RenameFlags::EXCHANGE).unwrap();
            }
        });
        for _ in 0..5_000 {
            let canaries =
                sandbox.found(&["**"]).into_iter().filter(|(_, content)| content.as_deref() == Ok(b"canary"));
            assert_eq!(canaries.count(), 0);
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn modes_and_vanishing_files_are_no_failure_of_ours() {
    let sandbox = Box::new();
    sandbox.put("setuid", b"x");
    fs::set_permissions(sandbox.at("setuid"), fs::Permissions::from_mode(0o6000)).unwrap();
    assert_eq!(sandbox.found(&["setuid"]), [taken("setuid", b"x")]);
    let work = fs::File::open(sandbox.at("")).unwrap();
    assert_eq!(super::read::open(work.as_fd(), b"gone", 10).err(), Some(Reason::Unreadable));
    unlinkat(&sandbox.root, "work/setuid", AtFlags::empty()).unwrap();
    unlinkat(&sandbox.root, "work", AtFlags::REMOVEDIR).unwrap();
    let failed = sandbox.try_collect(&["**"], LIMITS).unwrap_err();
    assert_eq!(failed, Distrust::Failed { step: "open".to_owned(), errno: 2 });
}

#[test]
fn what_a_job_locked_is_taken_without_a_capability() {
    let sandbox = Box::new();
    for path in ["out/deep/file", "out/other", "mine"] {
        sandbox.put(path, b"locked");
    }
    let locked = |path: &str| fs::set_permissions(sandbox.at(path), fs::Permissions::from_mode(0o000)).unwrap();
    sandbox.give_away();
    ["out/deep/file", "out/deep", "out/other", "out", ""].into_iter().for_each(locked);
    let all = ["mine", "out/deep/file", "out/other"].map(|path| taken(path, b"locked"));
    assert_eq!(as_slot(|| sandbox.found(&["**"])), all);
}

#[test]
fn what_belongs_to_another_is_not_unlocked() {
    let sandbox = Box::new();
    sandbox.put("foreign", b"root's");
    fs::set_permissions(sandbox.at("foreign"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink("foreign", sandbox.at("link")).unwrap();
    let expected = [rejected("foreign", Reason::Unreadable), rejected("link", Reason::Symlink)];
    assert_eq!(as_slot(|| sandbox.found(&["*"])), expected);
    assert_eq!(fs::metadata(sandbox.at("foreign")).unwrap().mode() & 0o777, 0o600);
}
