// The threads of threads.js, that take turns at one number behind one lock.
const fs = require("fs");
// shown
const { Worker, isMainThread, workerData } =
  require("worker_threads");
if (isMainThread) {
  const all = new Int32Array(new SharedArrayBuffer(64));
  for (let i = 0; i < workers(); i++)
    new Worker(__filename, { workerData: all });
  setInterval(() => tell(all), 100);
} else {
  const all = workerData;
  while (1) {
    while (Atomics.exchange(all, 0, 1)) {} // the lock
    for (let c = 0; c < 100; c++) all[8]++;
    Atomics.store(all, 0, 0);
  }
}
// end
let was = 0, done = 0n;
function workers() { return Number(process.argv[2]); }
function tell(all) { // the number goes round at 2^32
  const now = Atomics.load(all, 8);
  done += BigInt((now - was) >>> 0);
  was = now;
  fs.writeSync(1, done + "\n");
}
