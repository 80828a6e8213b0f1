use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::*;

const UIDS: Range = Range { first: 200_000, count: 65_536 };

/// A run directory, and the control groups of a host that has none.
struct House {
    directory: tempfile::TempDir,
}

impl House {
    fn new() -> House {
        House { directory: tempfile::tempdir().unwrap() }
    }

    fn run_dir(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    fn ask(&self, uids: Range, slots: u32, cgroups: &[PathBuf]) -> Result<Lease, LeaseError> {
        take_in(&Request { run_dir: self.run_dir(), uids, slots }, cgroups.to_vec())
    }

    fn take(&self) -> Lease {
        self.ask(UIDS, 4, &[]).unwrap()
    }
}

/// A real v1 group of this test's own, with one leaf and a process in it.
struct Leftover {
    place: PathBuf,
    sleeper: Child,
}

impl Leftover {
    fn plant(instance: &str, test: &str) -> Leftover {
        let hierarchy = cgroups::settle()
            .unwrap()
            .found
            .into_iter()
            .find(|one| one.controllers.iter().any(|has| has == "pids"))
            .unwrap();
        let place = PathBuf::from(hierarchy.directory).join(format!("janitor-{}-{test}", std::process::id()));
        let leaf = place.join("bullpen").join(instance).join("7");
        fs::create_dir_all(&leaf).unwrap();
        let procs = leaf.join("cgroup.procs");
        let mut sleep = Command::new("sleep");
        // SAFETY: writes one file between fork and exec, nothing else.
        unsafe { sleep.pre_exec(move || fs::write(&procs, "0")) };
        Leftover { place, sleeper: sleep.arg("600").spawn().unwrap() }
    }

    fn is_alive(&mut self) -> bool {
        self.sleeper.try_wait().unwrap().is_none()
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        let _ = self.sleeper.kill();
        let _ = self.sleeper.wait();
        remove_groups(&self.place);
    }
}

/// `remove_dir_all` would try the files, which come and go with their group.
fn remove_groups(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    let _ = fs::remove_dir(place);
}

#[test]
fn two_leases_share_nothing() {
    let house = House::new();
    let leases: Vec<Lease> = (0..8).map(|_| house.take()).collect();
    for (index, one) in leases.iter().enumerate() {
        assert!(one.instance.strip_prefix("w-").is_some_and(|name| name.len() == 5), "{}", one.instance);
        assert!(one.uid_count >= 4 && one.first_uid >= UIDS.first);
        for other in &leases[..index] {
            assert_ne!(one.instance, other.instance);
            assert!(
                one.first_uid >= other.first_uid + other.uid_count || other.first_uid >= one.first_uid + one.uid_count
            );
        }
    }
}

#[test]
fn leases_taken_at_once_by_many_threads_share_nothing() {
    let house = House::new();
    let leases: Vec<Lease> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| house.take())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let distinct = |values: Vec<String>| values.iter().collect::<std::collections::HashSet<_>>().len();
    assert_eq!(distinct(leases.iter().map(|lease| lease.instance.clone()).collect()), 16);
    assert_eq!(distinct(leases.iter().map(|lease| lease.first_uid.to_string()).collect()), 16);
}

#[test]
fn a_name_and_its_uids_come_back_when_their_holder_is_gone() {
    let house = House::new();
    let (kept, gone) = (house.take(), house.take());
    let (name, first_uid) = (gone.instance.clone(), gone.first_uid);
    drop(gone);
    let again = house.take();
    assert_eq!((again.instance.as_str(), again.first_uid), (name.as_str(), first_uid));
    assert_ne!(kept.instance, again.instance);
}

#[test]
fn a_block_is_as_large_as_asked_and_a_small_range_runs_out() {
    let house = House::new();
    assert_eq!(house.ask(UIDS, 33, &[]).unwrap().uid_count, 48);
    let two_blocks = Range { first: 300_000, count: 32 };
    let held = house.ask(two_blocks, 16, &[]).unwrap();
    let error = house.ask(two_blocks, 17, &[]).unwrap_err();
    assert!(matches!(error, LeaseError::NoUids { wanted: 17, .. }), "{error}");
    assert_eq!(house.ask(two_blocks, 16, &[]).unwrap().first_uid, held.first_uid + 16);
}

#[test]
fn ranges_that_overlap_and_begin_elsewhere_give_disjoint_blocks() {
    let house = House::new();
    let one = house.ask(Range { first: 400_000, count: 64 }, 4, &[]).unwrap();
    let other = house.ask(Range { first: 400_003, count: 64 }, 4, &[]).unwrap();
    assert!(other.first_uid >= one.first_uid + one.uid_count);
    assert!(other.first_uid >= 400_003 && other.first_uid + other.uid_count <= 400_067);
}

#[test]
fn a_run_directory_that_others_can_enter_is_refused() {
    let house = House::new();
    fs::create_dir(house.run_dir()).unwrap();
    fs::set_permissions(house.run_dir(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(house.ask(UIDS, 1, &[]), Err(LeaseError::Exposed { .. })));
}

#[test]
fn a_request_is_closed_and_complete() {
    for text in ["", "{}", r#"{"runDir":"/x","uids":{"first":1,"count":1},"slots":1,"more":1}"#] {
        assert!(matches!(take(text), Err(LeaseError::Request(_))), "{text}");
    }
}

#[test]
fn leftovers_of_a_dead_instance_are_killed_and_removed_before_its_name_is_used_again() {
    let house = House::new();
    let dead = house.take();
    let mut left = Leftover::plant(&dead.instance, "dead");
    let stage = stage_dir(&house.run_dir(), &dead.instance);
    fs::create_dir_all(&stage).unwrap();
    let name = dead.instance.clone();
    drop(dead);

    let next = house.ask(UIDS, 4, std::slice::from_ref(&left.place)).unwrap();
    assert_eq!((next.instance.as_str(), next.unclean.len()), (name.as_str(), 0));
    let begin = Instant::now();
    while left.is_alive() {
        assert!(begin.elapsed() < Duration::from_secs(2));
    }
    assert!(!left.place.join("bullpen").join(&name).exists());
    assert!(!stage.exists());
}

#[test]
fn groups_are_found_where_the_dead_instance_said_it_made_them() {
    let house = House::new();
    let place = Leftover::plant("w-other", "elsewhere");
    let dead = house.ask(UIDS, 4, std::slice::from_ref(&place.place)).unwrap();
    let mut left = Leftover::plant(&dead.instance, "elsewhere");
    drop(dead);
    house.take();
    let begin = Instant::now();
    while left.is_alive() {
        assert!(begin.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn the_groups_of_a_living_instance_are_not_touched() {
    let house = House::new();
    let living = house.take();
    let mut left = Leftover::plant(&living.instance, "living");
    let other = house.ask(UIDS, 4, std::slice::from_ref(&left.place)).unwrap();
    assert_ne!(other.instance, living.instance);
    assert!(left.is_alive());
    drop(living);
    house.ask(UIDS, 4, std::slice::from_ref(&left.place)).unwrap();
}

#[test]
fn an_instance_that_cannot_be_cleaned_up_keeps_its_name_and_uids_out_of_use() {
    let house = House::new();
    let dead = house.take();
    let stage = stage_dir(&house.run_dir(), &dead.instance);
    fs::create_dir_all(stage.join("not-empty")).unwrap();
    let (name, first_uid) = (dead.instance.clone(), dead.first_uid);
    drop(dead);
    let next = house.take();
    assert_eq!(next.unclean, [name.as_str()]);
    assert_ne!(next.instance, name);
    assert_ne!(next.first_uid, first_uid);
}

#[test]
fn a_record_that_was_cut_off_is_as_good_as_none() {
    let house = House::new();
    let dead = house.take();
    let path = house.run_dir().join("instances").join(format!("{}.lock", dead.instance));
    let name = dead.instance.clone();
    drop(dead);
    fs::write(path, r#"{"uids":{"fi"#).unwrap();
    assert_eq!(house.take().instance, name);
}
