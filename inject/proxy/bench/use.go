//go:build unix

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticksPerSecond is the unit of times in /proc: the same 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// children are the processes that a process has started and that run. Where there is no /proc there are none.
func children(pid int) (pids []int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", pid))
	for field := range strings.FieldsSeq(string(text)) {
		if child, err := strconv.Atoi(field); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// processorTime is what processes have used so far, in microseconds, in steps of 10,000.
func processorTime(pids []int) (microseconds float64, err error) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, fmt.Errorf("reading the processor time of %d: %w", pid, err)
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, field := range fields[11:13] { // utime and stime: proc(5) counts them 14 and 15
			ticks, err := strconv.ParseFloat(field, 64)
			if err != nil {
				return 0, fmt.Errorf("reading the processor time of %d: %w", pid, err)
			}
			microseconds += ticks * 1e6 / ticksPerSecond
		}
	}
	return microseconds, nil
}

// resident is the memory that processes hold, in KiB. Pages that they share count for each, as in ps.
func resident(pids []int) (kib float64, err error) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, fmt.Errorf("reading the memory of %d: %w", pid, err)
		}
		_, after, _ := strings.Cut(string(text), "VmRSS:")
		fields := strings.Fields(after)
		if len(fields) == 0 {
			return 0, fmt.Errorf("/proc/%d/status tells no VmRSS", pid)
		}
		one, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return 0, fmt.Errorf("reading the memory of %d: %w", pid, err)
		}
		kib += one
	}
	return kib, nil
}
