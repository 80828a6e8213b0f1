//! What a program can't see or do, and what it still can.

mod harness;

use forkserver::wire::{BindPlan, SandboxPlan};
use harness::{Forkserver, exec, perl, shell, status_of};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

/// Perl that calls a system call by number and prints its errno (0: it worked). Perl passes no literal string: `$e.` makes it a value.
fn call(number: i64, arguments: &str) -> String {
    format!("print syscall({number}{arguments}) < 0 ? $!+0 : 0, \"\\n\";")
}

#[test]
fn posture_is_as_promised() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let uid = sandbox.uid;
    let mut ask = exec(&["sleep", "0.3"]);
    ask.posture = true;
    let ran = sandbox.run_last(ask);
    let posture = ran.posture();
    let four = [uid.to_string(), uid.to_string(), uid.to_string(), uid.to_string()].join("\t");
    assert_eq!((status_of(posture, "Uid"), status_of(posture, "Gid")), (&*four, &*four));
    assert_eq!(status_of(posture, "Groups"), "");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status_of(posture, set), "0000000000000000", "{set}");
    }
    assert_eq!(status_of(posture, "NoNewPrivs"), "1");
    assert_eq!((status_of(posture, "Seccomp"), status_of(posture, "Seccomp_filters")), ("2", "1"));
    assert_eq!(posture.own_namespaces, ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"]);
    // Seen right after exec: the loader may have one library open just then.
    assert!(matches!(posture.fds[..], [0, 1, 2] | [0, 1, 2, 3]), "{:?}", posture.fds);
    let in_leaf = posture.cgroup.lines().filter(|line| line.contains("/bullpen/t-")).count();
    assert_eq!(in_leaf, harness::hierarchies().len(), "{}", posture.cgroup);
    for mount in posture.mountinfo.lines() {
        let fields: Vec<&str> = mount.split(' ').collect();
        let (place, options) = (fields[4], fields[5]);
        assert!(options.contains("nosuid"), "{mount}");
        assert_eq!(options.contains("rw"), ["/work", "/tmp", "/dev/shm"].contains(&place), "{mount}");
        let is_device = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"].contains(&place);
        assert_eq!(options.contains("nodev"), !is_device, "{mount}");
        assert_eq!(options.contains("noexec"), is_device || place == "/proc", "{mount}");
    }
}

#[test]
fn only_the_plan_is_visible() {
    let mut server = Forkserver::start();
    let ran =
        server.run(&["sh", "-c", "ls -A / /etc /dev /work /tmp /dev/shm; cat /etc/passwd; id -u; id -g; hostname"]);
    ran.exited(0);
    let words: Vec<&str> = ran.stdout.split_whitespace().collect();
    for host in [
        "root",
        "home",
        "var",
        "run",
        "boot",
        "sys",
        "opt",
        "shadow",
        "hosts",
        "machine-id",
        "kmsg",
        "mem",
        "kvm",
        "tty",
    ] {
        assert!(!words.contains(&host), "{host} in {words:?}");
    }
    assert!(ran.stdout.ends_with("bullpen:x:1000:1000::/work:/bin/sh\n1000\n1000\nbullpen\n"), "{}", ran.stdout);
}

#[test]
fn proc_shows_processes_only() {
    let mut server = Forkserver::start();
    let ran = server.run(&[
        "sh",
        "-c",
        "ls /proc | grep -v '^[0-9]*$' | sort | tr '\\n' ' '; ls /proc/1; cat /proc/sys/kernel/hostname",
    ]);
    assert_eq!(ran.stdout, "self thread-self ", "{}", ran.stderr);
    let ran = server.run(&["sh", "-c", "echo 0 > /proc/self/oom_score_adj || cat /proc/self/oom_score_adj"]);
    assert_eq!(ran.stdout, "1000\n");
}

#[test]
fn the_root_is_read_only_and_the_workspace_is_not() {
    let mut server = Forkserver::start();
    let script = "for d in / /usr /etc /dev /proc; do touch $d/x 2>/dev/null && echo wrote $d; done;
        for d in /work /tmp /dev/shm; do echo ok > $d/x && cat $d/x; done";
    let ran = server.run(&["sh", "-c", script]);
    assert_eq!(ran.stdout, "ok\nok\nok\n");
}

#[test]
fn devices_work_and_no_others_can_be_made() {
    let mut server = Forkserver::start();
    let script = "echo x > /dev/null; head -c 3 /dev/zero | od -An -tx1; head -c 8 /dev/urandom | wc -c;
        head -c 1 /dev/zero > /dev/full; mknod /work/n c 1 3; mknod /tmp/n b 7 0; echo out > /dev/stdout; echo err > /dev/stderr";
    let ran = server.run(&["sh", "-c", script]);
    ran.exited(0);
    assert_eq!(ran.stdout, " 00 00 00\n8\nout\n");
    assert!(ran.stderr.contains("No space left") && ran.stderr.ends_with("err\n"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("mknod").count(), 2, "{}", ran.stderr);
}

#[test]
fn mounts_cannot_be_changed() {
    let mut server = Forkserver::start();
    let remount = format!(", 0, $e.'/', 0, {}, 0", libc::MS_REMOUNT | libc::MS_BIND);
    let script = [
        call(libc::SYS_mount, &remount),
        call(libc::SYS_umount2, ", $e.'/usr', 2"),
        call(libc::SYS_umount2, ", $e.'/proc', 2"),
        call(libc::SYS_mount, ", $e.'t', $e.'/tmp', $e.'tmpfs', 0, 0"),
        call(libc::SYS_pivot_root, ", $e.'/work', $e.'/work'"),
        call(libc::SYS_chroot, ", $e.'/work'"),
        call(libc::SYS_fsopen, ", $e.'tmpfs', 0"),
    ];
    let ran = server.claimed().run_last(perl(&script.concat()));
    assert_eq!(ran.stdout, "1\n1\n1\n1\n1\n1\n1\n");
}

#[test]
fn no_more_namespaces_can_be_made_even_without_a_filter() {
    let mut server = Forkserver::start();
    let user: String = call(libc::SYS_unshare, &format!(", {}", libc::CLONE_NEWUSER));
    let others = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    let others = others.map(|kind| call(libc::SYS_unshare, &format!(", {kind}"))).concat();
    let ran = server.claimed().run_last(perl(&(user + &others)));
    assert_eq!(ran.stdout, format!("{}\n1\n1\n1\n1\n1\n1\n", libc::ENOSPC));
}

#[test]
fn a_group_of_the_worker_opens_no_file() {
    let data = tempfile::tempdir().expect("directory");
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    for (name, mode) in [("secret", 0o640), ("public", 0o644)] {
        fs::write(data.path().join(name), name).expect("write");
        fs::set_permissions(data.path().join(name), fs::Permissions::from_mode(mode)).expect("mode");
    }
    std::os::unix::fs::chown(data.path().join("secret"), Some(0), Some(4)).expect("chown");
    let bind = BindPlan { source: data.path().to_str().expect("UTF-8").to_owned(), target: "/data".into() };
    let in_groups = |control: &_| {
        let mut command = harness::command(harness::PROGRAM, control);
        // SAFETY: setgroups is a plain system call here.
        unsafe {
            command.pre_exec(|| match libc::syscall(libc::SYS_setgroups, 2, [0, 4].as_ptr()) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            })
        };
        command.spawn().expect("forkserver starts")
    };
    let mut server = Forkserver::start_by(in_groups, |plan| plan.roots[0].binds.push(bind));
    let ran = server.run(&["sh", "-c", "cat /data/public; cat /data/secret"]);
    ran.exited(1);
    assert_eq!(ran.stdout, "public");
    assert!(ran.stderr.contains("Permission denied"), "{}", ran.stderr);
}

#[test]
fn a_root_group_file_stays_closed() {
    let data = tempfile::tempdir().expect("directory");
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    fs::write(data.path().join("secret"), "secret").expect("write");
    fs::set_permissions(data.path().join("secret"), fs::Permissions::from_mode(0o640)).expect("mode");
    let bind = BindPlan { source: data.path().to_str().expect("UTF-8").to_owned(), target: "/data".into() };
    let mut server = Forkserver::start_planned(|plan| plan.roots[0].binds.push(bind));
    let ran = server.run(&["cat", "/data/secret"]);
    assert!(ran.stderr.contains("Permission denied"), "{} {}", ran.stdout, ran.stderr);
}

#[test]
fn init_cannot_be_killed_looked_into_or_traced() {
    let mut server = Forkserver::start();
    let script = [
        call(libc::SYS_kill, ", 1, 9"),
        call(libc::SYS_ptrace, &format!(", {}, 1, 0, 0", libc::PTRACE_ATTACH)),
        "print -e '/proc/1/mem' ? 'seen' : 'hidden', \"\\n\"; sleep 0; print 'alive'".into(),
    ];
    let ran = server.claimed().run_last(perl(&script.concat()));
    ran.exited(0);
    // Since Landlock's version 6 a signal is refused; without it, it is for the kernel to ignore what PID 1 doesn't expect.
    let refused = if server.landlock_abi < 6 { 0 } else { libc::EPERM };
    assert_eq!(ran.stdout, format!("{refused}\n1\nhidden\nalive"));
}

#[test]
fn the_network_is_empty() {
    let mut server = Forkserver::start();
    let connect = "use Socket; socket(S, AF_INET, SOCK_STREAM, 0) or die; connect(S, sockaddr_in(1, inet_aton('127.0.0.1'))) or print $!+0";
    // Since its version 4 Landlock refuses TCP before the network is asked.
    let refused = if server.landlock_abi < 4 { libc::ENETUNREACH } else { libc::EACCES };
    let ran = server.claimed().run_last(perl(connect));
    assert_eq!(ran.stdout, refused.to_string());
    let mut ask = perl(connect);
    ask.spec.landlock_deny_tcp = false;
    let ran = server.claimed().run_last(ask);
    assert_eq!(ran.stdout, libc::ENETUNREACH.to_string());
}

#[test]
fn a_private_loopback_is_up_and_the_sandboxes_own() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
    let port = listener.local_addr().expect("address").port();
    let mut server = Forkserver::start();
    let sandbox =
        server.provision_as(SandboxPlan { root: "debian".into(), slot: 0, loopback: true, paths: Vec::new() });
    sandbox.claim(harness::limits());
    let script = format!(
        "use Socket; sub try {{ socket(my $s, AF_INET, SOCK_STREAM, 0); print connect($s, sockaddr_in($_[0], inet_aton('127.0.0.1'))) ? 'yes ' : $!+0, ' ' }}
        socket(L, AF_INET, SOCK_STREAM, 0); bind(L, sockaddr_in(4321, INADDR_ANY)); listen(L, 1); try(4321); try({port})"
    );
    let mut ask = perl(&script);
    ask.spec.landlock_deny_tcp = false;
    let ran = sandbox.run_last(ask);
    assert_eq!(ran.stdout, format!("yes  {} ", libc::ECONNREFUSED), "{}", ran.stderr);
}

#[test]
fn one_sandbox_sees_nothing_of_another() {
    let mut server = Forkserver::start();
    let first = server.claimed();
    first.put("mark", b"first");
    let ran = first.run_last(shell("cp mark /tmp/mark; cp mark /dev/shm/mark; cat mark"));
    assert_eq!(ran.stdout, "first");
    let ran = server.run(&["sh", "-c", "ls -A /work /tmp /dev/shm"]);
    assert_eq!(ran.stdout, "/dev/shm:\n\n/tmp:\n\n/work:\n");
}

#[test]
fn files_that_only_some_may_read_are_not_copied_into_a_root() {
    // Not below /tmp, which is the sandbox's own.
    let etc = tempfile::tempdir_in("/var/tmp").expect("directory");
    for (name, mode) in [("public", 0o644), ("secret", 0o640)] {
        fs::write(etc.path().join(name), name).expect("write");
        fs::set_permissions(etc.path().join(name), fs::Permissions::from_mode(mode)).expect("mode");
    }
    fs::set_permissions(etc.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    std::os::unix::fs::symlink("secret", etc.path().join("link")).expect("link");
    let path = etc.path().to_str().expect("UTF-8").to_owned();
    let mut server = Forkserver::start_planned(|plan| plan.roots[0].copies.push(path.clone()));
    let ran = server.run(&["sh", "-c", &format!("ls {path}; readlink {path}/link")]);
    assert_eq!(ran.stdout, "link\npublic\nsecret\n");
    let ran = server.run(&["sh", "-c", &format!("cat {path}/public {path}/link")]);
    assert_eq!((&*ran.stdout, ran.stderr.contains("No such file")), ("public", true), "{}", ran.stderr);
}
