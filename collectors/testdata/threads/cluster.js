// Two workers behind one port, each of which computes for 5 ms when asked for
// /work, and without end once asked for /spin. The port is told when both listen.
const cluster = require('cluster');
if (cluster.isPrimary) {
  let ready = 0;
  cluster.on('listening', (w, address) => { if (++ready === 2) console.log('port', address.port); });
  cluster.fork();
  cluster.fork();
} else {
  require('http').createServer((q, r) => {
    if (q.url === '/work') for (const end = Date.now() + 5; Date.now() < end;);
    r.end('ok');
    if (q.url === '/spin') setImmediate(() => { for (;;); });
  }).listen(0, '127.0.0.1');
}
