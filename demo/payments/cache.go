package payments

import (
	"sync"
	"time"
)

// freshTime is how long an answer may be given again.
const freshTime = 2 * time.Second

// mostAnswers bounds what a cache holds: one for each account, and the catalogue.
const mostAnswers = 2 * accounts

// cache holds answers. A payment makes what is known of its account untrue. Its
// methods may be called from any goroutine.
type cache struct {
	mu      sync.Mutex
	says    Cache
	answers map[string]answer
	paids   map[string]uint64 // payments, by account
}

type answer struct {
	body  []byte
	seen  uint64 // payments of the account before it was asked for
	until time.Time
}

func newCache(on bool) cache {
	return cache{says: Cache{On: on}, answers: map[string]answer{}, paids: map[string]uint64{}}
}

// get is the answer to a question about an account, where one is fresh; seen are
// the payments of the account, for put.
func (c *cache) get(question, account string, now time.Time) (body []byte, hit bool, seen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen = c.paids[account]
	if !c.says.On {
		return nil, false, seen
	}
	a, ok := c.answers[question]
	if hit = ok && a.seen == seen && now.Before(a.until); hit {
		c.says.Hits++
	} else {
		c.says.Misses++
	}
	return a.body, hit, seen
}

// put keeps an answer; seen is as get said before it was asked for.
func (c *cache) put(question string, seen uint64, body []byte, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.says.On {
		return
	}
	if len(c.answers) >= mostAnswers {
		clear(c.answers)
	}
	c.answers[question] = answer{body, seen, now.Add(freshTime)}
}

// paid tells of a payment.
func (c *cache) paid(account string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if account != "" {
		c.paids[account]++
	}
}

// turn switches it on or off; what it held is forgotten.
func (c *cache) turn(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.says.On = on
	clear(c.answers)
}

func (c *cache) count() Cache {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.says
}
