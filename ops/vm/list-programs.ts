// From what cargo says as JSON on stdin: a line `NAME PATH` for each test program, and one for the forkserver built beside them.

import { text } from 'node:stream/consumers';

interface Message {
  reason: string;
  executable?: string | null;
  package_id?: string;
  target?: { name: string; kind: string[] };
  profile?: { test: boolean };
}

for (const line of (await text(process.stdin)).trim().split('\n')) {
  const { reason, executable, package_id, target, profile } = JSON.parse(line) as Message;
  if (reason !== 'compiler-artifact' || !executable || package_id === undefined || target === undefined) continue;
  const crate = /([^/]+)#/.exec(package_id)?.[1];
  const file = target.kind[0] === 'test' ? target.name : target.kind[0] === 'bin' ? `${target.name}-unit` : 'unit';
  if (profile?.test) console.log(`${crate}-${file} ${executable}`);
  else if (target.name === 'bullpen-forkserver') console.log(`forkserver ${executable}`);
}
