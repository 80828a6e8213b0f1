//! What the kernel says: any text is read or refused, and what it wrote is read as it was meant.

use std::fmt::Write;

use forkserver::kernel::{self, mountinfo};
use sandbox::parsers::Mounts;

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (head, tail) = text.split_once('\0').unwrap_or((&text, ""));
    read_all(&text);
    let mounts = Mounts::parse(head, tail);
    for controller in ["memory", "pids", "cpu", "cpuacct"] {
        let _ = mounts.v1(controller);
    }
    let _ = mounts.v2();
    if let Some(table) = mountinfo::parse_table(&text) {
        assert_eq!(table.len(), text.lines().count());
    }
    names_come_back(head, tail);
    let ticks = kernel::cpu_ticks(&format!("7 ({head}) S 1 7 7 0 -1 4194304 90 0 0 0 1 2 3 4 20 0 1 0 99"));
    assert_eq!(ticks, Some(10), "a name changes no number");
}

fn read_all(text: &str) {
    let _ = (kernel::number(text), kernel::members(text), kernel::schedstat(text), kernel::fdinfo_pid(text));
    let _ = (kernel::sockets_used(text), kernel::resident_pages(text), kernel::proportional_kib(text));
    let _ = (kernel::children(text).count(), kernel::cpu_ticks(text));
    for line in text.lines() {
        let key = line.split([':', ' ']).next().unwrap_or_default();
        let _ = (kernel::field(text, key), kernel::status_line(text, key));
    }
}

/// A mount of any name, written as the kernel does, is read as that name.
fn names_come_back(root: &str, place: &str) {
    let line = format!("36 35 98:0 /{} /{} rw,noatime - ext4 none rw\n", escape(root), escape(place));
    let table = mountinfo::parse_table(&line).expect("a mount");
    let read: Vec<(&str, &str)> = table.iter().map(|entry| (&*entry.root, &*entry.place)).collect();
    assert_eq!(read, [(&*format!("/{root}"), &*format!("/{place}"))]);
}

/// As `seq_path` does; the kernel writes a carriage return as it is.
fn escape(name: &str) -> String {
    let mut escaped = String::new();
    for c in name.chars() {
        match c {
            ' ' | '\t' | '\n' | '\\' => write!(escaped, "\\{:03o}", c as u32).expect("a string takes all"),
            c => escaped.push(c),
        }
    }
    escaped
}
