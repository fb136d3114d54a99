// Node has one thread for the program; more of them are asked for by name. The
// main one counts, ten times a second, what the others have done.
const fs = require("fs");
// shown
const { Worker, isMainThread, workerData } =
  require("worker_threads");
if (isMainThread) {
  const done = new BigInt64Array(
    new SharedArrayBuffer(8 * workers()));
  for (let i = 0; i < done.length; i++)
    new Worker(__filename, { workerData: { done, i } });
  setInterval(() => tell(done), 100);
} else {
  const { done, i } = workerData;
  let c = 0;
  while (1) {
    c++;
    if (c === 1e6) { done[i] += BigInt(c); c = 0; }
  }
}
// end
function workers() { return Number(process.argv[2]); }
function tell(done) { fs.writeSync(1, done.reduce((a, b) => a + b, 0n) + "\n"); }
