// Loaded by Node before a worker (`node --import`): at SIGUSR2 its event loop stands still for some seconds, as in an endless loop.

export const BLOCK_MS = 5000;

process.on('SIGUSR2', () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCK_MS);
});
