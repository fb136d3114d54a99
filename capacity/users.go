package capacity

import (
	"errors"
	"fmt"
	"time"
)

// Users is how many people are active behind requests, by Little's law:
// rps × (think + response), for people who think and wait in turn. Times are in
// seconds. Where connections persist, count those instead.
//
// Source: Little 1961; the interactive response time law.
func Users(rps, think, response float64) (Result, error) {
	if err := errors.Join(atLeast0("requests a second", rps), atLeast0("think time", think), atLeast0("response time", response)); err != nil {
		return Result{}, fmt.Errorf("users: %w", err)
	}
	return result(rps*(think+response), func(v float64) string {
		return fmt.Sprintf("users %s = %s rps × (%s think + %s response)", Amount(v), Amount(rps), Span(think), Span(response))
	})
}

// RequestsOf is how many requests a second so many active people make, by the
// same law: users / (think + response), which is above 0.
func RequestsOf(users, think, response float64) (Result, error) {
	if err := errors.Join(atLeast0("users", users), atLeast0("think time", think), atLeast0("response time", response), above0("think and response time", think+response)); err != nil {
		return Result{}, fmt.Errorf("requests: %w", err)
	}
	return result(users/(think+response), func(v float64) string {
		return fmt.Sprintf("rps %s = %s users / (%s think + %s response)", Amount(v), Amount(users), Span(think), Span(response))
	})
}

// Inflight is how many requests are being served at a time: rps × response.
func Inflight(rps, response float64) (Result, error) {
	if err := errors.Join(atLeast0("requests a second", rps), atLeast0("response time", response)); err != nil {
		return Result{}, fmt.Errorf("in flight: %w", err)
	}
	return result(rps*response, func(v float64) string {
		return fmt.Sprintf("in flight %s = %s rps × %s", Amount(v), Amount(rps), Span(response))
	})
}

// Demand is what people ask for on paper.
type Demand struct {
	Users    float64
	Requests float64       // of each user in Per
	Per      time.Duration // above 0
	Peak     float64       // how many times the mean the peak is; 0: 1
}

// RPS is the requests a second of the peak: users × requests / per × peak.
func (d Demand) RPS() (Result, error) {
	peak := d.Peak
	if peak == 0 {
		peak = 1
	}
	per := d.Per.Seconds()
	if err := errors.Join(atLeast0("users", d.Users), atLeast0("requests of a user", d.Requests), above0("time", per), above0("peak", peak)); err != nil {
		return Result{}, fmt.Errorf("requests: %w", err)
	}
	return result(d.Users*d.Requests/per*peak, func(v float64) string {
		times := ""
		if peak != 1 {
			times = " × " + Amount(peak) + " peak"
		}
		return fmt.Sprintf("rps %s = %s users × %s / %s%s", Amount(v), Amount(d.Users), Amount(d.Requests), Span(per), times)
	})
}
