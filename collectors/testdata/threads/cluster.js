// Two workers behind one port, each of which computes without end once asked.
// The port is told when both listen.
const cluster = require('cluster');
if (cluster.isPrimary) {
  let ready = 0;
  cluster.on('listening', (w, address) => { if (++ready === 2) console.log('port', address.port); });
  cluster.fork();
  cluster.fork();
} else {
  require('http').createServer((q, r) => {
    r.end('ok');
    if (q.url === '/spin') setImmediate(() => { for (;;); });
  }).listen(0, '127.0.0.1');
}
