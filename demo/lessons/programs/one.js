// One thread with an endless loop. Beside the loop it counts what it has done,
// and says so ten times a second: a loop that never ends lets no timer run.
const fs = require("fs");
let n = 0, told = 0;
function tell() {
  const now = Date.now();
  if (now - told >= 100) { told = now; fs.writeSync(1, n + "\n"); }
}
// shown
let c = 0;
while (1) {
  c++;
  if (c === 1e6) { n += c; c = 0; tell(); }
}
// end
