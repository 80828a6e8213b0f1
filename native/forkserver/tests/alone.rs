//! Barriers that stand behind others, looked at by themselves: in a sandbox the one in front hides whether they are there.

mod harness;

use forkserver::wire::{Cause, ClaimLimits, Event};
use harness::{End, Forkserver, Sandbox, command, control_pair, eventually, exec, perl, shell};
use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The processes of a sandbox, its first one first.
fn members(server: &Forkserver) -> Vec<i32> {
    let house = server.leaf_houses().into_iter().next().expect("a hierarchy");
    let leaves = fs::read_dir(house).expect("leaves").flatten().map(|leaf| leaf.path().join("cgroup.procs"));
    let lists = leaves.filter_map(|procs| fs::read_to_string(procs).ok());
    let mut pids: Vec<i32> =
        lists.flat_map(|list| list.lines().map(|pid| pid.parse().expect("a pid")).collect::<Vec<_>>()).collect();
    let is_ours = |pid: &i32| {
        fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.to_string_lossy().contains("bullpen"))
    };
    pids.sort_by_key(|pid| (!is_ours(pid), *pid));
    pids
}

/// Runs `sleep` in a sandbox; `look` gets the pids of the first process and of the program.
fn beside_a_program<R>(sandbox: &Sandbox<'_>, look: impl FnOnce(i32, i32) -> R) -> R {
    let streams = sandbox.start(0, true, &exec(&["sleep", "1000"]));
    assert!(matches!(sandbox.server.receive().0, Event::Started { .. }));
    let [init, program] = members(sandbox.server)[..] else { panic!("not two processes") };
    let seen = look(init, program);
    sandbox.kill(Cause::Cancelled);
    sandbox.finish(streams);
    seen
}

/// What `act` answers in the user and mount namespace of a process, with every capability there: 0 or an errno.
fn inside(process: i32, act: impl Fn() -> libc::c_long + Send + Sync + 'static) -> i32 {
    let namespaces = ["user", "mnt"].map(|kind| fs::File::open(format!("/proc/{process}/ns/{kind}")).expect(kind));
    let mut command = Command::new("/proc/self/no-such-program");
    // SAFETY: only system calls.
    unsafe {
        command.pre_exec(move || {
            for namespace in &namespaces {
                if libc::setns(namespace.as_raw_fd(), 0) != 0 {
                    return Err(io::Error::from_raw_os_error(libc::ENOTRECOVERABLE));
                }
            }
            match act() {
                0.. => Err(io::Error::from_raw_os_error(libc::EL3HLT)),
                _ => Err(io::Error::last_os_error()),
            }
        })
    };
    let told = command.spawn().expect_err("never executed").raw_os_error().expect("an errno");
    if told == libc::EL3HLT { 0 } else { told }
}

fn make_writable(path: &'static std::ffi::CStr) -> libc::c_long {
    let attr = libc::mount_attr { attr_set: 0, attr_clr: libc::MOUNT_ATTR_RDONLY, propagation: 0, userns_fd: 0 };
    // SAFETY: the path is a C string and `attr` outlives the call.
    unsafe {
        libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, path.as_ptr(), 0, &raw const attr, size_of_val(&attr))
    }
}

fn take_off(path: &'static std::ffi::CStr) -> impl Fn() -> libc::c_long {
    // SAFETY: the path is a C string.
    move || unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) }.into()
}

fn cover_tmp(kind: &'static std::ffi::CStr) -> impl Fn() -> libc::c_long {
    // SAFETY: all are C strings, and there is no data.
    move || unsafe { libc::mount(c"new".as_ptr(), c"/tmp".as_ptr(), kind.as_ptr(), 0, std::ptr::null()) }.into()
}

#[test]
fn whoever_has_every_capability_inside_changes_no_mount() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let seen = beside_a_program(&sandbox, |_, program| {
        [
            inside(program, || make_writable(c"/")),
            inside(program, || make_writable(c"/usr")),
            inside(program, || make_writable(c"/proc")),
            inside(program, take_off(c"/usr")),
            inside(program, take_off(c"/dev/null")),
            inside(program, cover_tmp(c"proc")),
            // The capability is really there.
            inside(program, cover_tmp(c"tmpfs")),
        ]
    });
    assert_eq!(seen, [libc::EPERM, libc::EPERM, libc::EPERM, libc::EINVAL, libc::EINVAL, libc::EPERM, 0]);
    sandbox.deprovision();
}

#[test]
fn whoever_has_every_capability_inside_makes_no_namespace() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let kinds = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    // SAFETY: a plain number.
    let unshare = |kind: i32| move || unsafe { libc::unshare(kind) }.into();
    let seen = beside_a_program(&sandbox, |_, program| kinds.map(|kind| inside(program, unshare(kind))));
    assert_eq!(seen, [libc::ENOSPC; 7]);
    sandbox.deprovision();
}

#[test]
fn no_exec_brings_a_capability_back() {
    let mut server = Forkserver::start();
    // PR_GET_SECUREBITS: everything but keep-caps on, and everything locked.
    let ran = server.claimed().run_last(perl("printf '%#x', syscall(157, 27, 0, 0, 0, 0)"));
    assert_eq!(ran.stdout, "0xef", "{}", ran.stderr);
}

#[test]
fn a_program_has_no_death_signal() {
    let mut server = Forkserver::start();
    let ran =
        server.claimed().run_last(perl("my $s = pack('i', 9); syscall(157, 2, $s, 0, 0, 0); print unpack('i', $s)"));
    assert_eq!(ran.stdout, "0", "{}", ran.stderr);
}

#[test]
fn neither_the_umask_nor_the_session_of_the_worker_comes_along() {
    let with_umask = |control: &_| {
        let mut command = command(harness::PROGRAM, control);
        // SAFETY: umask is a plain system call.
        unsafe {
            command.pre_exec(|| {
                libc::umask(0o077);
                Ok(())
            })
        };
        command.spawn().expect("forkserver starts")
    };
    let mut server = Forkserver::start_by(with_umask, |_| {});
    let script = "printf '%03o %d', umask, syscall(124, 0) == $$ ? 1 : 0; open F, '</etc/passwd' or print ' closed'";
    let ran = server.claimed().run_last(perl(script));
    assert_eq!(ran.stdout, "022 1", "{}", ran.stderr);
}

#[test]
fn nobody_of_a_sandbox_may_look_into_its_first_process() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let owner = |pid: i32| fs::metadata(format!("/proc/{pid}/environ")).expect("its entry").uid();
    // Of what is not dumpable the entries are root's.
    let owners = beside_a_program(&sandbox, |init, program| (owner(init), owner(program)));
    assert_eq!(owners, (0, sandbox.uid));
    sandbox.deprovision();
}

#[test]
fn the_first_process_holds_its_channel_and_nothing_else() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let mut fds = beside_a_program(&sandbox, |init, _| {
        let names = fs::read_dir(format!("/proc/{init}/fd")).expect("fds").flatten();
        names.filter_map(|name| name.file_name().to_str()?.parse().ok()).collect::<Vec<i32>>()
    });
    fds.sort_unstable();
    // The last one is the program's pidfd, until it is told.
    assert!(matches!(fds[..], [0, 1, 2, 3] | [0, 1, 2, 3, _]), "{fds:?}");
    sandbox.deprovision();
}

#[test]
fn shared_memory_of_the_host_is_not_there() {
    let key = 0x6275_6c6c + std::process::id() as i32;
    // SAFETY: plain numbers.
    let segment = unsafe { libc::shmget(key, 4096, libc::IPC_CREAT | libc::IPC_EXCL | 0o666) };
    assert!(segment >= 0, "{}", io::Error::last_os_error());
    let mut server = Forkserver::start();
    let ran = server.claimed().run_last(perl(&format!("print defined shmget({key}, 4096, 0) ? 'found' : $!+0")));
    // SAFETY: plain numbers and no data.
    let there = unsafe { (libc::shmget(key, 4096, 0), libc::shmctl(segment, libc::IPC_RMID, std::ptr::null_mut())) };
    assert_eq!((&*ran.stdout, there), (&*libc::ENOENT.to_string(), (segment, 0)));
}

#[test]
fn what_was_claimed_is_in_the_leaf() {
    let mut server = Forkserver::start();
    let limits = ClaimLimits { memory_bytes: 64 << 20, processes: 7, cpu_millis: 250, ..harness::limits() };
    let sandbox = server.claimed_with(limits);
    let leaves: Vec<_> = sandbox.server.leaf_houses().iter().map(|house| house.join(sandbox.id.to_string())).collect();
    let of = |file: &str| {
        leaves.iter().find_map(|leaf| fs::read_to_string(leaf.join(file)).ok()).map(|text| text.trim().to_owned())
    };
    let expected: &[(&str, &str)] = match of("memory.limit_in_bytes") {
        Some(_) => &[
            ("memory.limit_in_bytes", "67108864"),
            ("memory.memsw.limit_in_bytes", "67108864"),
            ("memory.swappiness", "0"),
            ("pids.max", "8"),
            ("cpu.cfs_quota_us", "25000"),
        ],
        None => {
            &[("memory.max", "67108864"), ("memory.oom.group", "1"), ("pids.max", "8"), ("cpu.max", "25000 100000")]
        }
    };
    for (file, value) in expected {
        assert_eq!(of(file).as_deref(), Some(*value), "{file}");
    }
    sandbox.deprovision();
}

fn parent_of(pid: i32) -> i32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    line.and_then(|pid| pid.trim().parse().ok()).expect("a parent")
}

/// A process in a leaf where none should ever be: a child of nobody's in it, but visible to the forkserver.
struct Stranger(Child);

impl Stranger {
    fn enter(sandbox: &Sandbox<'_>) -> Stranger {
        let namespace = format!("--pid=/proc/{}/ns/pid", parent_of(members(sandbox.server)[0]));
        let mut command = Command::new("/usr/bin/nsenter");
        command.args([&namespace, "/bin/sh", "-c", "for f; do echo 0 > $f; done; echo in; exec cat", "sh"]);
        let leaves = sandbox.server.leaf_houses().into_iter().map(|house| house.join(sandbox.id.to_string()));
        command.args(leaves.map(|leaf| leaf.join("cgroup.procs")));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("nsenter");
        let mut said = [0; 3];
        child.stdout.as_mut().expect("stdout").read_exact(&mut said).expect("it entered");
        Stranger(child)
    }

    /// It reads to the end of its input.
    fn leave(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("ended");
    }
}

#[test]
fn an_end_is_told_only_when_the_leaf_is_empty() {
    let kind = harness::kinds().remove(0);
    if kind.name == "v2" {
        // There the kernel kills all that is in it, the stranger too: nobody is left to be waited for.
        return;
    }
    let mut server = Forkserver::start_with(&kind);
    let sandbox = server.claimed();
    let stranger = Stranger::enter(&sandbox);
    let streams = sandbox.start(0, true, &shell("exit 3"));
    assert!(matches!(sandbox.server.receive().0, Event::Started { .. }));
    // Init is gone: whoever was its child is dead.
    eventually(Duration::from_secs(5), "only the stranger is left", || members(sandbox.server).len() <= 1);
    std::thread::sleep(Duration::from_millis(200));
    let mut told = [rustix::event::PollFd::new(&sandbox.server.socket, rustix::event::PollFlags::IN)];
    let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
    if rustix::event::poll(&mut told, Some(&now)) != Ok(0) {
        panic!("told while somebody is in the leaf: {:?}", sandbox.server.receive().0);
    }
    stranger.leave();
    sandbox.finish(streams).exited(3);
    sandbox.deprovision();
}

#[test]
fn nobody_may_be_left_between_two_programs() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let stranger = Stranger::enter(&sandbox);
    let ran = sandbox.run(0, false, &shell("exit 0"));
    stranger.leave();
    let End::Failed(error) = &ran.end else { panic!("{:?}", ran.end) };
    assert_eq!((&*error.step, error.errno), ("Quarantine", libc::EBUSY));
    sandbox.deprovision();
}

#[test]
fn a_device_that_is_another_is_refused() {
    let (ours, theirs) = control_pair();
    let mut command = command(harness::PROGRAM, &theirs);
    // SAFETY: only system calls, in a mount namespace of its own.
    unsafe {
        command.pre_exec(|| {
            let none = std::ptr::null();
            let done = libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(none, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast()) == 0
                && libc::mount(c"/dev/zero".as_ptr(), c"/dev/null".as_ptr(), none, libc::MS_BIND, none.cast()) == 0;
            if done { Ok(()) } else { Err(io::Error::last_os_error()) }
        })
    };
    let mut process = command.stderr(Stdio::null()).spawn().expect("forkserver starts");
    drop(theirs);
    let mut host = Forkserver::start().host_plan();
    host.instance += "x";
    host.stage_dir = "/tmp".into();
    let hello = forkserver::wire::Request::Hello { version: forkserver::wire::VERSION, host };
    harness::send(&ours, &serde_json::to_vec(&hello).expect("JSON"), &[]);
    let (answer, _) = harness::receive(&ours).expect("an answer");
    drop(ours);
    process.wait().expect("wait");
    let Event::Refused { error } = answer else { panic!("{answer:?}") };
    assert_eq!((&*error.step, error.errno), ("StageDevice", libc::ENODEV), "{}", error.message);
}

#[test]
fn a_document_that_could_still_change_is_not_read() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let spec = serde_json::to_vec(&exec(&["true"]).spec).expect("JSON");
    let open = rustix::fs::memfd_create("spec", rustix::fs::MemfdFlags::CLOEXEC).expect("memfd");
    rustix::io::write(&open, &spec).expect("write");
    let null = fs::File::options().read(true).write(true).open("/dev/null").expect("null");
    let request = forkserver::wire::Request::Exec {
        sandbox: sandbox.id,
        step: 0,
        last: true,
        wall_time_ms: 5_000,
        cpu_time_ms: 5_000,
        report_posture: false,
    };
    sandbox.server.send(&request, &[open.as_fd(), null.as_fd(), null.as_fd(), null.as_fd()]);
    let Event::Failed { error, .. } = sandbox.server.receive().0 else { panic!("it was read") };
    assert_eq!((&*error.step, error.errno), ("ExecSpec", libc::EPERM), "{}", error.message);
    sandbox.deprovision();
}
