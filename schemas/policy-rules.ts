/**
 * Rules for a policy that a schema can't say. `P` is where the policy stands: empty, `policy`, `defaults` or `policies.NAME`.
 *
 * | rule              | path                                                              | refused                                              |
 * |-------------------|-------------------------------------------------------------------|------------------------------------------------------|
 * | `not-enforceable` | `P.network.egress.default`                                        | `allow`                                              |
 * | `not-enforceable` | `P.network.egress.allow`                                          | not empty                                            |
 * | `not-enforceable` | `P.network.ingress.default` `P.network.ingress.hostLoopback`      | `allow`                                              |
 * | `cidr`            | `….egress.allow[i].to[j].cidr`, `….except[k]`, also under `deny`  | no IP address, or a prefix length above 32 (IPv4) or 128 (IPv6) |
 * | `port-range`      | `….egress.allow[i].ports[j].endPort`, also under `deny`           | below `port`                                         |
 *
 * The lists of `P.filesystem`: see `host-path-rules.ts`. Rules under `egress.deny` are accepted: nothing can be reached, so they hold.
 */
import { isIP } from 'node:net';
import { checkHostPaths } from './host-path-rules.ts';
import { fieldOf, type Issue, issue } from './issue.ts';
import type { Policy, TrafficRule } from './types.ts';

/** What the schema can't say about a policy. */
export function checkPolicy(path: string, policy: Policy): Issue[] {
  return [
    ...checkHostPaths(fieldOf(path, 'filesystem'), policy.filesystem),
    ...checkNetwork(fieldOf(path, 'network'), policy),
  ];
}

function checkNetwork(path: string, { network }: Policy): Issue[] {
  const { egress, ingress } = network ?? {};
  const found: Issue[] = [];
  if (egress?.default === 'allow') found.push(refuse(`${path}.egress.default`, `must be deny: ${NO_RELAY}`));
  if ((egress?.allow ?? []).length > 0) found.push(refuse(`${path}.egress.allow`, `must be empty: ${NO_RELAY}`));
  if (ingress?.default === 'allow')
    found.push(refuse(`${path}.ingress.default`, 'must be deny: nothing is forwarded into a sandbox'));
  if (ingress?.hostLoopback === 'allow') {
    found.push(
      refuse(
        `${path}.ingress.hostLoopback`,
        'must be deny: the host is never reachable. For sockets of the job among themselves use loopback private',
      ),
    );
  }
  const rules = (list: 'allow' | 'deny') =>
    (egress?.[list] ?? []).flatMap((rule, index) => checkTraffic(`${path}.egress.${list}[${index}]`, rule));
  return [...found, ...rules('allow'), ...rules('deny')];
}

const NO_RELAY = 'there is no egress relay. Send what the job needs as files or stdin';

function refuse(path: string, allowed: string): Issue {
  return issue(path, 'not-enforceable', allowed);
}

function checkTraffic(path: string, rule: TrafficRule): Issue[] {
  const blocks = rule.to.flatMap(({ cidr, except = [] }, index) => [
    [`${path}.to[${index}].cidr`, cidr] as const,
    ...except.map((one, inner) => [`${path}.to[${index}].except[${inner}]`, one] as const),
  ]);
  const ports = (rule.ports ?? []).map(
    ({ port, endPort = port }, index) => [`${path}.ports[${index}].endPort`, endPort < port] as const,
  );
  return [
    ...blocks
      .filter(([, cidr]) => !isCidr(cidr))
      .map(([field]) => issue(field, 'cidr', 'must be an IP address, / and a prefix length')),
    ...ports.filter(([, wrong]) => wrong).map(([field]) => issue(field, 'port-range', 'must not be below port')),
  ];
}

function isCidr(cidr: string): boolean {
  const [address = '', prefix = ''] = cidr.split('/');
  const family = isIP(address);
  return family !== 0 && Number(prefix) <= (family === 4 ? 32 : 128);
}
