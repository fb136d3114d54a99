//go:build unix

package crash

// The requests that read and set a terminal, for the tests.
const (
	IoctlGet = ioctlGet
	IoctlSet = ioctlSet
)
