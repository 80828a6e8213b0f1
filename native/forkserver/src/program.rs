//! The document that says what to run, and running it.

use crate::step::{At, Failure, Step};
use crate::sys::{self, Strings};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use forkserver::wire::{ExecSpec, MAX_EXEC_SPEC, Trial};
use leave_out::Part;
use rustix::fs::{SealFlags, fcntl_get_seals, fstat};
use rustix::io::Errno;
use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

/// The document must be unable to change while it is read.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::WRITE);
/// `BPF_MAXINSNS`.
const MAX_INSTRUCTIONS: usize = 4096;
const INSTRUCTION_BYTES: usize = 8;
/// Where a program is looked for when its environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// An [`ExecSpec`] that was checked, in the form that the kernel takes.
pub struct Program {
    pub cwd: CString,
    pub open_files: u64,
    pub file_size_bytes: u64,
    pub deny_tcp: bool,
    pub filter: Vec<libc::sock_filter>,
    /// To be done in the program's place.
    pub trial: Option<Trial>,
    candidates: Vec<CString>,
    argv: Strings,
    envp: Strings,
}

impl Program {
    /// Reads the sealed document.
    pub fn read(memfd: OwnedFd) -> Result<Program, Failure> {
        if !fcntl_get_seals(&memfd).at(Step::ExecSpec)?.contains(SEALS) && !leave_out::is(Part::SpecSeals) {
            return Err(Failure::new(Step::ExecSpec, libc::EPERM).about("not sealed"));
        }
        let size = usize::try_from(fstat(&memfd).at(Step::ExecSpec)?.st_size).unwrap_or(usize::MAX);
        if size > MAX_EXEC_SPEC {
            return Err(Failure::new(Step::ExecSpec, libc::EFBIG));
        }
        let mut bytes = vec![0; size];
        read_at_start(File::from(memfd), &mut bytes).at(Step::ExecSpec)?;
        let spec: ExecSpec = serde_json::from_slice(&bytes).map_err(|_| Failure::new(Step::ExecSpec, libc::EBADMSG))?;
        Program::check(spec)
    }

    fn check(spec: ExecSpec) -> Result<Program, Failure> {
        let Some(name) = spec.argv.first().filter(|name| !name.is_empty()) else {
            return Err(Failure::new(Step::ExecSpec, libc::EINVAL).about("argv"));
        };
        let path = spec.env.iter().find(|(key, _)| key == "PATH").map_or(DEFAULT_PATH, |(_, value)| value);
        let candidates = candidates(name, path).into_iter().map(c_string).collect::<Result<_, _>>()?;
        let filter = decode_filter(&spec.seccomp)?;
        let argv = spec.argv.into_iter().map(c_string).collect::<Result<_, _>>()?;
        let mut envp = spec
            .env
            .into_iter()
            .map(|(key, value)| c_string(format!("{key}={value}")))
            .collect::<Result<Vec<_>, _>>()?;
        if leave_out::is(Part::Environment) {
            envp.extend(leave_out::environment());
        }
        Ok(Program {
            cwd: c_string(spec.cwd)?,
            open_files: spec.open_files,
            file_size_bytes: spec.file_size_bytes,
            deny_tcp: spec.landlock_deny_tcp,
            filter,
            trial: spec.trial,
            candidates,
            argv: Strings::new(argv),
            envp: Strings::new(envp),
        })
    }

    /// Executes the first candidate that can be; returns the errno that says why none could, as `execvp` would choose it. A
    /// file that isn't a program (`ENOEXEC`) is never given to a shell.
    pub fn execute(&self) -> Errno {
        let mut verdict = Errno::NOENT;
        for candidate in &self.candidates {
            match sys::execve(candidate, &self.argv, &self.envp) {
                Errno::ACCESS => verdict = Errno::ACCESS,
                Errno::NOENT | Errno::NOTDIR | Errno::NODEV | Errno::STALE | Errno::TIMEDOUT
                    if self.candidates.len() > 1 => {}
                errno => return errno,
            }
        }
        verdict
    }
}

fn read_at_start(file: File, bytes: &mut [u8]) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt;
    file.read_exact_at(bytes, 0)?;
    // Sealed against growth, so this is the whole of it.
    file.take(0).read_to_end(&mut Vec::new()).map(drop)
}

fn c_string(text: impl Into<Vec<u8>>) -> Result<CString, Failure> {
    CString::new(text).map_err(|_| Failure::new(Step::ExecSpec, libc::EINVAL).about("NUL"))
}

/// Where to look: the name itself when it has a slash, else every directory of `path`. An empty entry is the working directory.
fn candidates(name: &str, path: &str) -> Vec<String> {
    if name.contains('/') {
        return vec![name.to_owned()];
    }
    path.split(':').map(|dir| if dir.is_empty() { format!("./{name}") } else { format!("{dir}/{name}") }).collect()
}

fn decode_filter(text: &str) -> Result<Vec<libc::sock_filter>, Failure> {
    let bad = || Failure::new(Step::Seccomp, libc::EINVAL).about("filter");
    let bytes = STANDARD.decode(text).map_err(|_| bad())?;
    if bytes.is_empty() || bytes.len() % INSTRUCTION_BYTES != 0 || bytes.len() / INSTRUCTION_BYTES > MAX_INSTRUCTIONS {
        return Err(bad());
    }
    let (instructions, _) = bytes.as_chunks::<INSTRUCTION_BYTES>();
    Ok(instructions
        .iter()
        .map(|[c0, c1, jt, jf, k @ ..]| libc::sock_filter {
            code: u16::from_ne_bytes([*c0, *c1]),
            jt: *jt,
            jf: *jf,
            k: u32::from_ne_bytes(*k),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_slash_is_looked_up_in_every_directory() {
        assert_eq!(candidates("sh", "/usr/bin:/bin"), ["/usr/bin/sh", "/bin/sh"]);
        assert_eq!(candidates("sh", "/bin:"), ["/bin/sh", "./sh"]);
        assert_eq!(candidates("./sh", "/bin"), ["./sh"]);
    }

    #[test]
    fn a_filter_is_whole_instructions_and_not_too_many() {
        let encode = |bytes: usize| STANDARD.encode(vec![0u8; bytes]);
        assert_eq!(decode_filter(&encode(16)).map(|filter| filter.len()), Ok(2));
        assert!(decode_filter(&encode(0)).is_err());
        assert!(decode_filter(&encode(12)).is_err());
        assert!(decode_filter(&encode(4097 * 8)).is_err());
        assert!(decode_filter("***").is_err());
    }
}
