//! The real forkserver, asked whatever can be asked in any order, with descriptors missing or too many, and told by a sandbox's
//! PID 1 whatever that could say if a guest had taken it over. It answers or ends in order; nothing of a sandbox stays behind.

mod acts;
#[path = "../../../../forkserver/tests/harness/ask.rs"]
#[allow(dead_code)]
mod ask;
mod feedback;
#[path = "../../../../forkserver/tests/harness/host.rs"]
#[allow(dead_code)]
mod host;
mod server;
#[path = "../../../../forkserver/tests/harness/socket.rs"]
#[allow(dead_code)]
mod socket;

use std::sync::Mutex;

use server::Server;

/// Acts in one session; each is four bytes of the input.
const MOST_ACTS: usize = 24;

/// It serves many sessions, as it would many jobs.
static SERVER: Mutex<Option<Server>> = Mutex::new(None);

pub fn run(bytes: &[u8]) {
    let mut slot = SERVER.lock().expect("a panic ends this process");
    let mut server = slot.take().unwrap_or_else(Server::start);
    let acts = bytes.as_chunks().0.iter().take(MOST_ACTS);
    let first = server.begin_session();
    for act in acts {
        server.drain();
        if acts::perform(*act, first, &server) == acts::After::NobodyListens {
            server.end_as_refused();
            return;
        }
    }
    server.end_session();
    *slot = Some(server);
}
