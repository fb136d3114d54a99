// Package load keeps cores busy on purpose: threads of this process or of child
// processes, each counting the work it has done.
//
// A loop is always the same piece of work (Steps steps of integer arithmetic in
// registers), so loops a second compare between runs and tell what cores used
// don't: whether more was done. Nothing outlives the process that began it: a
// child ends when the pipe from its parent closes, whatever closed it.
package load
