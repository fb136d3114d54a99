package load

import (
	"context"
	"os"

	"golang.org/x/sys/windows"
)

// WhileParent is ctx that also ends when the process that started this one has
// ended, whatever ended it.
func WhileParent(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	parent, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(os.Getppid()))
	if err != nil {
		return ctx, cancel // of another user: nothing to wait for
	}
	go func() {
		defer windows.CloseHandle(parent)
		const every = 250 // ms
		for ctx.Err() == nil {
			if event, err := windows.WaitForSingleObject(parent, every); err != nil || event == windows.WAIT_OBJECT_0 {
				cancel()
			}
		}
	}()
	return ctx, cancel
}
