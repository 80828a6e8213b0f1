// A producer of its own process: submits the documents that it is given, and says so.

import { createProducer, type JobInput } from '../../producer/index.ts';

const [redis = '', queue = '', documents = '[]'] = process.argv.slice(2);
const producer = createProducer({ redis, queue });
for (const document of JSON.parse(documents) as JobInput[]) await producer.submit(document);
await producer.close();
console.log('submitted');
