// What ordinary Node programs lean on: HTTP with agents, worker threads, files, crypto, children, compression.
const assert = require('node:assert');
const { execFile, fork } = require('node:child_process');
const { createHash, generateKeyPairSync, scryptSync, sign, verify } = require('node:crypto');
const { createReadStream, createWriteStream } = require('node:fs');
const { cp, mkdir, readdir, readFile, rm, writeFile } = require('node:fs/promises');
const http = require('node:http');
const { pipeline } = require('node:stream/promises');
const { promisify } = require('node:util');
const { Worker } = require('node:worker_threads');
const zlib = require('node:zlib');

async function serve() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
  const server = http.createServer((request, response) => request.pipe(response));
  await new Promise((resolve) => server.listen('http.sock', resolve));
  const echo = (text) =>
    new Promise((resolve, reject) => {
      const request = http.request({ agent, socketPath: 'http.sock', method: 'POST' }, async (response) => {
        resolve((await response.toArray()).join(''));
      });
      request.on('error', reject).end(text);
    });
  assert.deepEqual(await Promise.all(['a', 'b', 'c'].map(echo)), ['a', 'b', 'c']);
  agent.destroy();
  server.close();
}

async function files() {
  await mkdir('tree/branch', { recursive: true });
  await writeFile('tree/branch/leaf', 'leaf '.repeat(20_000));
  await cp('tree', 'copy', { recursive: true });
  assert.deepEqual(await readdir('copy/branch'), ['leaf']);
  await pipeline(createReadStream('copy/branch/leaf'), zlib.createGzip(), createWriteStream('leaf.gz'));
  assert.equal(zlib.gunzipSync(await readFile('leaf.gz')).length, 100_000);
  assert.equal(zlib.brotliDecompressSync(zlib.brotliCompressSync('brotli')).toString(), 'brotli');
  await rm('tree', { recursive: true });
}

function secrets() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  assert(verify(null, Buffer.from('signed'), publicKey, sign(null, Buffer.from('signed'), privateKey)));
  assert.equal(scryptSync('word', 'salt', 32).length, 32);
  assert.equal(createHash('sha256').update('').digest('hex').slice(0, 8), 'e3b0c442');
}

async function others() {
  const worker = new Worker('require("node:worker_threads").parentPort.postMessage(6 * 7)', { eval: true });
  assert.equal(await new Promise((resolve) => worker.once('message', resolve)), 42);
  assert.equal((await promisify(execFile)('sh', ['-c', 'echo from a shell'])).stdout, 'from a shell\n');
  const child = fork(__filename, ['child']);
  assert.equal(await new Promise((resolve) => child.once('message', resolve)), 'from a fork');
}

async function main() {
  await serve();
  await files();
  secrets();
  await others();
  console.log('node ok');
}

if (process.argv[2] === 'child') process.send('from a fork');
else main();
