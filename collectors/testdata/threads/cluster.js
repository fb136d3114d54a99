// Two workers behind one port, each of which computes without end once asked.
const cluster = require('cluster');
if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
} else {
  require('http').createServer((q, r) => {
    r.end('ok');
    if (q.url === '/spin') setImmediate(() => { for (;;); });
  }).listen(0, '127.0.0.1', function () { console.log('port', this.address().port); });
}
