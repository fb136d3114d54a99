package agents

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// kernel is the version of Windows: major, minor, build.
func kernel() string {
	v := windows.RtlGetVersion()
	return fmt.Sprintf("%d.%d.%d", v.MajorVersion, v.MinorVersion, v.BuildNumber)
}
