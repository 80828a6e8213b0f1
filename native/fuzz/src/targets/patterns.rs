//! Artifact patterns: the matcher agrees with a simple one, and the walk never turns away from where a match may lie.

use files::Patterns;
use sandbox::parsers::check_patterns;

/// The input is lines: a path, then patterns.
pub fn run(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let path = lines.next().unwrap_or_default();
    let patterns: Vec<String> = lines.take(4).filter_map(|line| String::from_utf8(line.to_vec()).ok()).collect();
    if patterns.is_empty() || !check_patterns(&patterns).is_empty() {
        return;
    }
    let parsed =
        Patterns::parse(&patterns).unwrap_or_else(|error| panic!("the door lets in what isn't a glob: {error}"));
    if !is_path(path) {
        return;
    }
    let found = parsed.match_file(path);
    if patterns.iter().all(|pattern| pattern.is_ascii()) {
        let expected = patterns.iter().any(|pattern| matches(pattern.as_bytes(), path));
        assert_eq!(found, expected, "{patterns:?} {:?}", String::from_utf8_lossy(path));
    }
    if found {
        for (slash, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            assert!(parsed.lead_through(&path[..slash]), "{patterns:?} {:?}", String::from_utf8_lossy(path));
        }
    }
}

/// A path as a walk gives it.
fn is_path(path: &[u8]) -> bool {
    !path.contains(&0) && path.split(|byte| *byte == b'/').all(|name| !matches!(name, b"" | b"." | b".."))
}

fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let patterns: Vec<&[u8]> = pattern.split(|byte| *byte == b'/').collect();
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    // reached[n]: the pattern so far covers the first n names.
    let mut reached = vec![false; names.len() + 1];
    reached[0] = true;
    for (at, segment) in patterns.iter().enumerate() {
        let mut next = vec![false; names.len() + 1];
        for n in (0..=names.len()).filter(|n| reached[*n]) {
            if *segment == b"**" {
                // As the last segment it stands for at least one name.
                let least = n + usize::from(at + 1 == patterns.len() && at > 0);
                next[least.min(names.len() + 1)..].fill(true);
            } else if n < names.len() && matches_name(segment, names[n]) {
                next[n + 1] = true;
            }
        }
        reached = next;
    }
    reached[names.len()]
}

fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    let mut rest = pattern;
    while let [first, after @ ..] = rest {
        let mut next = vec![false; name.len() + 1];
        if *first == b'*' {
            let start = reached.iter().position(|one| *one).unwrap_or(name.len() + 1);
            next[start.min(name.len() + 1)..].fill(true);
            rest = after;
        } else {
            let (accepts, remaining) = one(rest);
            for n in (0..name.len()).filter(|n| reached[*n] && accepts(name[*n])) {
                next[n + 1] = true;
            }
            rest = remaining;
        }
        reached = next;
    }
    reached[name.len()]
}

/// What the first element of a pattern accepts, and the rest of the pattern.
fn one(pattern: &[u8]) -> (Box<dyn Fn(u8) -> bool + '_>, &[u8]) {
    match pattern {
        [b'?', after @ ..] => (Box::new(|_| true), after),
        [b'[', after @ ..] => {
            let negated = matches!(after.first(), Some(b'!' | b'^'));
            let members = &after[usize::from(negated)..];
            let end = 1 + members[1..].iter().position(|byte| *byte == b']').expect("the door wants it closed");
            let (members, rest) = (&members[..end], &members[end + 1..]);
            (Box::new(move |byte| is_member(members, byte) != negated), rest)
        }
        [literal, after @ ..] => (Box::new(move |byte| byte == *literal), after),
        [] => unreachable!("asked only while there is some"),
    }
}

fn is_member(mut members: &[u8], byte: u8) -> bool {
    while let [first, after @ ..] = members {
        let (last, rest) = match after {
            [b'-', last, rest @ ..] => (last, rest),
            _ => (first, after),
        };
        if (*first..=*last).contains(&byte) {
            return true;
        }
        members = rest;
    }
    false
}
