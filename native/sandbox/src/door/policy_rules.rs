//! What the schema can't say about a policy: the rules of `schemas/policy-rules.ts`, by the same names.

use std::net::IpAddr;

use super::document::{AddressBlock, Network, PolicyDocument, TrafficRule, Verdict};
use super::host_path_rules;
use super::issue::{Issue, field_of};

const NO_RELAY: &str = "there is no egress relay. Send what the job needs as files or stdin";

/// Checks a policy; `path` is where it stands in its document.
pub fn check(path: &str, policy: &PolicyDocument) -> Vec<Issue> {
    let mut found = host_path_rules::lists(&field_of(path, "filesystem"), &policy.filesystem);
    found.extend(network(&field_of(path, "network"), &policy.network));
    found
}

fn network(path: &str, network: &Network) -> Vec<Issue> {
    let allow = Some(Verdict::Allow);
    let (egress, ingress) = (&network.egress, &network.ingress);
    let asked = [
        (egress.default == allow, "egress.default", format!("must be deny: {NO_RELAY}")),
        (!egress.allow.is_empty(), "egress.allow", format!("must be empty: {NO_RELAY}")),
        (ingress.default == allow, "ingress.default", "must be deny: nothing is forwarded into a sandbox".to_owned()),
        (
            ingress.host_loopback == allow,
            "ingress.hostLoopback",
            "must be deny: the host is never reachable. For sockets of the job among themselves use loopback private"
                .to_owned(),
        ),
    ];
    let refused = asked
        .into_iter()
        .filter(|(wrong, ..)| *wrong)
        .map(|(_, field, allowed)| refuse(format!("{path}.{field}"), &allowed));
    refused
        .chain(rules(&format!("{path}.egress.allow"), &egress.allow))
        .chain(rules(&format!("{path}.egress.deny"), &egress.deny))
        .collect()
}

fn refuse(path: String, allowed: &str) -> Issue {
    Issue::at(path, "not-enforceable", allowed)
}

fn rules(path: &str, rules: &[TrafficRule]) -> Vec<Issue> {
    rules.iter().enumerate().flat_map(|(index, rule)| traffic(&format!("{path}[{index}]"), rule)).collect()
}

fn traffic(path: &str, rule: &TrafficRule) -> Vec<Issue> {
    let blocks = rule.to.iter().enumerate().flat_map(|(index, block)| addresses(&format!("{path}.to[{index}]"), block));
    let ports = rule.ports.iter().enumerate().filter(|(_, range)| range.end_port.is_some_and(|end| end < range.port));
    let ports = ports
        .map(|(index, _)| Issue::at(format!("{path}.ports[{index}].endPort"), "port-range", "must not be below port"));
    blocks.chain(ports).collect()
}

fn addresses(path: &str, block: &AddressBlock) -> Vec<Issue> {
    let except = block.except.iter().enumerate().map(|(index, cidr)| (format!("{path}.except[{index}]"), cidr));
    let all = std::iter::once((format!("{path}.cidr"), &block.cidr)).chain(except);
    all.filter(|(_, cidr)| !is_cidr(cidr))
        .map(|(field, _)| Issue::at(field, "cidr", "must be an IP address, / and a prefix length"))
        .collect()
}

fn is_cidr(cidr: &str) -> bool {
    let Some((address, prefix)) = cidr.split_once('/') else { return false };
    let longest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    prefix.parse::<u32>().is_ok_and(|bits| bits <= longest)
}
