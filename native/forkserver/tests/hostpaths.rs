//! Host paths in a sandbox: what is granted can be used, what is denied can't be reached, and the host's tree is never changed by us.

mod harness;

use forkserver::wire::{Event, HostRoot, PathAccess, PathPlan, PathRule, Request};
use harness::{Forkserver, PROGRAM, Ran, command, shell};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use PathAccess::{Denied, Readonly, Readwrite};

/// Whose the test directory is: somebody without any privilege.
const OWNER: u32 = 64_242;

/// An operator's directory with files in it.
struct Data {
    dir: tempfile::TempDir,
}

impl Data {
    /// Makes the files (a name that ends with `/` is a directory), all of them the owner's and nobody else's to read.
    fn new(names: &[&str]) -> Data {
        let dir = tempfile::Builder::new().prefix("bullpen-").tempdir_in("/var/tmp").expect("a directory");
        let data = Data { dir };
        data.give(data.path(""), 0o700);
        for name in names {
            let path = data.path(name.trim_end_matches('/'));
            let mut parents: Vec<&Path> = path.ancestors().skip(1).take_while(|above| !above.exists()).collect();
            parents.reverse();
            for above in parents {
                fs::create_dir(above).expect("made");
                data.give(above.to_owned(), 0o700);
            }
            if name.ends_with('/') {
                fs::create_dir(&path).expect("made");
                data.give(path, 0o700);
            } else {
                fs::write(&path, format!("text of {name}\n")).expect("written");
                data.give(path, 0o600);
            }
        }
        data
    }

    fn give(&self, path: PathBuf, mode: u32) {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        chown(&path, Some(OWNER), Some(OWNER)).expect("chown");
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.dir.path().to_owned() } else { self.dir.path().join(name) }
    }

    fn root(&self, access: PathAccess) -> HostRoot {
        HostRoot { path: self.text(), access }
    }

    fn text(&self) -> String {
        self.dir.path().to_str().expect("UTF-8").to_owned()
    }

    fn server(&self) -> Forkserver {
        let root = self.root(Readwrite);
        Forkserver::start_planned(|host| host.host_roots = vec![root])
    }

    /// Runs a shell script, in which `$D` is the directory, with paths below it.
    fn run(&self, paths: &[(&str, PathAccess)], script: &str) -> Ran {
        self.run_in(&mut self.server(), paths, script)
    }

    fn run_in(&self, server: &mut Forkserver, paths: &[(&str, PathAccess)], script: &str) -> Ran {
        let mut ask = shell(script);
        ask.spec.env.push(("D".into(), self.text()));
        server.with_paths(plans(paths)).expect("granted").run_last(ask)
    }

    fn refused(&self, paths: &[(&str, PathAccess)]) -> Option<(u32, PathRule)> {
        self.server().with_paths(plans(paths)).map(|sandbox| drop(sandbox.deprovision())).err()
    }
}

fn plans(paths: &[(&str, PathAccess)]) -> Vec<PathPlan> {
    paths.iter().map(|(below, access)| PathPlan { root: 0, below: (*below).to_owned(), access: *access }).collect()
}

/// Says for each command of a script whether it worked.
fn attempts(commands: &[&str]) -> String {
    commands.iter().map(|command| format!("({command}) >/dev/null 2>&1 && echo yes || echo no\n")).collect()
}

#[test]
fn a_readonly_path_is_read_and_never_written() {
    let data = Data::new(&["in/a", "other"]);
    let script = "cat $D/in/a; stat -c %u $D/in/a; echo x > $D/in/a; echo x > $D/in/new; rm $D/in/a; chmod 777 $D/in/a; ls $D; cat $D/other";
    let ran = data.run(&[("in", Readonly)], script);
    assert_eq!(ran.stdout, "text of in/a\n1000\nin\n", "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("Read-only file system").count(), 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("/other: No such file"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(data.path("in/a")).expect("read"), "text of in/a\n");
    assert_eq!(fs::read_dir(data.path("in")).expect("read").count(), 1);
}

#[test]
fn what_a_job_writes_belongs_to_the_owner_of_the_root() {
    let data = Data::new(&["out/a"]);
    fs::write(data.path("out/roots"), "secret").expect("written");
    fs::set_permissions(data.path("out/roots"), fs::Permissions::from_mode(0o600)).expect("chmod");
    let script = "echo new > $D/out/b; echo more >> $D/out/a; mkdir $D/out/d; mv $D/out/b $D/out/d; stat -c %u:%g $D/out/d/b $D/out/roots; cat $D/out/roots";
    let ran = data.run(&[("out", Readwrite)], script);
    assert_eq!(ran.stdout, "1000:1000\n65534:65534\n", "{}", ran.stderr);
    assert!(ran.stderr.contains("roots: Permission denied"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(data.path("out/a")).expect("read"), "text of out/a\nmore\n");
    let made = fs::metadata(data.path("out/d/b")).expect("made");
    assert_eq!((made.uid(), made.gid()), (OWNER, OWNER));
}

#[test]
fn below_a_directory_of_roots_a_job_is_a_stranger() {
    let data = Data::new(&["open", "closed"]);
    for (name, mode) in [("", 0o755), ("open", 0o644), ("closed", 0o600)] {
        chown(data.path(name), Some(0), Some(0)).expect("chown");
        fs::set_permissions(data.path(name), fs::Permissions::from_mode(mode)).expect("chmod");
    }
    let root = data.root(Readonly);
    let mut server = Forkserver::start_planned(|host| host.host_roots = vec![root]);
    let ran = data.run_in(&mut server, &[("", Readonly)], "cat $D/open; cat $D/closed");
    assert_eq!(ran.stdout, "text of open\n");
    assert!(ran.stderr.contains("closed: Permission denied"), "{}", ran.stderr);
    // And it gets nothing to write: what it made would be its uid's, which the next job has.
    assert_eq!(failure(&data.server(), plans(&[("", Readonly)])), ("HostRoot".to_owned(), libc::EPERM));
}

/// The step and errno of a sandbox that isn't made for a reason of ours.
fn failure(server: &Forkserver, paths: Vec<PathPlan>) -> (String, i32) {
    server.send(&Request::Provision { sandbox: 900, plan: server.plan(paths) }, &[]);
    match server.receive().0 {
        Event::Failed { error, .. } => (error.step, error.errno),
        other => panic!("no failure: {other:?}"),
    }
}

#[test]
fn a_path_that_is_not_normalised_or_of_no_root_is_never_looked_up() {
    let data = Data::new(&["p/f"]);
    for below in ["..", "p/../p", "p/./f", "p//f", "/etc", "p/"] {
        assert_eq!(
            failure(&data.server(), plans(&[(below, Readonly)])),
            ("Request".to_owned(), libc::EINVAL),
            "{below}"
        );
    }
    let elsewhere = PathPlan { root: 1, below: "p".to_owned(), access: Readonly };
    assert_eq!(failure(&data.server(), vec![elsewhere]), ("Request".to_owned(), libc::ENOENT));
    let link = data.path("link");
    symlink(data.path("p"), &link).expect("made");
    let root = HostRoot { path: link.to_str().expect("UTF-8").to_owned(), access: Readonly };
    let server = Forkserver::start_planned(|host| host.host_roots = vec![root]);
    assert_eq!(failure(&server, plans(&[("f", Readonly)])), ("HostRoot".to_owned(), libc::ELOOP));
    let proc = HostRoot { path: "/proc".to_owned(), access: Readonly };
    let server = Forkserver::start_planned(|host| host.host_roots = vec![proc]);
    assert_eq!(failure(&server, plans(&[("1", Readonly)])), ("HostRoot".to_owned(), libc::EOPNOTSUPP));
}

#[test]
fn a_single_file_can_be_granted_for_writing() {
    let data = Data::new(&["f", "g"]);
    let ran = data.run(&[("f", Readwrite)], "echo more >> $D/f; cat $D/f; ls $D");
    assert_eq!(ran.stdout, "text of f\nmore\nf\n", "{}", ran.stderr);
}

#[test]
fn what_is_denied_is_hidden_and_the_rest_is_there() {
    let data = Data::new(&["p/secret", "p/d/x", "p/open"]);
    let script = "cat $D/p/open; cat $D/p/secret; ls $D/p/d; cat $D/p/d/x; stat -c %s $D/p/secret; test -r $D/p/secret || echo unreadable";
    let open = data.run(&[("p", Readwrite)], script);
    assert_eq!(open.stdout, "text of p/open\ntext of p/secret\nx\ntext of p/d/x\n17\n", "the control: {}", open.stderr);
    for access in [Readonly, Readwrite] {
        let ran = data.run(&[("p", access), ("p/secret", Denied), ("p/d", Denied)], script);
        assert_eq!(ran.stdout, "text of p/open\n0\nunreadable\n", "{}", ran.stderr);
        assert_eq!(ran.stderr.matches("Permission denied").count(), 3, "{}", ran.stderr);
    }
    assert_eq!(fs::read_to_string(data.path("p/secret")).expect("read"), "text of p/secret\n");
}

#[test]
fn the_most_specific_path_wins_at_every_depth() {
    let data = Data::new(&["a/f", "a/b/f", "a/b/c/f", "a/b/c/d/f"]);
    let paths = [("a", Readwrite), ("a/b", Denied), ("a/b/c", Readwrite), ("a/b/c/d", Readonly)];
    let script = attempts(&[
        "echo > $D/a/new",
        "ls $D/a/b",
        "cat $D/a/b/f",
        "cat $D/a/b/c/f",
        "echo > $D/a/b/c/new",
        "cat $D/a/b/c/d/f",
        "echo > $D/a/b/c/d/f",
    ]);
    assert_eq!(data.run(&paths, &script).stdout, "yes\nno\nno\nyes\nyes\nyes\nno\n");
    assert_eq!(fs::read_to_string(data.path("a/b/c/d/f")).expect("read"), "text of a/b/c/d/f\n");
    let mut names: Vec<_> =
        fs::read_dir(data.path("a/b")).expect("read").map(|entry| entry.expect("entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["c", "f"], "nothing was made in what is hidden");
}

#[test]
fn one_path_in_two_lists_is_as_strict_as_the_stricter() {
    let data = Data::new(&["a/f"]);
    let script = attempts(&["cat $D/a/f", "echo > $D/a/f"]);
    assert_eq!(data.run(&[("a", Readwrite)], &script).stdout, "yes\nyes\n");
    assert_eq!(data.run(&[("a", Readwrite), ("a", Readonly)], &script).stdout, "yes\nno\n");
    assert_eq!(data.run(&[("a", Readwrite), ("a", Denied), ("a", Readonly)], &script).stdout, "no\nno\n");
}

#[test]
fn a_denied_path_that_is_not_there_is_not_made() {
    let data = Data::new(&["p/f"]);
    let paths = [("p", Readwrite), ("p/none", Denied), ("p/no/where", Denied), ("p/f/x", Denied)];
    assert_eq!(data.run(&paths, "ls -A $D/p").stdout, "f\n");
    assert_eq!(fs::read_dir(data.path("p")).expect("read").count(), 1);
}

#[test]
fn nothing_can_be_moved_out_from_under_a_denied_path() {
    let data = Data::new(&["p/a/b/secret", "p/a/b/other", "p/a/c", "p/keep/f"]);
    let paths = [("p", Readwrite), ("p/a/b/secret", Denied), ("p/keep", Readonly)];
    let games = attempts(&[
        "mv $D/p/a $D/p/z",
        "mv $D/p/a/b $D/p/a/z",
        "mv $D/p/a/b $D/p/z",
        "mv $D/p/a/b/secret $D/p/z",
        "rm -f $D/p/a/b/secret",
        "rm -rf $D/p/a/b/secret",
        "mv $D/p $D/q",
        "ln $D/p/a/b/secret $D/p/z",
        "mv $D/p/a/b/other $D/p/a/b/secret",
        "mv $D/p/keep $D/p/z",
        "rm -rf $D/p/keep",
        "echo x > $D/p/keep/f",
        "ln $D/p/keep/f $D/p/z",
        "cat $D/p/a/b/secret",
        "cat $D/p/./a/../a/b/secret",
        "cat /proc/self/cwd/../$D/p/a/b/secret",
    ]);
    let mut server = data.server();
    for _ in 0..2 {
        let ran = data.run_in(&mut server, &paths, &games);
        assert_eq!(ran.stdout, "no\n".repeat(16), "{}", ran.stderr);
    }
    let script = attempts(&[
        "echo x > $D/p/a/b/other",
        "mv $D/p/a/c $D/p/a/d",
        "mkdir $D/p/new",
        "mv $D/p/a/d $D/p/new",
        "rm -r $D/p/new",
    ]);
    assert_eq!(data.run(&paths, &script).stdout, "yes\n".repeat(5), "the control");
    assert_eq!(fs::read_to_string(data.path("p/a/b/secret")).expect("read"), "text of p/a/b/secret\n");
    // Control: without the deny the first game is won, and the file is read under its new name.
    let won = data.run(&[("p", Readwrite)], "mv $D/p/a $D/p/won && cat $D/p/won/b/secret");
    assert_eq!(won.stdout, "text of p/a/b/secret\n", "{}", won.stderr);
}

#[test]
fn links_lead_nowhere() {
    let data = Data::new(&["p/f", "p/secret", "canary"]);
    let paths = [("p", Readwrite), ("p/secret", Denied)];
    let script = "ln -s $D/canary $D/p/l; ln -s ../canary $D/p/m; ln -s secret $D/p/n; ln -s $D /work/w; ln -s f $D/p/ok; for l in $D/p/l $D/p/m $D/p/n /work/w/canary $D/p/ok; do cat $l; done";
    let ran = data.run(&paths, script);
    assert_eq!(ran.stdout, "text of p/f\n", "{}", ran.stderr);
    assert_eq!(fs::read_link(data.path("p/m")).expect("a link"), Path::new("../canary"), "it is there, and of no use");
    // What a job left there leads our own look-up nowhere, either.
    assert_eq!(data.refused(&[("p/l", Readonly)]), Some((0, PathRule::Symlink)));
    assert_eq!(data.refused(&[("p", Readonly), ("p/n", Denied)]), Some((1, PathRule::Symlink)));
    fs::create_dir(data.path("p/d")).expect("made");
    symlink(data.path("p/d"), data.path("p/e")).expect("made");
    fs::write(data.path("p/d/x"), "").expect("written");
    assert_eq!(data.refused(&[("p/e/x", Readonly)]), Some((0, PathRule::Symlink)));
    assert_eq!(data.refused(&[("p/d/x", Readonly)]), None);
}

#[test]
fn only_files_and_directories_are_granted_and_hard_links_not_hidden() {
    let data = Data::new(&["p/f", "p/d/f"]);
    let made = std::process::Command::new("mkfifo").arg(data.path("p/pipe")).status().expect("mkfifo");
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(data.path("p/socket")).expect("bound");
    assert_eq!(data.refused(&[("p/pipe", Readwrite)]), Some((0, PathRule::FileType)));
    assert_eq!(data.refused(&[("p/socket", Readonly)]), Some((0, PathRule::FileType)));
    assert_eq!(data.refused(&[("p/none", Readonly)]), Some((0, PathRule::Missing)));
    assert_eq!(data.refused(&[("p/f/x", Readonly)]), Some((0, PathRule::Missing)));
    assert_eq!(data.refused(&[("p", Readonly), ("p/d", Denied), ("p/f", Denied)]), None);
    fs::hard_link(data.path("p/f"), data.path("p/g")).expect("linked");
    assert_eq!(data.refused(&[("p", Readonly), ("p/f", Denied)]), Some((1, PathRule::HardLink)));
    assert_eq!(data.refused(&[("p", Readwrite), ("p/f", Readonly)]), Some((1, PathRule::HardLink)));
    assert_eq!(data.refused(&[("p", Readonly), ("p/f", Readonly)]), None);
    fs::hard_link(data.path("p/d/f"), data.path("p/h")).expect("linked");
    assert_eq!(data.refused(&[("p", Readonly), ("p/d", Denied)]), Some((1, PathRule::HardLink)));
    for number in 0..5000 {
        fs::write(data.path(&format!("p/d/{number}")), "").expect("written");
    }
    fs::remove_file(data.path("p/h")).expect("removed");
    assert_eq!(data.refused(&[("p", Readonly), ("p/d", Denied)]), Some((1, PathRule::TooLarge)));
}

#[test]
fn doors_to_other_processes_are_not_made_and_a_readonly_pipe_is_not_written() {
    let data = Data::new(&["p/f"]);
    let made = std::process::Command::new("mkfifo").arg(data.path("p/pipe")).status().expect("mkfifo");
    assert!(made.success());
    data.give(data.path("p/pipe"), 0o666);
    let script = attempts(&[
        "mkfifo $D/p/new",
        "perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => \"$ENV{D}/p/s\", Listen => 1) or exit 1'",
        "mkfifo /tmp/new",
    ]);
    assert_eq!(data.run(&[("p", Readwrite)], &script).stdout, "no\nno\nyes\n");
    let ran = data.run(&[("p", Readonly)], "timeout 2 sh -c 'echo x > $D/p/pipe'; echo $?");
    assert_eq!((&*ran.stdout, ran.stderr.contains("Permission denied")), ("2\n", true), "{}", ran.stderr);
}

#[test]
fn only_granted_names_show_and_the_rest_is_as_ever() {
    let data = Data::new(&["p/f"]);
    let mut server = data.server();
    let list =
        "ls -d / /*; ls /var /var/tmp; id -u; echo x > /var/y; echo x > $D/y; echo ok > /work/x; cat /work/x /tmp/none";
    let with = data.run_in(&mut server, &[("p", Readwrite)], list);
    let without = server.claimed().run_last(shell("ls -d / /*"));
    let name = data.path("").file_name().expect("a name").to_str().expect("UTF-8").to_owned();
    let mut top: Vec<&str> = without.stdout.lines().chain(["/var"]).collect();
    top.sort_unstable();
    assert_eq!(
        with.stdout,
        format!("{}\n/var:\ntmp\n\n/var/tmp:\n{name}\n1000\nok\n", top.join("\n")),
        "{}",
        with.stderr
    );
    assert_eq!(with.stderr.matches("Read-only file system").count(), 2, "{}", with.stderr);
    // Nothing stays mounted in the forkserver's own namespace.
    let shim = server.process.id();
    let pid = fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).expect("children");
    let own = fs::read_to_string(format!("/proc/{}/mountinfo", pid.trim())).expect("mountinfo");
    assert!(own.contains(server.stage_dir().to_str().expect("UTF-8")) && !own.contains(".site"), "{own}");
}

#[test]
fn mounts_of_a_policy_can_not_be_changed_from_inside() {
    let data = Data::new(&["p/d/secret", "p/f"]);
    let mut ask = shell("true");
    ask.spec.argv = vec![
        "/usr/bin/perl".into(),
        "-e".into(),
        format!(
            "for ('/p', '/p/d') {{ my $p = $ENV{{D}}.$_; my $none = ''; print syscall({}, $p, 2) < 0 ? $!+0 : 0, ' ', syscall({}, $none, $p, $none, {}, $none) < 0 ? $!+0 : 0, qq(\\n) }}",
            libc::SYS_umount2,
            libc::SYS_mount,
            libc::MS_REMOUNT | libc::MS_BIND,
        ),
    ];
    ask.spec.env.push(("D".into(), data.text()));
    ask.posture = true;
    let mut server = data.server();
    let sandbox = server.with_paths(plans(&[("p", Readonly), ("p/d", Denied)])).expect("granted");
    let ran = sandbox.run_last(ask);
    assert_eq!(ran.stdout, "1 1\n1 1\n", "{}", ran.stderr);
}

/// A server whose host has more mounted: `arrange` runs in its own mount namespace.
fn server_with_mounts(
    roots: Vec<HostRoot>,
    arrange: impl Fn() -> rustix::io::Result<()> + Send + Sync + 'static,
) -> Forkserver {
    let spawn = |control: &_| {
        let mut command = command(PROGRAM, control);
        let apart = move || {
            // SAFETY: mounts only, in a process of one thread.
            unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
            arrange().map_err(Into::into)
        };
        // SAFETY: system calls only, on paths that were made before.
        unsafe { command.pre_exec(apart) };
        command.spawn().expect("forkserver starts")
    };
    Forkserver::start_by(spawn, |host| host.host_roots = roots)
}

#[test]
fn another_file_system_in_a_tree_is_never_part_of_it() {
    let data = Data::new(&["p/m/covered", "p/f"]);
    let place = data.path("p/m");
    let fs_mounted = move || mount(c"none", &place, c"tmpfs", MountFlags::empty(), None);
    let mut server = server_with_mounts(vec![data.root(Readwrite)], fs_mounted);
    let mut refused =
        |paths: &[(&str, PathAccess)]| server.with_paths(plans(paths)).map(|sandbox| drop(sandbox.deprovision())).err();
    assert_eq!(refused(&[("p", Readonly)]), Some((0, PathRule::MountBelow)));
    assert_eq!(refused(&[("p/m", Readonly)]), Some((0, PathRule::OtherFilesystem)));
    assert_eq!(refused(&[("p/f", Readonly)]), None);
}

#[test]
fn a_second_way_to_a_denied_directory_is_closed_too() {
    let data = Data::new(&["p/a/secret", "p/a/b/x", "p/f", "alias/"]);
    let (from, to) = (data.path("p/a"), data.path("alias"));
    // The alias is a root of its own, as it is another mount.
    let alias = HostRoot { path: to.to_str().expect("UTF-8").to_owned(), access: Readwrite };
    let mut server = server_with_mounts(vec![data.root(Readwrite), alias], move || mount_bind(&from, &to));
    let mut run = |paths: Vec<PathPlan>, script: &str| {
        let mut ask = shell(script);
        ask.spec.env.push(("D".into(), data.text()));
        server.with_paths(paths).expect("granted").run_last(ask).stdout
    };
    let plan = |root: u32, below: &str, access| PathPlan { root, below: below.to_owned(), access };
    let script =
        attempts(&["cat $D/p/f", "cat $D/p/a/secret", "cat $D/alias/secret", "cat $D/p/a/b/x", "echo > $D/p/a/b/x"]);
    assert_eq!(
        run(vec![plan(0, "p", Readwrite), plan(1, "", Readwrite)], &script),
        "yes\nyes\nyes\nyes\nyes\n",
        "the control"
    );
    assert_eq!(run(vec![plan(0, "p", Readwrite), plan(1, "secret", Denied)], &script), "yes\nno\nno\nyes\nyes\n");
    assert_eq!(run(vec![plan(0, "p", Readwrite), plan(1, "", Denied)], &script), "yes\nno\nno\nno\nno\n");
    assert_eq!(run(vec![plan(0, "p", Readwrite), plan(1, "b", Readonly)], &script), "yes\nyes\nno\nyes\nno\n");
    let same = attempts(&["echo > $D/p/a/b/x", "echo > $D/alias/b/x", "cat $D/alias/b/x"]);
    assert_eq!(run(vec![plan(0, "p/a", Readwrite), plan(1, "", Readonly)], &same), "no\nno\nyes\n");
}
