//! What a job brings, as bytes: its source, its files, its stdin.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::backend::NewFile;
use crate::door::Issue;
use crate::door::document::{Content, File, JobDocument};
use crate::runtime::Runtime;

/// A job's inputs, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    files: Vec<Input>,
    pub stdin: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Input {
    path: String,
    bytes: Vec<u8>,
    executable: bool,
}

impl Input {
    fn as_new(&self) -> NewFile<'_> {
        NewFile { path: &self.path, bytes: &self.bytes, executable: self.executable }
    }
}

impl Inputs {
    /// Takes the inputs out of a job. Content that lies elsewhere is refused: whoever has it puts it inline first.
    pub fn take(job: &mut JobDocument, runtime: &Runtime) -> Result<Inputs, Issue> {
        let mut files = Vec::with_capacity(job.files.len() + 1);
        if let Some(source) = job.source.take() {
            files.push(Input { path: runtime.main_file.clone(), bytes: source.into_bytes(), executable: false });
        }
        for (index, file) in std::mem::take(&mut job.files).into_iter().enumerate() {
            let File { path, text, base64, blob, executable, .. } = file;
            files.push(Input { path, bytes: decode(&format!("files[{index}]"), text, base64, blob)?, executable });
        }
        let stdin = match job.stdin.take() {
            Some(Content { text, base64, blob, .. }) => decode("stdin", text, base64, blob)?,
            None => Vec::new(),
        };
        Ok(Inputs { files, stdin })
    }

    /// The files of the workspace.
    pub fn files(&self) -> Vec<NewFile<'_>> {
        self.files.iter().map(Input::as_new).collect()
    }
}

fn decode(path: &str, text: Option<String>, base64: Option<String>, blob: Option<String>) -> Result<Vec<u8>, Issue> {
    match (text, base64, blob) {
        (Some(text), _, _) => Ok(text.into_bytes()),
        (_, Some(base64), _) => {
            let allowed = "must be canonical base64: standard alphabet, padded, no white space";
            STANDARD.decode(base64).map_err(|_| Issue::at(format!("{path}.base64"), "base64", allowed))
        }
        _ => Err(Issue::at(
            format!("{path}.blob"),
            "inline-only",
            "must be text or base64 here: blobs are kept by the queue only",
        )),
    }
}
