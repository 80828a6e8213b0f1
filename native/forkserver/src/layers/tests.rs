//! What the kernel doesn't show here can't be made to happen: its words are changed instead.

use super::*;

const STATUS: &str = "Uid:\t200003\t200003\t200003\t200003\nGid:\t200003\t200003\t200003\t200003\nGroups:\t \n\
CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n\
CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";
const IDS: Ids = Ids { uid: 200_003, gid: 200_003, host_uid: 200_003, host_gid: 200_003, own: true };

fn step_of<T: std::fmt::Debug>(checked: Result<T, Failure>) -> Step {
    checked.expect_err("noticed").step
}

#[test]
fn a_program_as_it_should_be_passes() {
    assert_eq!(check_status(STATUS, 0), Ok("2".to_owned()));
    assert_eq!(check_ids(STATUS, IDS), Ok(()));
}

#[test]
fn each_other_word_of_the_kernel_is_noticed() {
    let status = |from: &str, to: &str| check_status(&STATUS.replace(from, to), 0);
    for set in CAPABILITY_SETS {
        let line = |value: &str| format!("{set}:\t{value}");
        assert_eq!(step_of(status(&line("0000000000000000"), &line("0000000000000400"))), Step::Capabilities, "{set}");
    }
    assert_eq!(step_of(status("NoNewPrivs:\t1", "NoNewPrivs:\t0")), Step::NoNewPrivs);
    assert_eq!(step_of(status("Seccomp:\t2", "Seccomp:\t0")), Step::Seccomp);
    assert_eq!(step_of(status("CapBnd", "Other")), Step::Capabilities);
}

#[test]
fn a_filter_that_we_have_ourselves_is_not_the_programs() {
    assert_eq!(step_of(check_status(STATUS, 1)), Step::Seccomp);
    assert!(check_status(&STATUS.replace("filters:\t1", "filters:\t2"), 1).is_ok());
    assert_eq!(step_of(check_status(&STATUS.replace("Seccomp_filters", "Other"), 0)), Step::Seccomp);
}

#[test]
fn another_id_or_a_group_is_noticed() {
    let ids = |from: &str, to: &str| step_of(check_ids(&STATUS.replacen(from, to, 1), IDS));
    assert_eq!(ids("200003", "0"), Step::SwitchIds);
    assert_eq!(ids("Groups:\t ", "Groups:\t4 "), Step::SwitchIds);
    let shared = Ids { own: false, ..IDS };
    assert_eq!(check_ids(&STATUS.replace("Groups:\t ", "Groups:\t4 "), shared), Ok(()));
}

#[test]
fn whatever_can_be_written_beside_the_box_is_noticed() {
    let mount = |place: &str, is_read_only| MountEntry {
        id: 1,
        device: "0:1".to_owned(),
        root: "/".to_owned(),
        place: place.to_owned(),
        is_read_only,
        kind: "tmpfs".to_owned(),
    };
    let places = |more: &[(&str, bool)]| {
        let usual = [("/", true), ("/usr", true), ("/work", false), ("/tmp", false), ("/dev/shm", false)];
        let mounts: Vec<_> = usual.iter().chain(more).map(|(place, ro)| mount(place, *ro)).collect();
        writable_elsewhere(&mounts, &["/srv/out".to_owned()])
    };
    assert_eq!(places(&[("/srv/out", false)]), None);
    assert_eq!(places(&[("/srv/in", false)]), Some("/srv/in".to_owned()));
    assert_eq!(places(&[("/", false)]), Some("/".to_owned()));
    assert_eq!(writable_elsewhere(&[mount("/work", false)], &[]), Some("/".to_owned()));
}
