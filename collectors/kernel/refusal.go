//go:build linux

package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Refusal is the error of a program that this kernel or these rights do not
// allow.
type Refusal struct {
	Step    string   // what was tried: "load the program that counts sends"
	Missing []string // rights that are wanted and not there: "CAP_BPF"
	Err     error
}

// Error names the missing rights where there are any: then they are the reason.
func (r *Refusal) Error() string {
	if len(r.Missing) > 0 {
		return fmt.Sprintf("%s: %s missing: run as root or give it with setcap", r.Step, strings.Join(r.Missing, " and "))
	}
	return fmt.Sprintf("%s: %v", r.Step, r.Err)
}

func (r *Refusal) Unwrap() error { return r.Err }

// step is one thing the kernel may refuse. It is a variable so that a test can
// refuse each in turn.
var step = func(what string, do func() error) error { return do() }

// try does one step. Its error is a *Refusal with the rights of want that this
// process lacks, when the kernel's answer is about rights.
func try(what string, want []right, do func() error) error {
	err := step(what, do)
	if err == nil {
		return nil
	}
	r := &Refusal{Step: what, Err: err}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		r.Missing = missing(want)
	}
	return r
}

// right is a capability of Linux.
type right struct {
	bit  uint
	name string
}

// The rights that programs want. CAP_SYS_ADMIN contains them all.
var (
	capBPF      = right{39, "CAP_BPF"}
	capPerfmon  = right{38, "CAP_PERFMON"}
	capNetAdmin = right{12, "CAP_NET_ADMIN"}
)

const capSysAdmin = 21

// missing lists the rights of want that this process does not have.
func missing(want []right) []string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil
	}
	have, ok := effective(status)
	if !ok || have&(1<<capSysAdmin) != 0 {
		return nil
	}
	var names []string
	for _, r := range want {
		if have&(1<<r.bit) == 0 {
			names = append(names, r.name)
		}
	}
	return names
}

// effective reads the CapEff line of /proc/PID/status.
func effective(status []byte) (uint64, bool) {
	_, rest, ok := bytes.Cut(status, []byte("\nCapEff:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	v, err := strconv.ParseUint(strings.TrimSpace(string(line)), 16, 64)
	return v, ok && err == nil
}
