package relay

import "slices"

// mostOrphans bounds what is kept for answers that may never come.
const mostOrphans = 1000

// orphans are the newest ids of questions that were withdrawn.
type orphans struct {
	has   map[string]bool
	order []string
}

func (o *orphans) add(key string) {
	if !o.has[key] {
		o.order = append(slices.DeleteFunc(o.order, func(old string) bool { return old == key }), key)
	}
	o.has[key] = true
	if len(o.order) > mostOrphans {
		delete(o.has, o.order[0])
		o.order = o.order[1:]
	}
}
