// Node has one thread for the program; more of them are asked for by name. The
// main one says, ten times a second, what the others have done.
// shown
const w = require("worker_threads");
if (w.isMainThread) {
  const done = new Float64Array(shared());
  for (const i of done.keys())
    start({ done, i });
  setInterval(tell, 100, done);
} else {
  const { done, i } = w.workerData;
  while (1) {
    for (let c = 0; c < 1e6; c++);
    done[i] += 1e6;
  }
}
// end
function shared() { return new SharedArrayBuffer(8 * Number(process.argv[2])); }
function start(workerData) { new w.Worker(__filename, { workerData }); }
function tell(done) { require("fs").writeSync(1, done.reduce((a, b) => a + b) + "\n"); }
