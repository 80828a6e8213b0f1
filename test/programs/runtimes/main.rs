// A Rust program: threads, channels, a child, files.
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use std::{fs, thread};

fn main() -> std::io::Result<()> {
    let (send, receive) = channel();
    thread::scope(|scope| {
        for number in 0..8_u64 {
            let send = send.clone();
            scope.spawn(move || send.send(number * number));
        }
    });
    drop(send);
    assert_eq!(receive.iter().sum::<u64>(), 140);

    let mut child = Command::new("sort").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().unwrap().write_all(b"b\na\n")?;
    assert_eq!(child.wait_with_output()?.stdout, b"a\nb\n");
    assert!(Command::new("no-such-program").spawn().is_err());

    fs::create_dir_all("tree/branch")?;
    fs::write("tree/branch/leaf", "leaf")?;
    assert_eq!(fs::copy("tree/branch/leaf", "copy")?, 4);
    assert_eq!(fs::read_dir("tree")?.count(), 1);
    fs::remove_dir_all("tree")?;

    let begin = Instant::now();
    thread::sleep(Duration::from_millis(1));
    assert!(begin.elapsed() >= Duration::from_millis(1));
    assert!(thread::spawn(|| panic!("caught")).join().is_err());
    println!("rust ok");
    Ok(())
}
