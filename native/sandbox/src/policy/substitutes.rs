//! What an operator may accept in place of a layer that a host lacks. Nothing stands in for a layer unasked, and a policy that
//! requires a layer is not served by what stands in for it.

use forkserver::wire::Substitute;

use crate::door::Issue;

/// Layer and substitute, with what is given up.
const KNOWN: [(&str, &str, &str); 4] = [
    (
        "cgroup-memory",
        "polling",
        "memory is looked at every 20 ms: more may be used in between, and the workspace isn't counted",
    ),
    ("cgroup-pids", "rlimit", "the limit holds, but nobody knows how often it refused a process"),
    ("cgroup-cpu", "polling", "CPU time is counted and limited, limits.cpuMillis is not enforced"),
    ("uid", "shared", "all sandboxes run as the worker's own user, with that user's groups"),
];

/// Refuses pairs that make no sense, and a layer that is named twice.
pub fn check(substitutes: &[Substitute]) -> Result<(), Issue> {
    for (index, one) in substitutes.iter().enumerate() {
        if !KNOWN.iter().any(|(layer, by, _)| *layer == one.layer && *by == one.by) {
            let message = format!("{} does not stand in for {}", one.by, one.layer);
            return Err(Issue::at(format!("substitutes[{index}].by"), "reference", message));
        }
        if substitutes[..index].iter().any(|earlier| earlier.layer == one.layer) {
            return Err(Issue::at(
                format!("substitutes[{index}].layer"),
                "uniqueItems",
                "a substitute for it was named before",
            ));
        }
    }
    Ok(())
}

/// Is it one of these that a layer's value names?
pub fn stands_in(substitutes: &[Substitute], layer: &str, value: Option<&str>) -> bool {
    substitutes.iter().any(|one| one.layer == layer && Some(one.by.as_str()) == value)
}

/// What could be accepted in place of a layer, for whoever is told that it doesn't hold.
pub fn advice(layer: &str) -> Option<String> {
    let (layer, by, loss) = KNOWN.iter().find(|(known, _, _)| *known == layer)?;
    Some(format!("or accept {{\"layer\": \"{layer}\", \"by\": \"{by}\"}} in substitutes ({loss})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(layer: &str, by: &str) -> Substitute {
        Substitute { layer: layer.to_owned(), by: by.to_owned() }
    }

    #[test]
    fn pairs_that_are_known_are_accepted_once_each() {
        let all: Vec<Substitute> = KNOWN.iter().map(|(layer, by, _)| pair(layer, by)).collect();
        assert_eq!(check(&all), Ok(()));
        let refused = |list: &[Substitute]| check(list).map_err(|issue| (issue.path, issue.rule));
        let twice = [pair("uid", "shared"), pair("uid", "shared")];
        assert_eq!(refused(&twice), Err(("substitutes[1].layer".to_owned(), "uniqueItems".to_owned())));
        assert_eq!(refused(&[pair("uid", "polling")]), Err(("substitutes[0].by".to_owned(), "reference".to_owned())));
    }

    #[test]
    fn only_the_accepted_value_of_that_layer_stands_in() {
        let accepted = [pair("uid", "shared")];
        assert!(stands_in(&accepted, "uid", Some("shared")));
        assert!(!stands_in(&accepted, "uid", Some("200001")) && !stands_in(&accepted, "cgroup-cpu", Some("shared")));
        assert!(advice("uid").is_some_and(|text| text.contains("shared")) && advice("seccomp").is_none());
    }
}
