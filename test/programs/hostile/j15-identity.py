"""J15: what is random about a process; and of two forks of this one, of which some is not."""

import json
import os
import random
import uuid

from probe import answers, say


def identity():
    with open('/proc/self/maps') as maps:
        layout = [line.split('-')[0] for line in maps if 'stack' in line or 'heap' in line]
    return {'random': [os.urandom(8).hex(), str(uuid.uuid4()), random.random()], 'layout': layout, 'hash': hash('bullpen')}


answers['self'] = identity()
answers['forks'] = []
for _ in range(2):
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, json.dumps(identity()).encode())
        os._exit(0)
    answers['forks'].append(json.loads(os.read(reader, 65536)))
    os.wait()
say()
