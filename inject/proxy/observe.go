package proxy

import "time"

// Delivery is the first delivery of a token to a client.
type Delivery struct {
	Server, Client string
	Token          string // its fingerprint
}

// Observe has f called for the first delivery of each token to each client. f must not block. It is called once, before
// Prepare.
func (p *Proxy) Observe(f func(Delivery)) { p.delivered = f }

// Outcome is what became of the latest request to a server. The zero one: there was none yet.
type Outcome struct {
	At    time.Time `json:"at,omitzero"`
	Error string    `json:"error,omitempty"` // why the server could not be used; "": it answered
}

// Last tells what became of the latest request that a server was sent; false: no url server has this name.
func (p *Proxy) Last(string) (Outcome, bool) { return Outcome{}, false }
