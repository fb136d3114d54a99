package collectors

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/shirou/gopsutil/v3/load"
	"github.com/shirou/gopsutil/v3/mem"
)

// portableMemory reads memory and load through gopsutil. It knows of no
// containers.
type portableMemory struct{}

func (portableMemory) close() {}

func (portableMemory) memory(ctx context.Context, _ time.Time) (*memoryUse, error) {
	v, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("read memory: %w", err)
	}
	if v.Total == 0 {
		return nil, fmt.Errorf("read memory: the system says it has none")
	}
	return &memoryUse{total: v.Total, used: v.Total - min(v.Available, v.Total)}, nil
}

// load is unknown on Windows: what gopsutil has there is a mean of its own that
// needs a goroutine which never ends.
func (portableMemory) load(ctx context.Context) (*loadAvg, error) {
	if runtime.GOOS == "windows" {
		return nil, nil
	}
	v, err := load.AvgWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("read load: %w", err)
	}
	l := loadAvg{v.Load1, v.Load5, v.Load15}
	for _, x := range l {
		if !(x >= 0 && x <= math.MaxInt16) {
			return nil, fmt.Errorf("read load: %v is no load", x)
		}
	}
	return &l, nil
}
