package doctor

import (
	"cmp"
	"fmt"
	"maps"
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

// note takes the Date of an answer (RFC 9110 §6.6.1) that came at a time. A cached one says nothing (RFC 9111 §5.1).
func (d *dates) note(host string, h http.Header, at time.Time) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || h.Get("Age") != "" { // a cache has the Date of when it asked
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil {
		d.seen = map[string]time.Duration{}
	}
	d.seen[host] = at.Sub(date)
}

// clock compares this machine's clock with those of the servers that were asked, if any has told the time.
func (d *Doctor) clock(ch *chart) {
	d.dates.mu.Lock()
	defer d.dates.mu.Unlock()
	if len(d.dates.seen) > 0 {
		ch.take("clock", func() finding { return judge(d.dates.seen) })
	}
}

// judge finds who is wrong: this machine, where most say so.
func judge(seen map[string]time.Duration) finding {
	hosts := slices.SortedFunc(maps.Keys(seen), func(a, b string) int {
		return cmp.Or(cmp.Compare(seen[a], seen[b]), cmp.Compare(a, b))
	})
	var odd []string
	for _, host := range hosts {
		if seen[host].Abs() > smallSkew {
			odd = append(odd, host)
		}
	}
	if middle := hosts[len(hosts)/2]; len(odd) == 0 || len(odd)*2 > len(hosts) {
		return skew(seen[middle], middle, len(hosts))
	}
	return warned("have whoever runs it set its clock; a wrong one there makes tokens look expired or not yet valid",
		"by %s this machine's clock is %s off, and not by %d more", odd[0], seen[odd[0]].Abs().Round(time.Second), len(hosts)-len(odd))
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
