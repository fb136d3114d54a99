package payments

import (
	"fmt"
	"net/http"

	"capmon/demo/stories"
)

// accounts are the people who have one; some are asked for far more often than
// others.
const accounts = 1000

// question is a request that a person makes.
type question struct {
	method, path string
}

// Where a server answers.
const (
	payPath       = "/pay"
	balancePath   = "/balance"
	cataloguePath = "/catalogue"
)

// questionOf is what the person behind a request asks: one of five pays, two
// look at their balance, two at what there is to buy.
func questionOf(seed, request uint64) question {
	account := stories.Chance(seed+1, request)
	who := int(account * account * account * accounts)
	switch kind := stories.Chance(seed+2, request); {
	case kind < 0.2:
		return question{http.MethodPost, fmt.Sprintf("%s?account=%d&payment=%d", payPath, who, request)}
	case kind < 0.6:
		return question{http.MethodGet, fmt.Sprintf("%s?account=%d", balancePath, who)}
	default:
		return question{http.MethodGet, cataloguePath}
	}
}
