package doctor

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// What a clock may be off: more than the first is told, more than the second is a fault.
const (
	smallSkew = 30 * time.Second
	largeSkew = 5 * time.Minute
)

// dates are what servers say the time is.
type dates struct {
	mu   sync.Mutex
	seen map[string]time.Duration // guarded by mu: how far this clock is ahead, by host
}

// note takes the Date of an answer (RFC 9110 §6.6.1) that came at a time.
func (d *dates) note(host string, h http.Header, at time.Time) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil {
		d.seen = map[string]time.Duration{}
	}
	d.seen[host] = at.Sub(date)
}

// clock compares this machine's clock with the middle one of all servers.
func (d *Doctor) clock(ch *chart) {
	ch.take("clock", func() finding {
		d.dates.mu.Lock()
		defer d.dates.mu.Unlock()
		var ahead []time.Duration
		host := ""
		for name, skew := range d.dates.seen {
			ahead = append(ahead, skew)
			if host == "" || name < host {
				host = name
			}
		}
		if len(ahead) == 0 {
			return skipped("", "no server has told the time")
		}
		slices.Sort(ahead)
		return skew(ahead[len(ahead)/2], host, len(ahead))
	})
}

func skew(off time.Duration, host string, servers int) finding {
	by := "the Date of " + host
	if servers > 1 {
		by += fmt.Sprintf(" and %d more", servers-1)
	}
	how := "ahead of"
	if off < 0 {
		how = "behind"
	}
	const remedy = "set it, and have it kept right: `timedatectl set-ntp true`, or what your system has for that; " +
		"a wrong clock makes tokens and certificates look expired or not yet valid"
	text := fmt.Sprintf("this machine's clock is %s %s %s", off.Abs().Round(time.Second), how, by)
	switch {
	case off.Abs() > largeSkew:
		return bad(remedy, "%s", text)
	case off.Abs() > smallSkew:
		return warned(remedy, "%s", text)
	}
	return good("as %s", by)
}
