package collectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// maxFrontends bounds the frontends of a proxy that are told apart.
const maxFrontends = 256

// haproxySocket asks a HAProxy on its stats socket. What it counts are the
// requests of the frontends: CumReq of `show info` counts commands too.
type haproxySocket struct {
	path string
	buf  bytes.Buffer
}

// count implements counter.
func (h *haproxySocket) count(ctx context.Context) (readout, error) {
	ctx, cancel := context.WithTimeout(ctx, probeBounds.wait)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", h.path)
	if err != nil {
		return readout{}, socketError(h.path, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write([]byte("show stat\n")); err != nil {
		return readout{}, err
	}
	h.buf.Reset()
	n, err := h.buf.ReadFrom(io.LimitReader(conn, pageBounds.most+1))
	switch {
	case ctx.Err() != nil:
		return readout{}, fmt.Errorf("no answer within %v", probeBounds.wait)
	case err != nil:
		return readout{}, err
	case n > pageBounds.most:
		return readout{}, fmt.Errorf("an answer of more than %d bytes", pageBounds.most)
	}
	return parseShowStat(h.buf.Bytes())
}

func (h *haproxySocket) close() {}

// socketError says what to do about a socket that can't be opened.
func socketError(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: run as root, or add `mode 660` and a `group` of this user to the `stats socket` line", err)
	}
	if info, bad := os.Stat(path); bad == nil && info.Mode()&fs.ModeSocket == 0 {
		return errors.New("it is not a socket: name the one of the `stats socket` line of its configuration")
	}
	return err
}

// parseShowStat reads the CSV of `show stat`: the requests of all frontends, and
// of each alone. It counts from 0 again after a reload.
func parseShowStat(b []byte) (readout, error) {
	header, rest, _ := bytes.Cut(b, newline)
	header, ok := bytes.CutPrefix(header, []byte("# "))
	if !ok {
		return readout{}, errors.New("not the statistics of a HAProxy: they begin with # pxname")
	}
	col, err := statColumns(string(header))
	if err != nil {
		return readout{}, err
	}
	got := readout{tally: tally{classes: true}, parts: make(map[string]tally), binds: make(map[string][]uint16)}
	for line := range bytes.Lines(rest) {
		f := strings.Split(strings.TrimRight(string(line), "\r\n"), ",")
		if len(f) <= col.most {
			continue
		}
		if f[col.server] != "FRONTEND" {
			// With `option socket-stats` there is a line for each place where a
			// frontend listens; servers and backends are no parts.
			if p, ok := haproxyBind(f[col.address]); ok && p.first == p.last && col.address > 0 && f[col.kind] == "3" {
				got.binds[f[col.proxy]] = append(got.binds[f[col.proxy]], p.first)
			}
			continue
		}
		t, err := frontend(f, col)
		if err != nil {
			return readout{}, fmt.Errorf("frontend %.64q: %w", f[col.proxy], err)
		}
		got.count += t.count
		for i := range t.class {
			got.class[i] += t.class[i]
		}
		got.parts[f[col.proxy]] = t
		if len(got.parts) > maxFrontends {
			return readout{}, fmt.Errorf("more than %d frontends", maxFrontends)
		}
	}
	if len(got.parts) == 0 {
		return readout{}, errors.New("a HAProxy without a frontend")
	}
	return got, nil
}

// statColumn says where `show stat` has what is read of it; the columns have
// moved between versions.
type statColumn struct {
	proxy, server, requests int
	kind, address           int // address 0 = not there
	class                   [3]int
	most                    int // the largest of them
}

func statColumns(header string) (statColumn, error) {
	at := make(map[string]int)
	for i, name := range strings.Split(strings.TrimSpace(header), ",") {
		at[name] = i
	}
	c := statColumn{}
	for name, to := range map[string]*int{
		"pxname": &c.proxy, "svname": &c.server, "req_tot": &c.requests, "type": &c.kind,
		"hrsp_3xx": &c.class[0], "hrsp_4xx": &c.class[1], "hrsp_5xx": &c.class[2],
	} {
		i, ok := at[name]
		if !ok {
			return c, fmt.Errorf("statistics without %s: not those of a HAProxy of version 1.5 or newer", name)
		}
		*to = i
		c.most = max(c.most, i)
	}
	c.address = at["addr"]
	c.most = max(c.most, c.address)
	return c, nil
}

// frontend reads one line; one that carries TCP has no requests.
func frontend(f []string, col statColumn) (tally, error) {
	t := tally{classes: true}
	for i, to := range map[int]*float64{col.requests: &t.count, col.class[0]: &t.class[0], col.class[1]: &t.class[1], col.class[2]: &t.class[2]} {
		if f[i] == "" {
			continue
		}
		n, err := strconv.ParseUint(f[i], 10, 64)
		if err != nil || n > maxCount {
			return t, fmt.Errorf("its count %.32q is no count", f[i])
		}
		*to = float64(n)
	}
	return t, nil
}

// haproxyConfig is what the configuration of a running HAProxy says: where to
// ask it, and which frontend listens where.
type haproxyConfig struct {
	socket string              // path of a stats socket that may be asked; empty = none
	ports  map[string][]uint16 // of each frontend
}

// maxRange bounds the ports of one range (bind :8000-8063).
const maxRange = 64

// places lists the ports of each frontend; none while a condition decides which
// of them there are.
func (f *haproxyFacts) places() map[string][]uint16 {
	if f.guessed || len(f.fronts) > maxFrontends {
		return nil
	}
	at := make(map[string][]uint16, len(f.fronts))
	for _, v := range f.fronts {
		for _, p := range v.ports {
			if p.last-p.first >= maxRange {
				continue
			}
			for port := int(p.first); port <= int(p.last); port++ {
				at[v.proxy] = append(at[v.proxy], uint16(port))
			}
		}
	}
	return at
}
