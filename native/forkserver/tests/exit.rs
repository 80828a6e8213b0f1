//! How programs end, and what is said about it.

mod harness;

use forkserver::wire::{Cause, ExitStatus};
use harness::{End, Forkserver, exec, perl, shell};

#[test]
fn a_program_runs_and_its_output_comes_out() {
    let mut server = Forkserver::start();
    let ran = server.run(&["echo", "hello", "world"]);
    ran.exited(0);
    assert_eq!(ran.stdout, "hello world\n");
}
