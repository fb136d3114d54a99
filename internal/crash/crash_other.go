//go:build !unix

package crash

import "os"

// Guard does nothing here: the console of this system goes back to its settings
// with the process.
func Guard(*os.File) (release func(), err error) { return func() {}, nil }

// Main reports that this process is no guard.
func Main() bool { return false }
