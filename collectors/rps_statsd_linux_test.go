package collectors

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// What comes while this program gets no core is counted later: more packets than
// Linux keeps for a socket that asks for nothing.
func TestStatsdKeepsWhatIsNotRead(t *testing.T) {
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.LocalAddr().String()
	free.Close()
	s := newStatsdCounter(RPSSource{Address: address})
	if err := s.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const packets = 400
	s.mu.Lock() // nothing is read
	for range packets {
		fmt.Fprint(c, "node.requests:1|c")
	}
	s.mu.Unlock()
	var got readout
	for end := time.Now().Add(5 * time.Second); got.count < packets && time.Now().Before(end); time.Sleep(time.Millisecond) {
		got, _ = s.count(t.Context())
	}
	if got.count != packets {
		t.Errorf("%v of %d were counted", got.count, packets)
	}
}
