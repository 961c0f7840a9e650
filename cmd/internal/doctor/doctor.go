// Package doctor looks at a set-up step by step, from the configuration's file to the tools of a server, and says of each
// step what it found and what to do. It changes nothing: it makes no folder, keeps no token, spends no refresh token and
// registers no client.
package doctor

import "time"

// Result is what came of a step.
type Result string

// The results. Warned is right now, but not for long, or not for everybody; Skipped could not be looked at, for a reason
// that is in Detail.
const (
	OK      Result = "ok"
	Warned  Result = "warning"
	Failed  Result = "failed"
	Skipped Result = "skipped"
)

// Step is one thing that was looked at.
type Step struct {
	Name   string        `json:"step"`
	Server string        `json:"server,omitempty"` // "": about all of them
	Result Result        `json:"result"`
	Detail string        `json:"detail"`           // what was found; no secret is in it
	Remedy string        `json:"remedy,omitempty"` // what to do, where it is not OK
	Took   time.Duration `json:"took_ns"`
}
