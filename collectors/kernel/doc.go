// Package kernel holds the programs that count inside the Linux kernel (eBPF):
// HTTP/1 responses by port, established connections by port, and the run time
// of every thread. They are written with an assembler; nothing is compiled from
// C and no object file is shipped.
//
// Everything loaded hangs on file descriptors of this process: when it ends,
// however it ends, the kernel lets go of it.
package kernel
