//! Host paths through the whole library, with a guest that wants more than it was given. Beside each denial stands a control: the same
//! attempt where it is granted. Needs root.

mod pen;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;

use pen::Pen;
use serde_json::{Value, json};

/// Whose the operator's directory is.
const OWNER: u32 = 64_243;

/// An operator's directory, and a place beside it that nobody is to reach.
struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Host {
        let dir = tempfile::Builder::new().prefix("bullpen-").tempdir_in("/var/tmp").expect("a directory");
        let host = Host { dir };
        for name in ["", "data", "data/in", "data/out", "data/in/deep"] {
            fs::create_dir_all(host.path(name)).expect("made");
            host.give(name, 0o755);
        }
        for name in ["canary", "data/in/a", "data/in/.env", "data/in/deep/b", "data/out/old"] {
            fs::write(host.path(name), format!("text of {name}\n")).expect("written");
            host.give(name, 0o644);
        }
        host
    }

    fn give(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).expect("chmod");
        chown(self.path(name), Some(OWNER), Some(OWNER)).expect("chown");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").trim_end_matches('/').to_owned()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("read")
    }

    /// The operator grants what is in `data`: writable in `out`, the rest to be read.
    fn config(&self) -> Value {
        let roots = json!([{ "path": self.text("data"), "access": "readonly" }, { "path": self.text("data/out"), "access": "readwrite" }]);
        json!({ "roots": roots, "pools": { "python": { "warm": "prepared", "ready": 1 } } })
    }

    /// A policy's section; the names are those below this host's directory, or absolute.
    fn filesystem(&self, readonly: &[&str], readwrite: &[&str], denied: &[&str]) -> Value {
        let list = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| if name.starts_with('/') { (*name).to_owned() } else { self.text(name) }).collect()
        };
        json!({ "filesystem": { "readonlyPaths": list(readonly), "readwritePaths": list(readwrite), "deniedPaths": list(denied) } })
    }
}

/// Python that tries each expression and prints its value, or the name of the errno.
fn attempts(host: &Host, expressions: &[&str]) -> String {
    let head = "import os, errno, socket\ndef read(p): return open(D + p).read()\ndef write(p): return open(D + p, 'w').write('x')\n";
    let each = |one: &&str| format!("try: print({one})\nexcept OSError as e: print(errno.errorcode[e.errno])\n");
    format!("D = {:?}\n{head}{}", host.text(""), expressions.iter().map(each).collect::<String>())
}

fn lines(result: &Value) -> Vec<&str> {
    assert_eq!(result["outcome"]["kind"], "exited", "{result:#}");
    assert_eq!(result["stderr"]["text"], "", "{result:#}");
    result["stdout"]["text"].as_str().expect("text").lines().collect()
}

fn refused(result: &Value) -> (&str, &str) {
    assert_eq!(result["outcome"]["kind"], "rejected", "{result:#}");
    (result["outcome"]["field"].as_str().expect("a field"), result["outcome"]["rule"].as_str().expect("a rule"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_granted_can_be_used_and_nothing_else() {
    let host = Host::new();
    let pen = Pen::open(host.config()).await;
    let source = attempts(
        &host,
        &[
            "read('/data/in/a').strip()",
            "read('/data/in/deep/b').strip()",
            "read('/data/in/.env')",
            "write('/data/in/a')",
            "write('/data/in/new')",
            "write('/data/out/new')",
            "read('/data/out/old').strip()",
            "read('/canary')",
            "os.listdir(D)",
            "os.listdir(D + '/data')",
            "os.stat(D + '/data/out/new').st_uid",
            "os.chmod(D + '/data/in/a', 0o777)",
            "os.rename(D + '/data/in/a', D + '/data/out/a')",
            "os.link(D + '/data/in/a', D + '/data/out/a')",
        ],
    );
    let policy = host.filesystem(&["data/in"], &["data/out"], &["data/in/.env"]);
    let result = pen.run(json!({ "source": source, "policy": policy })).await;
    let expected = [
        "text of data/in/a",
        "text of data/in/deep/b",
        "EACCES",
        "EROFS",
        "EROFS",
        "1",
        "text of data/out/old",
        "ENOENT",
        "['data']",
        "['in', 'out']",
        "1000",
        "EROFS",
        "EXDEV",
        "EXDEV",
    ];
    let mut shown = lines(&result);
    if shown[9] == "['out', 'in']" {
        shown[9] = "['in', 'out']";
    }
    assert_eq!(shown, expected);
    assert_eq!(result["sandbox"]["warm"], "none");
    assert_eq!(result["sandbox"]["layers"].as_array().map(Vec::len), Some(18));
    assert_eq!((host.read("data/in/a"), host.read("data/out/new")), ("text of data/in/a\n".to_owned(), "x".to_owned()));
    use std::os::unix::fs::MetadataExt;
    assert_eq!(fs::metadata(host.path("data/out/new")).expect("made").uid(), OWNER);
    // The control: without the deny the file is read, and without a grant nothing is there.
    let open = pen.run(json!({ "source": attempts(&host, &["read('/data/in/.env').strip()"]), "policy": host.filesystem(&["data/in"], &[], &[]) })).await;
    assert_eq!(lines(&open), ["text of data/in/.env"]);
    let none = pen.run(json!({ "source": attempts(&host, &["read('/data/in/a')", "os.path.exists('/var')"]), "policy": host.filesystem(&[], &[], &["data/in/a"]) })).await;
    assert_eq!(lines(&none), ["ENOENT", "False"]);
    assert_eq!(none["sandbox"]["warm"], "prepared", "a policy without grants needs no sandbox of its own");
    pen.engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_granted_is_refused_by_its_field_and_rule() {
    let host = Host::new();
    std::os::unix::fs::symlink(host.path("canary"), host.path("data/in/link")).expect("made");
    std::os::unix::fs::symlink(host.path("data/in"), host.path("data/way")).expect("made");
    let _socket = UnixListener::bind(host.path("data/in/socket")).expect("bound");
    let pen = Pen::open(host.config()).await;
    let (run_dir, beside) = (host.text("data/in"), host.text("canary"));
    for (readonly, readwrite, denied, field, rule) in [
        (vec![&*beside], vec![], vec![], "readonlyPaths[0]", "outside-roots"),
        (vec!["data/in/a", "/srv"], vec![], vec![], "readonlyPaths[1]", "outside-roots"),
        (vec![""], vec![], vec![], "readonlyPaths[0]", "outside-roots"),
        (vec![], vec!["data/out", "data/in"], vec![], "readwritePaths[1]", "ceiling"),
        (vec!["data/in/../../canary"], vec![], vec![], "readonlyPaths[0]", "path"),
        (vec!["/"], vec![], vec![], "readonlyPaths[0]", "reserved-path"),
        (vec!["/proc/1/root"], vec![], vec![], "readonlyPaths[0]", "reserved-path"),
        (vec!["data/in"], vec![], vec!["/usr/bin/env"], "deniedPaths[0]", "reserved-path"),
        (vec!["data/in/none"], vec![], vec![], "readonlyPaths[0]", "missing"),
        (vec!["data/in", "data/in/link"], vec![], vec![], "readonlyPaths[1]", "symlink"),
        (vec!["data/way/a"], vec![], vec![], "readonlyPaths[0]", "symlink"),
        (vec!["data/in"], vec![], vec!["data/in/link"], "deniedPaths[0]", "symlink"),
        (vec!["data/in/socket"], vec![], vec![], "readonlyPaths[0]", "file-type"),
    ] {
        let policy = host.filesystem(&readonly, &readwrite, &denied);
        let result = pen.run(json!({ "source": "print('ran')", "policy": policy })).await;
        assert_eq!(refused(&result), (&*format!("policy.filesystem.{field}"), rule), "{result:#}");
        let message = result["outcome"]["message"].as_str().expect("text");
        assert!(!message.contains(&run_dir), "a message names no path of the host: {message}");
    }
    let unlisted = Pen::open(json!({})).await;
    let result = unlisted.run(json!({ "source": "", "policy": host.filesystem(&["data/in"], &[], &[]) })).await;
    assert_eq!(refused(&result), ("policy.filesystem.readonlyPaths[0]", "outside-roots"));
    unlisted.engine.close().await;
    pen.engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_policy_may_grant_and_a_job_may_take_it_back() {
    let host = Host::new();
    let mut config = host.config();
    config["policies"] = json!({ "data": host.filesystem(&["data/in"], &[], &[]) });
    config["defaults"] = host.filesystem(&["data/in"], &[], &["data/in/.env"]);
    let pen = Pen::open(config).await;
    let source = attempts(&host, &["read('/data/in/a').strip()", "read('/data/in/.env')"]);
    let mut seen = Vec::new();
    for policy in [json!({}), json!({ "name": "data" }), json!({ "filesystem": { "readonlyPaths": [] } })] {
        let result = pen.run(json!({ "source": source, "policy": policy })).await;
        seen.push(lines(&result).join(" "));
    }
    // The named policy denies nothing, and says so; the last job has only what is left of the defaults.
    assert_eq!(seen, ["text of data/in/a EACCES", "text of data/in/a text of data/in/.env ", "ENOENT ENOENT"]);
    pen.engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_path_holds_against_everything_that_a_job_can_move() {
    let host = Host::new();
    for name in ["data/out/a", "data/out/a/b"] {
        fs::create_dir(host.path(name)).expect("made");
        host.give(name, 0o755);
    }
    fs::write(host.path("data/out/a/b/secret"), "the secret").expect("written");
    host.give("data/out/a/b/secret", 0o644);
    let pen = Pen::open(host.config()).await;
    let source = attempts(
        &host,
        &[
            "os.rename(D + '/data/out/a', D + '/data/out/z')",
            "os.rename(D + '/data/out/a/b', D + '/data/out/a/z')",
            "os.rename(D + '/data/out/a/b/secret', D + '/data/out/a/b/z')",
            "os.unlink(D + '/data/out/a/b/secret')",
            "os.link(D + '/data/out/a/b/secret', D + '/data/out/a/b/z')",
            "read('/data/out/a/b/secret')",
            "os.symlink('a/b/secret', D + '/data/out/l') or read('/data/out/l')",
            "read('/data/out/../out/./a/b/secret')",
            "os.symlink(D + '/canary', D + '/data/out/m') or read('/data/out/m')",
            "os.symlink('../../canary', D + '/data/out/n') or read('/data/out/n')",
            "open('/proc/self/root' + D + '/data/out/a/b/secret').read()",
            "os.path.exists(D + '/data/out/none')",
        ],
    );
    let policy = host.filesystem(&[], &["data/out"], &["data/out/a/b/secret", "data/out/none"]);
    let result = pen.run(json!({ "source": source, "policy": policy })).await;
    let expected = [
        "EBUSY", "EBUSY", "EBUSY", "EBUSY", "EXDEV", "EACCES", "EACCES", "EACCES", "ENOENT", "ENOENT", "EACCES",
        "False",
    ];
    let shown = lines(&result);
    // A rename across one of our mounts is refused before the kernel sees that it is one.
    let same = |(shown, expected): (&&str, &&str)| shown == expected || (*expected == "EBUSY" && *shown == "EXDEV");
    assert!(shown.len() == expected.len() && shown.iter().zip(&expected).all(same), "{shown:?}");
    assert_eq!(host.read("data/out/a/b/secret"), "the secret");
    assert!(!host.path("data/out/none").exists(), "a denied path that is missing is not made");
    // The next job, with the same policy, finds everything where it was.
    let next = pen.run(json!({ "source": attempts(&host, &["read('/data/out/a/b/secret')", "sorted(os.listdir(D + '/data/out'))"]), "policy": policy })).await;
    assert_eq!(lines(&next), ["EACCES", "['a', 'l', 'm', 'n', 'old']"]);
    // The control: with the grant alone the first game is won.
    let won = pen.run(json!({ "source": attempts(&host, &["os.rename(D + '/data/out/a', D + '/data/out/z') or read('/data/out/z/b/secret')"]), "policy": host.filesystem(&[], &["data/out"], &[]) })).await;
    assert_eq!(lines(&won), ["the secret"]);
    pen.engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_of_the_host_among_granted_files_lead_nowhere() {
    let host = Host::new();
    let stream = UnixListener::bind(host.path("data/in/stream")).expect("bound");
    let datagram = UnixDatagram::bind(host.path("data/in/datagram")).expect("bound");
    for name in ["data/in/stream", "data/in/datagram"] {
        host.give(name, 0o777);
    }
    stream.set_nonblocking(true).expect("set");
    datagram.set_nonblocking(true).expect("set");
    let pen = Pen::open(host.config()).await;
    let source = attempts(
        &host,
        &[
            "socket.socket(socket.AF_UNIX).connect(D + '/data/in/stream')",
            "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', D + '/data/in/datagram')",
            "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'x', D + '/data/in/datagram')",
            "socket.socketpair()[0].connect(D + '/data/in/stream')",
            "socket.socketpair()[0].sendto(b'x', D + '/data/in/datagram')",
            "[pair[0].send(b'x') for pair in [socket.socketpair()]]",
        ],
    );
    let result = pen.run(json!({ "source": source, "policy": host.filesystem(&["data/in"], &[], &[]) })).await;
    let shown = lines(&result);
    assert_eq!((&shown[..3], &shown[5..]), (&["EAFNOSUPPORT", "EAFNOSUPPORT", "EPERM"][..], &["[1]"][..]), "{shown:?}");
    assert!(shown[3..5].iter().all(|errno| ["EISCONN", "EINVAL", "EOPNOTSUPP"].contains(errno)), "{shown:?}");
    assert!(stream.accept().is_err() && datagram.recv(&mut [0; 8]).is_err(), "nobody came");
    let ordinary = pen
        .run(json!({ "source": "import socket; socket.socket(socket.AF_UNIX).bind('/tmp/s'); print('bound')" }))
        .await;
    assert_eq!(lines(&ordinary), ["bound"], "the control: without host paths there are Unix sockets");
    pen.engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_a_bad_directory_does_not_start() {
    let host = Host::new();
    std::os::unix::fs::symlink(host.path("data"), host.path("way")).expect("made");
    chown(host.path("data/in"), Some(0), Some(0)).expect("chown");
    for (name, access, word) in [
        ("none", "readonly", "None"),
        ("way", "readonly", "symbolic"),
        ("canary", "readonly", "directory"),
        ("data/in", "readwrite", "root"),
    ] {
        let config = json!({ "roots": [{ "path": host.text(name), "access": access }] });
        let error = Pen::try_open(config).await.err().expect(name).to_string();
        assert!(error.contains(&host.text(name)) && (word == "None" || error.contains(word)), "{error}");
    }
}
