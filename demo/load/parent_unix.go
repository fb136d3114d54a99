//go:build unix

package load

import (
	"context"
	"os"
	"time"
)

// parentEvery is how often it is asked whether the parent is still there.
const parentEvery = 250 * time.Millisecond

// WhileParent is ctx that also ends when the process that started this one has
// ended, whatever ended it. The first process of a machine or container never
// counts as ended.
func WhileParent(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	parent := os.Getppid()
	if parent <= 1 {
		return ctx, cancel
	}
	go func() {
		tick := time.NewTicker(parentEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if os.Getppid() != parent {
					cancel()
					return
				}
			}
		}
	}()
	return ctx, cancel
}
