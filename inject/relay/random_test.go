package relay

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// message is a line as the actors of the random test read it.
type message struct {
	ID     any    `json:"id"`
	Method string `json:"method"`
	Params struct {
		By, For   int
		RequestID any `json:"requestId"`
	} `json:"params"`
	Result *struct{ By, For int } `json:"result"`
	Error  any                    `json:"error"`
}

func (m message) key() string { return fmt.Sprint(m.ID) }

// world is a session whose client and servers do as chance has it. All its goroutines share one lock, so that its maps
// need no other; chance has its own source for each.
type world struct {
	*rig
	seed    uint64
	lock    chan struct{}
	say     chan string // the client's lines
	waits   map[string]chan message
	answers map[string]int           // by request
	given   map[string]map[int]bool  // the servers that were given a request
	dropped map[string]bool          // requests that were cancelled
	asked   map[string]chan struct{} // open questions, by the id the client knows; closed when withdrawn
	servers int
}

func (w *world) random(n int) *rand.Rand { return rand.New(rand.NewPCG(w.seed, uint64(n))) }

func (w *world) locked(do func()) {
	w.lock <- struct{}{}
	defer func() { <-w.lock }()
	do()
}

func upTo(random *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(d)))
}

func TestRandomly(t *testing.T) {
	seeds, requests := 8, 400
	if testing.Short() {
		seeds, requests = 2, 100
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newWorld(t, uint64(seed)).run(requests) })
		})
	}
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		rig: newRig(t), seed: seed, lock: make(chan struct{}, 1), say: make(chan string, 100),
		waits: map[string]chan message{}, answers: map[string]int{}, given: map[string]map[int]bool{},
		dropped: map[string]bool{}, asked: map[string]chan struct{}{},
	}
	go func() {
		for line := range w.say {
			if _, err := io.WriteString(w.in, line+"\n"); err != nil {
				t.Error(err)
			}
		}
	}()
	go w.listen()
	return w
}

func (w *world) run(requests int) {
	defer time.Sleep(time.Second) // what the actors still wait for
	defer w.close()
	defer close(w.say)
	ctx, cancel := context.WithCancel(w.t.Context())
	kept := make(chan struct{})
	go func() { defer close(kept); w.keep(ctx) }()
	open := message{}
	w.ask("open", `{"id":"open","method":"initialize","params":{"protocolVersion":"2025-11-25"}}`, &open)
	w.say <- initialized
	callers := make(chan int, 4)
	for n := range cap(callers) {
		go func() { w.call(n, requests); callers <- n }()
	}
	for range cap(callers) {
		select {
		case <-callers:
		case <-time.After(patience):
			w.t.Fatal("requests are not answered")
		}
	}
	cancel()
	<-kept
	synctest.Wait()
	w.verify()
}

// ask sends a request and waits for its answer.
func (w *world) ask(id, line string, answer *message) {
	wait := make(chan message, 10)
	w.locked(func() { w.waits[id] = wait })
	w.say <- line
	*answer = <-wait
}

// call is one of the client's callers.
func (w *world) call(n, requests int) {
	random := w.random(1000 + n)
	for i := range requests {
		id, method := fmt.Sprintf("%d-%d", n, i), "tools/call"
		raw := fmt.Sprintf("%q", id)
		switch random.IntN(6) {
		case 0:
			method = "tools/list"
		case 1:
			method = "resources/subscribe"
		case 2:
			id = fmt.Sprint((n+1)*10_000 + i)
			raw = id
		}
		line := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":{"uri":"x:%d"}}`, raw, method, random.IntN(3))
		if random.IntN(10) == 0 {
			w.locked(func() { w.dropped[id] = true })
			w.say <- line
			time.Sleep(upTo(random, 10*time.Millisecond))
			w.say <- fmt.Sprintf(`{"method":"notifications/cancelled","params":{"requestId":%s}}`, raw)
			continue
		}
		w.ask(id, line, new(message))
		if random.IntN(3) == 0 {
			time.Sleep(upTo(random, 5*time.Millisecond))
		}
	}
}

// listen is what the client hears. Now and then it does not listen for a while.
func (w *world) listen() {
	random := w.random(1)
	for lines := bufio.NewReader(w.out); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			w.t.Errorf("the client got %q: %v", line, err)
		}
		w.locked(func() { w.hear(m, random) })
		if random.IntN(100) == 0 {
			time.Sleep(upTo(random, 50*time.Millisecond))
		}
	}
}

func (w *world) hear(m message, random *rand.Rand) {
	switch {
	case m.Method == "notifications/cancelled":
		key := fmt.Sprint(m.Params.RequestID)
		if withdrawn := w.asked[key]; withdrawn != nil {
			close(withdrawn)
			delete(w.asked, key)
		}
	case m.Method == "roots/list":
		w.reply(m, random)
	case m.Method != "":
	default:
		key := m.key()
		if w.answers[key]++; w.answers[key] > 1 {
			w.t.Errorf("%s was answered twice", key)
		}
		if m.Error == nil && (m.Result == nil || !w.given[key][m.Result.By]) {
			w.t.Errorf("%s was answered by a server that was not asked: %+v", key, m)
		}
		if wait := w.waits[key]; wait != nil {
			wait <- m
		} else if !w.dropped[key] {
			w.t.Errorf("nobody asked %s", key)
		}
	}
}

// reply answers a question, also when it is withdrawn meanwhile; a few are never answered.
func (w *world) reply(m message, random *rand.Rand) {
	withdrawn, key, raw := make(chan struct{}), m.key(), fmt.Sprint(m.ID)
	if _, ok := m.ID.(string); ok {
		raw = fmt.Sprintf("%q", m.ID)
	}
	if w.asked[key] != nil {
		w.t.Errorf("two open questions have the id %s", key)
	}
	w.asked[key] = withdrawn
	delay, never, late := upTo(random, 10*time.Millisecond), random.IntN(20) == 0, random.IntN(2) == 0
	go func() {
		timer := time.After(delay)
		select {
		case <-withdrawn:
			if !late {
				return
			}
		case <-timer:
			if never {
				return
			}
		}
		w.locked(func() {
			if w.asked[key] == withdrawn {
				delete(w.asked, key)
			}
		})
		w.say <- fmt.Sprintf(`{"id":%s,"result":{"by":%d,"for":%d}}`, raw, m.Params.By, m.Params.For)
	}()
}

// keep starts and exchanges servers.
func (w *world) keep(ctx context.Context) {
	random := w.random(2)
	var old *actor
	var retiring []chan struct{}
	for ctx.Err() == nil {
		fresh := w.hire(random)
		limited, cancel := context.WithTimeout(w.t.Context(), 60*time.Millisecond)
		err := fresh.link.Replay(limited)
		if random.IntN(3) == 0 {
			time.Sleep(upTo(random, 5*time.Millisecond))
		}
		if err == nil {
			busy := make(chan struct{})
			timer := time.AfterFunc(upTo(random, 30*time.Millisecond), func() { close(busy) })
			err = w.s.Switch(limited, fresh.link, busy)
			timer.Stop()
		}
		cancel()
		if err != nil {
			fresh.end()
			fresh.link.Fail(Reason{Code: "ended"})
			if random.IntN(3) == 0 {
				w.s.Refuse(Reason{Code: "crash_loop"})
			}
			continue
		}
		if old != nil {
			retired, old, patience := make(chan struct{}), old, upTo(random, 40*time.Millisecond)
			retiring = append(retiring, retired)
			go func() { defer close(retired); old.retire(patience) }()
		}
		old = fresh
		select {
		case <-time.After(upTo(random, 20*time.Millisecond)):
			if random.IntN(5) == 0 {
				w.s.Hold(old.link)
			}
		case <-old.link.Read():
			old.link.Fail(Reason{Code: "ended"})
		case <-ctx.Done():
		}
	}
	for _, retired := range retiring {
		<-retired
	}
	old.retire(0)
}

func (w *world) verify() {
	for id := range w.waits {
		if w.answers[id] != 1 {
			w.t.Errorf("%s was answered %d times", id, w.answers[id])
		}
	}
	w.t.Logf("%d requests, %d servers", len(w.waits), w.servers)
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	for id, r := range w.s.requests {
		w.t.Errorf("%s is left: %+v", id, r)
	}
	if len(w.s.asked) > 0 {
		w.t.Errorf("%d questions are left", len(w.s.asked))
	}
}
