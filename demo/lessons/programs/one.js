// One thread with an endless loop. Beside the loop it counts what it has done,
// and says so ten times a second: a loop that never ends lets no timer run. c
// stays small, since from 2^31 on Node counts in another way.
// shown
let done = 0;
while (1) {
  for (let c = 0; c < 1e6; c++);
  tell(done += 1e6);
}
// end
function tell(n) {
  const now = Date.now();
  if (!(now - tell.last < 100)) {
    tell.last = now;
    require("fs").writeSync(1, n + "\n");
  }
}
