//go:build !linux

package collectors

import (
	"context"
	"errors"
)

// Find says why a scope can't be read on this system.
func (s Scope) Find(Config) error {
	return errors.New("a part of a machine can be read on Linux only: run the agent without it")
}

// Gone waits for ctx.
func (s Scope) Gone(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func scopeList(Config) []Collector { return nil }
