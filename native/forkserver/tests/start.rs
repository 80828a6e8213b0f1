//! What keeps the forkserver from starting, it tells the library: by its name, with what to do about it.

mod harness;

use forkserver::wire::{Event, Request, VERSION};
use harness::{PROGRAM, command, control_pair, receive, send};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

/// Some of the capabilities that it keeps.
const KEPT: [(&str, libc::c_ulong); 3] = [("CAP_KILL", 5), ("CAP_SYS_PTRACE", 19), ("CAP_SETPCAP", 8)];

fn refusal(prepare: impl Fn() -> std::io::Result<()> + Send + Sync + 'static) -> (String, String) {
    let (ours, theirs) = control_pair();
    let mut command = command(PROGRAM, &theirs);
    // SAFETY: plain system calls only.
    unsafe { command.pre_exec(prepare) };
    let mut process = command.stderr(Stdio::null()).spawn().expect("starts");
    drop(theirs);
    let host = harness::Forkserver::start().host_plan();
    let hello = Request::Hello { version: VERSION, host };
    send(&ours, &serde_json::to_vec(&hello).expect("JSON"), &[]);
    let answer = receive(&ours).map(|(event, _)| event);
    assert!(!process.wait().expect("wait").success());
    match answer {
        Some(Event::Refused { error }) => (error.step, error.message),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_capability_that_is_missing_is_named() {
    for (name, number) in KEPT {
        // SAFETY: a plain system call.
        let drop_one = move || match unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        };
        let (step, message) = refusal(drop_one);
        assert_eq!(step, "OwnCapabilities");
        assert!(message.contains(name) && message.contains("--cap-add"), "{message}");
    }
}
