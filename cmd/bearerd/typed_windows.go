package main

import (
	"time"

	"golang.org/x/sys/windows"
)

// awaitInput waits until a console has something to read, for limit at most. What is no character, such as a click, counts too:
// then the read that follows waits for a line.
func awaitInput(fd int, limit time.Duration) (ready bool, err error) {
	event, err := windows.WaitForSingleObject(windows.Handle(fd), uint32(limit.Milliseconds()))
	return event == windows.WAIT_OBJECT_0, err
}
