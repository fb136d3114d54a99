package main

import "fmt"

// onOff is a flag value that is on or off; the flag alone means on.
type onOff bool

func (o *onOff) String() string {
	if *o {
		return "on"
	}
	return "off"
}

func (o *onOff) Type() string { return "on|off" }

func (o *onOff) Set(text string) error {
	switch text {
	case "on", "true":
		*o = true
	case "off", "false":
		*o = false
	default:
		return fmt.Errorf("want on or off")
	}
	return nil
}
