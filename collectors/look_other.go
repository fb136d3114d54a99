//go:build !linux

package collectors

import (
	"context"

	"capmon/sample"
)

// A Look reads what only somebody who looks at this machine wants to know; here
// there is none.
type Look struct{}

// NewLook is nil here.
func NewLook(Config) *Look { return nil }

// Read reads nothing.
func (*Look) Read(context.Context, *sample.Sample, bool, int) *sample.Detail { return nil }
