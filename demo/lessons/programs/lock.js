// The threads of threads.js, that take turns at one number behind one lock.
// shown
const w = require("worker_threads");
if (w.isMainThread) {
  const all = new Int32Array(shared());
  for (let i = 0; i < workers(); i++)
    start(all);
  setInterval(tell, 100, all);
} else {
  const all = w.workerData;
  while (1) {
    while (Atomics.exchange(all, 0, 1)) {}
    for (let c = 0; c < 100; c++);
    all[8] += 100;
    Atomics.store(all, 0, 0);
  }
}
// end
function shared() { return new SharedArrayBuffer(64); }
function workers() { return Number(process.argv[2]); }
function start(workerData) { new w.Worker(__filename, { workerData }); }
function tell(all) { // the number goes round at 2^32
  const now = Atomics.load(all, 8);
  tell.done = (tell.done || 0) + ((now - (tell.was || 0)) >>> 0);
  tell.was = now;
  require("fs").writeSync(1, tell.done + "\n");
}
