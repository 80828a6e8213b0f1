//! From the paths of a policy to what is mounted where: pure, on what was found at the paths.
//!
//! The most specific path wins, and what counts is the object, not its name. Each object has one *location* (file system and path in it)
//! whatever ways lead there: a directory that the host shows at a second place has the same one. Entries for one object take the strictest
//! access among them; and wherever a granted tree shows the object of another entry, that entry's access holds there, too.
//!
//! A mount stays on its directory or file when that is renamed, and the kernel refuses to rename or remove what is mounted on. So that
//! nothing can be moved out from under a path for the next job, every directory between a writable tree and a stricter place in it is
//! mounted on itself (a *pin*).

use forkserver::kernel::mountinfo::{below, join};
use forkserver::wire::{PathAccess, PathRule};
use leave_out::Part;
use std::collections::BTreeMap;

/// Most mounts that one sandbox gets for its paths.
const MAX_MOUNTS: usize = 512;

/// Where a file or directory is, whatever its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Number of its file system.
    pub device: String,
    /// Its path in that file system.
    pub path: String,
}

/// A path of the policy and what was found there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its index in the plan.
    pub index: u32,
    /// The absolute path: the same outside and inside.
    pub place: String,
    pub access: PathAccess,
    pub location: Location,
    /// `st_dev` and `st_ino`.
    pub object: (u64, u64),
    pub is_directory: bool,
    pub links: u64,
}

/// Something to mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub place: String,
    pub access: PathAccess,
    /// Which entry's object it begins at (index into the entries), and the way from there.
    pub entry: usize,
    pub below: String,
    /// The nearest planned place above it, if there is one.
    pub around: Option<String>,
}

/// A path that can't be what the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    pub index: u32,
    pub rule: PathRule,
}

/// Plans the mounts, parents first. `mount_points` are the host's.
pub fn resolve(mut entries: Vec<Entry>, mount_points: &[String]) -> Result<(Vec<Entry>, Vec<Planned>), Refusal> {
    if !leave_out::is(Part::HostPathStrictest) {
        tighten(&mut entries);
    }
    for entry in &entries {
        check_links(entry, &entries)?;
        check_mounts_below(entry, &entries, mount_points)?;
    }
    let mut plan = own_places(&entries);
    if !leave_out::is(Part::HostPathAliases) {
        add_other_ways(&entries, &mut plan);
    }
    let planned = settle(&plan);
    match (planned.len() > MAX_MOUNTS, entries.first()) {
        (true, Some(entry)) => Err(Refusal { index: entry.index, rule: PathRule::TooLarge }),
        _ => Ok((entries, planned)),
    }
}

/// Entries for one object become as strict as the strictest of them.
fn tighten(entries: &mut [Entry]) {
    let strictest = |object| entries.iter().filter(|entry| entry.object == object).map(|entry| entry.access).max();
    let accesses: Vec<_> = entries.iter().map(|entry| strictest(entry.object).unwrap_or(entry.access)).collect();
    for (entry, access) in entries.iter_mut().zip(accesses) {
        entry.access = access;
    }
}

/// A file that has more than one name can be reached by another one, which nothing here knows.
fn check_links(entry: &Entry, entries: &[Entry]) -> Result<(), Refusal> {
    let looser = |other: &Entry| other.access < entry.access && other.object.0 == entry.object.0 && other.is_directory;
    match !entry.is_directory
        && entry.links > 1
        && entries.iter().any(looser)
        && !leave_out::is(Part::HostPathHardLinks)
    {
        true => Err(Refusal { index: entry.index, rule: PathRule::HardLink }),
        false => Ok(()),
    }
}

/// What is mounted in a granted tree isn't part of it: a path of the policy must say what is to become of that place.
fn check_mounts_below(entry: &Entry, entries: &[Entry], mount_points: &[String]) -> Result<(), Refusal> {
    let is_in = |path: &str| below(path, &entry.place).is_some_and(|rest| !rest.is_empty());
    let has_word =
        |point: &str| entries.iter().any(|other| is_in(&other.place) && below(point, &other.place).is_some());
    let forgotten = |point: &String| is_in(point) && !has_word(point);
    match entry.access != PathAccess::Denied
        && mount_points.iter().any(forgotten)
        && !leave_out::is(Part::HostPathMountsBelow)
    {
        true => Err(Refusal { index: entry.index, rule: PathRule::MountBelow }),
        false => Ok(()),
    }
}

/// What a place is to be.
struct Wish {
    access: PathAccess,
    entry: usize,
    /// Not the entry's own place: it only counts where it makes the place stricter.
    is_other_way: bool,
}

type Plan = BTreeMap<String, Wish>;

/// Each grant at its own place, and what is denied in them.
fn own_places(entries: &[Entry]) -> Plan {
    let granted = |place: &str| {
        entries.iter().any(|other| other.access != PathAccess::Denied && below(place, &other.place).is_some())
    };
    let shown = entries.iter().enumerate().filter(|(_, entry)| granted(&entry.place));
    let wish =
        |(entry, at): (usize, &Entry)| (at.place.clone(), Wish { access: at.access, entry, is_other_way: false });
    shown.map(wish).collect()
}

/// Where a granted tree shows the object of another entry by another name.
fn add_other_ways(entries: &[Entry], plan: &mut Plan) {
    for tree in entries.iter().filter(|tree| tree.access != PathAccess::Denied && tree.is_directory) {
        for (entry, inner) in entries.iter().enumerate() {
            let way = match inner.location.device == tree.location.device {
                true => below(&inner.location.path, &tree.location.path).filter(|way| !way.is_empty()),
                false => None,
            };
            if let Some(way) = way {
                let wish = Wish { access: inner.access, entry, is_other_way: true };
                plan.entry(join(&tree.place, way)).or_insert(wish);
            }
        }
    }
}

/// Drops what is hidden anyway, pins what a writable tree could move, and tells each place what is around it.
fn settle(plan: &Plan) -> Vec<Planned> {
    let mut settled: BTreeMap<&str, Planned> = BTreeMap::new();
    let mut pins: BTreeMap<String, Planned> = BTreeMap::new();
    // A place comes after all that are above it: `/a` sorts before `/a/b`.
    for (place, wish) in plan {
        if let Some(around) = ancestors(place).find_map(|above| settled.get(above)) {
            let is_hidden = around.access == PathAccess::Denied && wish.access == PathAccess::Denied;
            if is_hidden || wish.is_other_way && around.access >= wish.access {
                continue;
            }
            if around.access == PathAccess::Readwrite && !leave_out::is(Part::HostPathPins) {
                pins.extend(pins_between(around, place));
            }
        }
        let (place_of_own, access, entry) = (place.clone(), wish.access, wish.entry);
        settled.insert(place, Planned { place: place_of_own, access, entry, below: String::new(), around: None });
    }
    let mut all: BTreeMap<String, Planned> = settled.into_values().map(|one| (one.place.clone(), one)).collect();
    for (place, pin) in pins {
        all.entry(place).or_insert(pin);
    }
    let around: Vec<_> =
        all.keys().map(|place| ancestors(place).find(|above| all.contains_key(*above)).map(str::to_owned)).collect();
    all.into_values().zip(around).map(|(planned, around)| Planned { around, ..planned }).collect()
}

/// The directories between a tree and a place in it, each to be mounted on itself.
fn pins_between(tree: &Planned, place: &str) -> Vec<(String, Planned)> {
    let between = ancestors(place).take_while(|above| *above != tree.place);
    let pin = |above: &str| {
        let way = join(&tree.below, below(above, &tree.place).unwrap_or_default());
        let way = way.trim_start_matches('/').to_owned();
        Planned { place: above.to_owned(), access: PathAccess::Readwrite, entry: tree.entry, below: way, around: None }
    };
    between.map(|above| (above.to_owned(), pin(above))).collect()
}

/// The paths above an absolute one, nearest first, without `/`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rsplit_once('/').map(|(above, _)| above), |path| {
        path.rsplit_once('/').map(|(above, _)| above)
    })
    .take_while(|above| !above.is_empty())
}

#[cfg(test)]
mod tests;
