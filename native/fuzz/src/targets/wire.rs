//! Packets of the control socket: what is understood says the same when it is said again.

use forkserver::wire::{Event, ExecSpec, MAX_PACKET, Request};
use serde_json::{from_slice, to_vec};

pub fn run(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(MAX_PACKET)];
    if let Ok(request) = from_slice::<Request>(bytes) {
        said_again(&request);
    }
    if let Ok(event) = from_slice::<Event>(bytes) {
        said_again(&event);
    }
    if let Ok(spec) = from_slice::<ExecSpec>(bytes) {
        said_again(&spec);
    }
}

fn said_again<M: serde::Serialize + serde::de::DeserializeOwned>(message: &M) {
    let said = to_vec(message).expect("plain data");
    let again: M = from_slice(&said).expect("our own words");
    assert_eq!(said, to_vec(&again).expect("plain data"));
}
