//! The rules that a schema can't say about a job: those of `schemas/rules.ts`, by the same names and paths.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::document::{Content, File, JobDocument, JobPolicy};
use super::issue::{Issue, field_of};
use super::{path_rules, policy_rules};

/// Inputs of one job together: source, stdin and files, decoded. Bytes.
pub const INPUT_MAX_BYTES: u64 = 16 << 20;
/// One argument, or one `NAME=VALUE` of the environment, without its NUL: the kernel's `MAX_ARG_STRLEN`. Bytes.
pub const STRING_MAX_BYTES: usize = 131_071;
/// Command, arguments and environment together, a NUL after each. Bytes.
pub const STRINGS_MAX_BYTES: usize = 1 << 20;

/// What the schema can't say about a job.
pub fn check(job: &JobDocument) -> Vec<Issue> {
    let mut found: Vec<Issue> = program(job).into_iter().collect();
    found.extend(strings(job));
    found.extend(path_rules::working_directory(&job.cwd));
    found.extend(job.stdin.iter().filter_map(|stdin| content("stdin", &View::of(stdin))));
    let files = job.files.iter().enumerate();
    found.extend(files.filter_map(|(index, file)| content(&format!("files[{index}]"), &View::from(file))));
    found.extend(path_rules::workspace_paths(&job.files));
    found.extend(path_rules::patterns(&job.artifacts));
    found.extend(input_size(job));
    if let Some(JobPolicy::Inline(policy)) = &job.policy {
        found.extend(policy_rules::check("policy", policy));
    }
    found
}

/// The one form that a content has, whoever holds it.
struct View<'a> {
    text: Option<&'a String>,
    base64: Option<&'a String>,
    blob: Option<&'a String>,
    bytes: Option<u64>,
}

impl<'a> View<'a> {
    fn of(content: &'a Content) -> View<'a> {
        View {
            text: content.text.as_ref(),
            base64: content.base64.as_ref(),
            blob: content.blob.as_ref(),
            bytes: content.bytes,
        }
    }

    fn from(file: &'a File) -> View<'a> {
        View { text: file.text.as_ref(), base64: file.base64.as_ref(), blob: file.blob.as_ref(), bytes: file.bytes }
    }

    fn size(&self) -> u64 {
        // What is no base64, which is another rule's issue, may have more padding than content.
        let padding = |text: &String| text.bytes().rev().take(2).filter(|byte| *byte == b'=').count();
        let encoded = |text: &&String| (text.len() / 4 * 3).saturating_sub(padding(text)) as u64;
        let text = self.text.map(|text| text.len() as u64);
        text.or_else(|| self.base64.as_ref().map(encoded)).or(self.bytes).unwrap_or(0)
    }
}

fn program(job: &JobDocument) -> Option<Issue> {
    match (&job.source, &job.command) {
        (None, Some(command)) if command[0].is_empty() => {
            Some(Issue::at("command[0]", "minLength", "must not be empty"))
        }
        (None, Some(_)) | (Some(_), None) => None,
        _ => Some(Issue::at("source", "exactly-one-of", "or command must be there: exactly one of the two")),
    }
}

fn strings(job: &JobDocument) -> Vec<Issue> {
    let command = job.command.iter().flatten().enumerate().map(|(index, text)| (format!("command[{index}]"), text));
    let args = job.args.iter().enumerate().map(|(index, text)| (format!("args[{index}]"), text));
    let mut found: Vec<Issue> = command.chain(args).filter_map(|(path, text)| string(&path, text, 0)).collect();
    found.extend(job.env.iter().filter_map(|(name, value)| string(&field_of("env", name), value, name.len() + 1)));
    found.extend(strings_together(job));
    found
}

fn string(path: &str, text: &str, more: usize) -> Option<Issue> {
    if text.contains('\0') {
        return Some(Issue::at(path, "nul", "must not have a NUL character"));
    }
    let allowed = format!("must be at most {STRING_MAX_BYTES} bytes long");
    (text.len() + more > STRING_MAX_BYTES).then(|| Issue::at(path, "size", allowed))
}

fn strings_together(job: &JobDocument) -> Option<Issue> {
    let program: usize = job.command.iter().flatten().chain(&job.args).map(|text| text.len() + 1).sum();
    let environment: usize = job.env.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let total = program + environment;
    let path = match () {
        () if environment * 2 > total => "env",
        () if job.command.is_some() => "command",
        () => "args",
    };
    let allowed = format!("must leave command, args and env together at {STRINGS_MAX_BYTES} bytes or less");
    (total > STRINGS_MAX_BYTES).then(|| Issue::at(path, "size", allowed))
}

fn content(path: &str, view: &View<'_>) -> Option<Issue> {
    let forms = [view.text, view.base64, view.blob].into_iter().flatten().count();
    if forms != 1 {
        return Some(Issue::at(path, "exactly-one-of", "must have exactly one of text, base64, blob"));
    }
    let bytes = field_of(path, "bytes");
    match (view.blob, view.bytes) {
        (Some(_), None) => return Some(Issue::at(bytes, "required", "must be there: the size of the blob")),
        (None, Some(_)) => return Some(Issue::at(bytes, "blob-only", "must not be there without blob")),
        _ => {}
    }
    let canonical = view.base64.is_none_or(|text| STANDARD.decode(text).is_ok());
    let allowed = "must be canonical base64: standard alphabet, padded, no white space";
    (!canonical).then(|| Issue::at(field_of(path, "base64"), "base64", allowed))
}

fn input_size(job: &JobDocument) -> Option<Issue> {
    let source = job.source.as_ref().map_or(0, |text| text.len() as u64);
    let stdin = job.stdin.as_ref().map_or(0, |content| View::of(content).size());
    let total = source + stdin + job.files.iter().map(|file| View::from(file).size()).sum::<u64>();
    let path = match () {
        () if source > INPUT_MAX_BYTES => "source",
        () if stdin > INPUT_MAX_BYTES => "stdin",
        () => "files",
    };
    let allowed = format!("must leave source, stdin and files together at {INPUT_MAX_BYTES} bytes or less");
    (total > INPUT_MAX_BYTES).then(|| Issue::at(path, "size", allowed))
}
