//! The mount table, as far as it says where things are.

use std::io;

/// One mounted file system, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountEntry {
    pub id: u64,
    /// Number of the file system, `8:1`.
    pub device: String,
    /// What of the file system is mounted: a path in it.
    pub root: String,
    /// Where.
    pub place: String,
    /// Neither this mount nor the file system can be written.
    pub is_read_only: bool,
    pub kind: String,
}

/// The mounts that `process` (a number, or `self`) sees, in the order in which they were made.
pub fn read(process: &str) -> io::Result<Vec<MountEntry>> {
    let table = std::fs::read_to_string(format!("/proc/{process}/mountinfo"))?;
    parse_table(&table).ok_or(io::ErrorKind::InvalidData.into())
}

/// A whole table; `None` if one of its lines isn't a mount.
pub fn parse_table(table: &str) -> Option<Vec<MountEntry>> {
    table.lines().map(parse).collect()
}

fn parse(line: &str) -> Option<MountEntry> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ');
    let id = fields.next()?.parse().ok()?;
    let device = fields.nth(1)?.to_owned();
    let (root, place, options) = (fields.next()?, fields.next()?, fields.next()?);
    let kind = file_system.split(' ').next()?.to_owned();
    let is_read_only = options.split(',').any(|option| option == "ro");
    Some(MountEntry { id, device, root: unescape(root), place: unescape(place), is_read_only, kind })
}

/// White space and backslashes are written as three octal digits. A name that isn't UTF-8 stays as it is written.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = (*first == b'\\').then(|| after.get(..3)).flatten();
        let code =
            digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|d| u8::from_str_radix(d, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// What of `path` comes after `top`, without the slash; empty for `top` itself, `None` when it isn't in it.
pub fn below<'a>(path: &'a str, top: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(top.trim_end_matches('/'))?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// `rest` below `top`; `top` itself when it is empty.
pub fn join(top: &str, rest: &str) -> String {
    match (top.trim_end_matches('/'), rest) {
        ("", "") => "/".to_owned(),
        (top, "") => top.to_owned(),
        (top, rest) => format!("{top}/{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_mounted_where() {
        let line = r"36 35 98:0 /mnt1 /mnt/a\040b\134c ro,noatime master:1 - ext4 /dev/root rw,errors=continue";
        let entry = parse(line).expect("a line");
        assert_eq!((entry.id, &*entry.device, &*entry.root, &*entry.place), (36, "98:0", "/mnt1", r"/mnt/a b\c"));
        assert_eq!((entry.is_read_only, &*entry.kind), (true, "ext4"));
        assert_eq!(parse("36 35 98:0 / /mnt rw - tmpfs none rw").map(|entry| entry.is_read_only), Some(false));
        assert_eq!(parse("36 35"), None);
    }

    #[test]
    fn being_below_goes_by_whole_names() {
        assert_eq!(below("/srv/data/a", "/srv/data"), Some("a"));
        assert_eq!(below("/srv/data", "/srv/data"), Some(""));
        assert_eq!(below("/srv/database", "/srv/data"), None);
        assert_eq!(below("/srv", "/"), Some("srv"));
        assert_eq!(
            (join("/", "a"), join("/a", "b/c"), join("/a", ""), join("/", "")),
            ("/a".into(), "/a/b/c".into(), "/a".into(), "/".into())
        );
    }
}
