package collectors

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// maxKept bounds one reading of a file below /proc or of a control group:
// /proc/stat of a machine with 4,096 cores has 400 kB of cores.
const maxKept = 1 << 20

// kept is a small file that stays open and is read from its beginning each
// time. Files of procfs give one consistent reading for each pread.
type kept struct {
	path string
	fd   int // 0 = not open; a process has its standard input there
	buf  []byte
}

// read returns the whole file, valid until the next read. size is a guess at
// its length in bytes.
func (k *kept) read(size int) ([]byte, error) {
	return k.readUntil(size, func([]byte) bool { return false })
}

// readUntil is read for who needs only a beginning of the file: it is content
// with a filled buffer for which enough is true.
func (k *kept) readUntil(size int, enough func([]byte) bool) ([]byte, error) {
	if err := k.open(); err != nil {
		return nil, err
	}
	if len(k.buf) == 0 {
		k.buf = make([]byte, size)
	}
	for {
		n, err := unix.Pread(k.fd, k.buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			k.close()
			return nil, fmt.Errorf("read %s: %w", k.path, err)
		}
		if n < len(k.buf) || enough(k.buf) {
			return k.buf[:n], nil
		}
		if len(k.buf) >= maxKept {
			return nil, fmt.Errorf("read %s: longer than %d bytes", k.path, maxKept)
		}
		k.buf = make([]byte, 2*len(k.buf))
	}
}

func (k *kept) open() error {
	if k.fd != 0 {
		return nil
	}
	fd, err := unix.Open(k.path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil && fd == 0 {
		// Standard input was closed; take another number.
		fd, err = unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
		_ = unix.Close(0)
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: k.path, Err: err}
	}
	k.fd = fd
	return nil
}

func (k *kept) close() {
	if k.fd != 0 {
		_ = unix.Close(k.fd)
		k.fd = 0
	}
}
