// An HTTP server that computes for 20 ms a request; it says its port.
require('http').createServer((q, r) => {
  for (const end = Date.now() + 20; Date.now() < end;);
  r.end('ok');
}).listen(0, '127.0.0.1', function () { console.log('port', this.address().port); });
