// Package payments is the story of a payment app on the evening of a festival:
// people ask at a rate that jumps to eight times, through a real HTTP reverse
// proxy, real server processes that compute for each request, and a group of
// servers that grows as capmon recommends, each new one after its warm-up.
//
// A server has one worker, and a request holds it for a fixed time: that is its
// capacity. Some requests may wait for the worker, those beyond are refused at
// once; who has no answer within a person's patience leaves. So every request
// that was asked is served, refused or left, and refused are as many as came
// above what the servers could take: expect says how many that should be.
//
// People, proxy and servers are child processes of the same program, which end
// when their standard input does, so that none outlives its parent.
package payments
