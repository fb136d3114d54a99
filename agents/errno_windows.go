package agents

import "golang.org/x/sys/windows"

// What a connection can fail with, by what it tells the user.
var (
	refusedErrnos = []error{windows.WSAECONNREFUSED}
	timeoutErrnos = []error{windows.WSAETIMEDOUT}
	routeErrnos   = []error{windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH, windows.WSAEHOSTDOWN, windows.WSAENETDOWN}
	resetErrnos   = []error{windows.WSAECONNRESET, windows.WSAECONNABORTED}
	filesErrnos   = []error{windows.WSAEMFILE}
)
