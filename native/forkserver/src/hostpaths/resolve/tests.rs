use super::*;
use PathAccess::{Denied, Readonly, Readwrite};

/// A directory at `place`, which in the file system `device` is at `path`.
fn at(place: &str, access: PathAccess, device: u64, path: &str) -> Entry {
    let inode = path.bytes().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    Entry {
        index: 0,
        place: place.to_owned(),
        access,
        location: Location { device: device.to_string(), path: path.to_owned() },
        object: (device, inode),
        is_directory: true,
        links: 2,
    }
}

/// A directory of the one file system that is mounted on `/`.
fn dir(place: &str, access: PathAccess) -> Entry {
    at(place, access, 1, place)
}

fn file(place: &str, access: PathAccess, links: u64) -> Entry {
    Entry { is_directory: false, links, ..dir(place, access) }
}

fn planned(entries: Vec<Entry>) -> Vec<(String, PathAccess)> {
    let (_, planned) = resolve(numbered(entries), &[]).expect("a plan");
    planned.into_iter().map(|one| (one.place, one.access)).collect()
}

fn numbered(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.iter_mut().zip(0..).for_each(|(entry, index)| entry.index = index);
    entries
}

fn refused(entries: Vec<Entry>, mount_points: &[&str]) -> Option<(u32, PathRule)> {
    let points: Vec<String> = mount_points.iter().map(|&point| point.to_owned()).collect();
    resolve(numbered(entries), &points).err().map(|refusal| (refusal.index, refusal.rule))
}

fn want(list: &[(&str, PathAccess)]) -> Vec<(String, PathAccess)> {
    list.iter().map(|(place, access)| ((*place).to_owned(), *access)).collect()
}

#[test]
fn the_most_specific_path_wins_whatever_the_order() {
    let all = [dir("/d", Readonly), dir("/d/a", Denied), dir("/d/a/b", Readwrite), dir("/d/a/b/c", Readonly)];
    let wanted = want(&[("/d", Readonly), ("/d/a", Denied), ("/d/a/b", Readwrite), ("/d/a/b/c", Readonly)]);
    assert_eq!(planned(all.to_vec()), wanted);
    assert_eq!(planned(all.iter().rev().cloned().collect()), wanted);
}

#[test]
fn one_path_in_several_lists_takes_the_strictest() {
    assert_eq!(planned(vec![dir("/d", Readwrite), dir("/d", Readonly)]), want(&[("/d", Readonly)]));
    assert_eq!(planned(vec![dir("/d", Readwrite), dir("/d", Denied), dir("/d", Readonly)]), []);
    assert_eq!(
        planned(vec![dir("/d", Readonly), dir("/d/x", Denied), dir("/d/x", Readonly)]),
        want(&[("/d", Readonly), ("/d/x", Denied)])
    );
}

#[test]
fn what_no_grant_shows_needs_no_mask() {
    assert_eq!(planned(vec![dir("/d/a", Readonly), dir("/d", Denied), dir("/x", Denied)]), want(&[("/d/a", Readonly)]));
    let nested = vec![dir("/d", Readonly), dir("/d/a", Denied), dir("/d/a/b", Denied)];
    assert_eq!(planned(nested), want(&[("/d", Readonly), ("/d/a", Denied)]));
}

#[test]
fn names_that_only_begin_alike_are_not_below_each_other() {
    let entries = vec![dir("/d", Readwrite), dir("/d-x", Readonly), dir("/d/a", Denied), dir("/d/a-b", Readonly)];
    assert_eq!(
        planned(entries),
        want(&[("/d", Readwrite), ("/d-x", Readonly), ("/d/a", Denied), ("/d/a-b", Readonly)])
    );
}

#[test]
fn a_second_place_of_one_directory_is_as_strict_as_the_first() {
    // /m shows what /d is.
    let twice = vec![dir("/d", Readwrite), at("/m", Readonly, 1, "/d")];
    assert_eq!(planned(twice), want(&[("/d", Readonly), ("/m", Readonly)]));
    let denied = vec![dir("/d", Readwrite), at("/m", Denied, 1, "/d")];
    assert_eq!(planned(denied), []);
}

#[test]
fn a_stricter_path_holds_in_every_tree_that_shows_its_object() {
    // /m shows what /d/a is: denied there, it is denied in /d, and with it what is in it.
    let alias = vec![dir("/d", Readonly), at("/m", Denied, 1, "/d/a")];
    assert_eq!(planned(alias), want(&[("/d", Readonly), ("/d/a", Denied)]));
    let inner = vec![dir("/d", Readwrite), at("/m", Readonly, 1, "/d/a/b")];
    assert_eq!(planned(inner), want(&[("/d", Readwrite), ("/d/a", Readwrite), ("/d/a/b", Readonly), ("/m", Readonly)]));
    // What another entry says less strictly changes nothing.
    let looser = vec![dir("/d", Readwrite), dir("/d/a", Denied), at("/m", Readonly, 1, "/d/a/b")];
    assert_eq!(planned(looser), want(&[("/d", Readwrite), ("/d/a", Denied), ("/m", Readonly)]));
    let other_disk = vec![dir("/d", Readonly), at("/m", Denied, 2, "/d/a")];
    assert_eq!(planned(other_disk), want(&[("/d", Readonly)]));
}

#[test]
fn every_directory_between_a_writable_tree_and_a_stricter_place_is_pinned() {
    let (entries, planned) =
        resolve(numbered(vec![dir("/d", Readwrite), dir("/d/a/b/s", Denied)]), &[]).expect("a plan");
    let shown: Vec<_> = planned
        .iter()
        .map(|p| (&*p.place, p.access, &*entries[p.entry].place, &*p.below, p.around.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [
            ("/d", Readwrite, "/d", "", None),
            ("/d/a", Readwrite, "/d", "a", Some("/d")),
            ("/d/a/b", Readwrite, "/d", "a/b", Some("/d/a")),
            ("/d/a/b/s", Denied, "/d/a/b/s", "", Some("/d/a/b")),
        ]
    );
}

#[test]
fn a_readonly_tree_needs_no_pins() {
    let entries = vec![dir("/d", Readonly), dir("/d/a/b/s", Denied)];
    assert_eq!(planned(entries), want(&[("/d", Readonly), ("/d/a/b/s", Denied)]));
}

#[test]
fn a_file_with_other_names_can_not_be_made_stricter() {
    assert_eq!(refused(vec![dir("/d", Readonly), file("/d/s", Denied, 2)], &[]), Some((1, PathRule::HardLink)));
    assert_eq!(refused(vec![dir("/d", Readwrite), file("/d/s", Readonly, 2)], &[]), Some((1, PathRule::HardLink)));
    assert_eq!(refused(vec![dir("/d", Readonly), file("/d/s", Readonly, 2)], &[]), None);
    assert_eq!(refused(vec![dir("/d", Readonly), file("/d/s", Denied, 1)], &[]), None);
    // Both names are in the policy: the strictest counts for both.
    let same = |place: &str, access| Entry { object: (1, 5), ..file(place, access, 2) };
    assert_eq!(planned(vec![same("/f", Readwrite), same("/g", Readonly)]), want(&[("/f", Readonly), ("/g", Readonly)]));
}

#[test]
fn what_is_mounted_in_a_tree_needs_a_word_of_the_policy() {
    assert_eq!(refused(vec![dir("/d", Readonly)], &["/", "/d", "/d/m"]), Some((0, PathRule::MountBelow)));
    assert_eq!(refused(vec![dir("/d", Readonly)], &["/", "/d", "/dm"]), None);
    for word in [dir("/d/m", Denied), at("/d/m", Readwrite, 2, "/")] {
        assert_eq!(refused(vec![dir("/d", Readonly), word], &["/d/m"]), None);
    }
    assert_eq!(refused(vec![dir("/d", Readonly), dir("/d/m/x", Denied)], &["/d/m"]), Some((0, PathRule::MountBelow)));
    assert_eq!(refused(vec![dir("/d", Readonly), dir("/d/a", Denied)], &["/d/a/m"]), None);
    assert_eq!(
        refused(vec![dir("/d", Readonly), at("/d/m", Readonly, 2, "/")], &["/d/m", "/d/m/n"]),
        Some((1, PathRule::MountBelow))
    );
}

#[test]
fn there_is_a_most_of_mounts() {
    let deep = (0..600).fold("/d".to_owned(), |path, _| path + "/x");
    assert_eq!(refused(vec![dir("/d", Readwrite), dir(&deep, Denied)], &[]), Some((0, PathRule::TooLarge)));
}
