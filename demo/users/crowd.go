package users

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"capmon/demo/child"
	"capmon/demo/load"
	"capmon/demo/waits"
)

// crowdNice is of the users: before the servers, so that the times are those of
// the servers, and after whoever sits at this machine.
const crowdNice = 5

// crowdConfig is what a process of users is told.
type crowdConfig struct {
	Addrs     []string // user i asks the one at i modulo their number
	Users     int      // of all processes
	Index, Of int      // this process has each Of-th from Index
	Seed      uint64
	Think     time.Duration // mean, between an answer and the next request
	Patience  time.Duration // for an answer
}

// Counts are requests. Asked = Served + Refused + Left, and those that wait for
// an answer, of which there are none at the end.
type Counts struct {
	Asked   int `json:"asked"`
	Served  int `json:"served"`  // answered after the work was done
	Refused int `json:"refused"` // told at once that too many wait
	Left    int `json:"left"`    // no answer in time, or no connection
}

func (c *Counts) add(o Counts) {
	c.Asked += o.Asked
	c.Served += o.Served
	c.Refused += o.Refused
	c.Left += o.Left
}

// crowdSays is a line of a process of users.
type crowdSays struct {
	Counts
	Waits waits.Waits // of those served
	Used  usage
	Ended bool // nobody waits for an answer and nobody asks any more
}

// crowd is the users of one process.
type crowd struct {
	config crowdConfig
	ended  chan struct{} // closed when they shall ask no more

	mu     sync.Mutex
	counts Counts
	waits  waits.Waits // of those served
	all    sync.WaitGroup
	over   bool // all have gone
}

func runCrowd(line []byte, in io.Reader, out io.Writer) error {
	c := &crowd{ended: make(chan struct{})}
	if err := json.Unmarshal(line, &c.config); err != nil {
		return fmt.Errorf("users: %w", err)
	}
	load.NameProcess("users")
	if err := load.NiceProcess(crowdNice); err != nil {
		return err
	}
	for i := c.config.Index; i < c.config.Users; i += c.config.Of {
		c.all.Go(func() { c.user(i) })
	}
	stop := func() {
		close(c.ended)
		go func() {
			c.all.Wait()
			c.mu.Lock()
			c.over = true
			c.mu.Unlock()
		}()
	}
	return tell(in, out, nil, func(now usage) any {
		c.mu.Lock()
		defer c.mu.Unlock()
		return crowdSays{Counts: c.counts, Waits: c.waits, Used: now, Ended: c.over}
	}, stop)
}

// user asks, waits for the answer and thinks, until the end. The first request
// comes within the first while of thinking.
func (c *crowd) user(i int) {
	rng := rand.New(rand.NewPCG(c.config.Seed, uint64(i)))
	line := client{addr: c.config.Addrs[i%len(c.config.Addrs)]}
	defer line.close()
	think := time.NewTimer(time.Duration(rng.Float64() * float64(c.config.Think)))
	defer think.Stop()
	for {
		select {
		case <-c.ended:
			return
		case <-think.C:
		}
		c.count(func(n *Counts) { n.Asked++ })
		began := time.Now()
		err := line.ask(began.Add(c.config.Patience))
		took := time.Since(began)
		c.count(func(n *Counts) {
			switch {
			case err == nil:
				n.Served++
				c.waits.Add(took)
			case errors.Is(err, errRefused):
				n.Refused++
			default:
				n.Left++
			}
		})
		// Half to one and a half of the mean: people are not clocks.
		think.Reset(time.Duration((0.5 + rng.Float64()) * float64(c.config.Think)))
	}
}

func (c *crowd) count(what func(*Counts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	what(&c.counts)
}

var errRefused = errors.New("the server is full")

// client is the connection of one user, which is kept and made anew where it
// fails.
type client struct {
	addr string
	conn net.Conn
	in   *bufio.Reader
}

// ask sends one request and waits for its answer until limit.
func (c *client) ask(limit time.Time) error {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.addr, time.Until(limit))
		if err != nil {
			return err
		}
		c.conn, c.in = conn, bufio.NewReaderSize(conn, 512)
	}
	status, err := c.exchange(limit)
	switch {
	case err != nil:
		c.close()
		return err
	case status == http.StatusServiceUnavailable:
		return errRefused
	case status != http.StatusOK:
		return fmt.Errorf("%s answered with status %d", c.addr, status)
	}
	return nil
}

func (c *client) exchange(limit time.Time) (status int, err error) {
	if err := c.conn.SetDeadline(limit); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(c.conn, "GET /work HTTP/1.1\r\nHost: "+c.addr+"\r\n\r\n"); err != nil {
		return 0, err
	}
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return r.StatusCode, err
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// startCrowd starts the users, spread over processes.
func startCrowd(c crowdConfig, files int, hear func(index int, s crowdSays)) ([]*child.Process, error) {
	c.Of = crowdProcesses(c.Users, files)
	var list []*child.Process
	for i := range c.Of {
		c.Index = i
		p, err := child.Begin(roleCrowd, c, func(line []byte) {
			var s crowdSays
			if json.Unmarshal(line, &s) == nil {
				hear(i, s)
			}
		})
		if err != nil {
			return list, err
		}
		list = append(list, p)
	}
	return list, nil
}

// crowdProcesses is how many processes so many users are spread over.
func crowdProcesses(users, files int) int {
	most := 2000
	if files > 0 {
		most = min(most, max(files-ownFiles, 1))
	}
	return (users + most - 1) / most
}
