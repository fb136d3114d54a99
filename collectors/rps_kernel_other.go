//go:build !linux

package collectors

import "errors"

// openHTTPCounter refuses.
func openHTTPCounter(string, Config) (httpCounter, error) {
	return nil, errors.New("eBPF is Linux only")
}
