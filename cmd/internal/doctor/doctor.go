// Package doctor looks at a set-up step by step, from the configuration's file to the tools of a server, and says of each
// step what it found and what to do. It changes nothing: it makes no folder, keeps no token, spends no refresh token and
// registers no client.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bearerd/config"
)

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

// ErrUnknown is returned for a name that the configuration does not have.
var ErrUnknown = errors.New("there is no such server in the configuration")

const (
	limit      = 10 * time.Second // of one step that uses the network or starts a program; some have more
	concurrent = 4                // servers at once
)

// Doctor looks at one configuration. Begun and Ended are called one at a time, in the order of the steps.
type Doctor struct {
	Path    string                    // of the configuration; "": there is none
	Version string                    // of this program
	Begun   func(name, server string) // a step begins; nil: nobody wants to know
	Ended   func(Step)

	config *config.Config
	dates  dates
	common // what the steps about all servers have found
}

// Look takes every step for one server, or for all of them: "". What is wrong is in the steps; an error is ErrUnknown, or
// ctx's.
func (d *Doctor) Look(ctx context.Context, name string) error {
	ch := &chart{stop: ctx.Done(), begun: d.begun, ended: d.Ended}
	cfg, ok := d.configuration(ch, name)
	if !ok {
		return ctx.Err()
	}
	servers := cfg.Servers
	if name != "" {
		s := cfg.Server(name)
		if s == nil {
			return fmt.Errorf("server %q: %w", name, ErrUnknown)
		}
		servers = []*config.Server{s}
	}
	d.config = cfg
	d.fileModes(ctx, ch, servers)
	d.store(ctx, ch)
	d.vault(ctx, ch)
	defer d.close(ctx)
	d.daemon(ctx, ch)
	d.open(ctx)
	d.metricsKey(ctx, ch)
	d.each(ctx, servers)
	d.clock(ch)
	return ctx.Err()
}

func (d *Doctor) begun(name, server string) {
	if d.Begun != nil {
		d.Begun(name, server)
	}
}

// each looks at several servers at once, and tells of them in their order.
func (d *Doctor) each(ctx context.Context, servers []*config.Server) {
	var wg sync.WaitGroup
	defer wg.Wait()
	turns := make(chan struct{}, concurrent)
	told := make([]chan func(), len(servers))
	for i := range servers {
		told[i] = make(chan func(), 100) // more than a server has steps
	}
	wg.Go(func() {
		for i, s := range servers {
			select {
			case turns <- struct{}{}:
			case <-ctx.Done():
				close(told[i])
				continue
			}
			wg.Go(func() {
				defer func() { close(told[i]); <-turns }()
				ch := &chart{server: s.Name, stop: ctx.Done(),
					begun: func(name, server string) { told[i] <- func() { d.begun(name, server) } },
					ended: func(s Step) { told[i] <- func() { d.Ended(s) } }}
				d.examine(ctx, ch, s)
			})
		}
	})
	for _, c := range told {
		for tell := range c {
			tell()
		}
	}
}

// chart is what is written down about one server, or about all of them.
type chart struct {
	server string
	stop   <-chan struct{} // closed when nobody wants to know any more
	begun  func(name, server string)
	ended  func(Step)
	failed []Step
}

// finding is what a step comes to.
type finding struct {
	result         Result
	detail, remedy string
}

func good(format string, args ...any) finding {
	return finding{result: OK, detail: fmt.Sprintf(format, args...)}
}

func bad(remedy, format string, args ...any) finding {
	return finding{Failed, fmt.Sprintf(format, args...), remedy}
}

func warned(remedy, format string, args ...any) finding {
	return finding{Warned, fmt.Sprintf(format, args...), remedy}
}

func skipped(remedy, format string, args ...any) finding {
	return finding{Skipped, fmt.Sprintf(format, args...), remedy}
}

// take takes a step. What fails for the same reason as an earlier one, with the same remedy, is not told as another fault.
// After an interruption no step is taken, and what it has cut short is no fault.
func (ch *chart) take(name string, look func() finding) Result {
	if ch.stopped() {
		return Skipped
	}
	ch.begun(name, ch.server)
	start := time.Now()
	f := look()
	if f.result != OK && ch.stopped() {
		f = skipped("", "interrupted")
	}
	if f.result == Failed {
		for _, before := range ch.failed {
			if before.Remedy == f.remedy && before.Name != name {
				f = skipped("", "%s, as with %s", f.detail, before.Name)
				break
			}
		}
	}
	s := Step{Name: name, Server: ch.server, Result: f.result, Detail: f.detail, Remedy: f.remedy, Took: time.Since(start)}
	if s.Result == Failed {
		ch.failed = append(ch.failed, s)
	}
	ch.ended(s)
	return s.Result
}

func (ch *chart) stopped() bool {
	select {
	case <-ch.stop:
		return true
	default:
		return false
	}
}

// skip notes that a step cannot be taken because of another one.
func (ch *chart) skip(because string, names ...string) {
	for _, name := range names {
		ch.take(name, func() finding { return skipped("", "not looked at because of %s", because) })
	}
}
