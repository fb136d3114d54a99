//go:build unix

package agents

import "syscall"

// What a connection can fail with, by what it tells the user.
var (
	refusedErrnos = []error{syscall.ECONNREFUSED}
	timeoutErrnos = []error{syscall.ETIMEDOUT}
	routeErrnos   = []error{syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN}
	resetErrnos   = []error{syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED}
	filesErrnos   = []error{syscall.EMFILE, syscall.ENFILE}
)
