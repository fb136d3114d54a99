package lessons

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// where tells on which cores the threads of these processes run now, those that
// wait left out. Numbers count the running threads of a process from 1.
func where(pids []int) []seenThread {
	var out []seenThread
	for _, pid := range pids {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", pid)) // a pattern that can't be wrong
		var tids []int
		for _, t := range tasks {
			if tid, err := strconv.Atoi(filepath.Base(t)); err == nil {
				tids = append(tids, tid)
			}
		}
		slices.Sort(tids)
		n := 0
		for _, tid := range tids {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", pid, tid))
			if err != nil {
				continue // it has ended
			}
			if core, ok := runsOn(stat); ok {
				n++
				out = append(out, seenThread{pid: pid, tid: tid, number: n, core: core})
			}
		}
	}
	return out
}

// cpuOf is how many core seconds a process has used; false where that can't be
// read.
func cpuOf(pid int) (float64, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	return cpuIn(stat)
}

// cpuIn reads utime and stime, fields 14 and 15, which count hundredths of a
// second on every system that Go runs on.
func cpuIn(stat []byte) (float64, bool) {
	at := bytes.LastIndexByte(stat, ')')
	fields := bytes.Fields(stat[at+1:])
	if at < 0 || len(fields) < 13 {
		return 0, false
	}
	user, err1 := strconv.ParseUint(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseUint(string(fields[12]), 10, 64)
	return float64(user+system) / 100, err1 == nil && err2 == nil
}

// runsOn reads the core of a thread that runs, or is ready to, out of its stat
// (proc_pid_stat(5)): fields 3 and 39. The name, which may hold anything, ends at
// the last parenthesis.
func runsOn(stat []byte) (core int, ok bool) {
	at := bytes.LastIndexByte(stat, ')')
	fields := bytes.Fields(stat[at+1:])
	if at < 0 || len(fields) < 37 || string(fields[0]) != "R" {
		return 0, false
	}
	core, err := strconv.Atoi(string(fields[36]))
	return core, err == nil && core >= 0
}
