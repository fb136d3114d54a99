package collectors

import (
	"errors"
	"testing"

	"capmon/collectors/kernel"
)

// TestCalm: two programs that are refused give one sentence.
func TestCalm(t *testing.T) {
	no := errors.New("no such tracepoint")
	send := &kernel.Refusal{Step: "attach", Err: no}
	egress := &kernel.Refusal{Step: "load", Err: errors.New("invalid argument")}
	rights := &kernel.Refusal{Step: "load", Missing: []string{"CAP_BPF", "CAP_NET_ADMIN"}, Err: errors.New("not permitted")}
	for want, err := range map[string]error{
		"CAP_BPF and CAP_NET_ADMIN missing: run as root or give it with setcap": errors.Join(send, rights),
		"load: invalid argument": errors.Join(send, egress),
		"no such tracepoint":     no,
	} {
		if got := calm(err).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
