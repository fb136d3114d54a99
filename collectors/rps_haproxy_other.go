//go:build !linux

package collectors

// readHAProxyConfig finds nothing: which file a process was started with is
// read from Linux' /proc.
func readHAProxyConfig(string, int) haproxyConfig { return haproxyConfig{} }
