/** Loaded before the program: at SIGUSR2 its loop stands still for `BLOCK_MS`, as nothing in it ever should. */
process.on('SIGUSR2', () => {
  const still = new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(still, 0, 0, Number(process.env.BLOCK_MS));
});
