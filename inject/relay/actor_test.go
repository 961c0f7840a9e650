package relay

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// actor is a server that does as chance has it: it answers after a while, asks questions in between, stops reading, ends.
type actor struct {
	*fake
	w         *world
	number    int
	random    *rand.Rand
	say       chan string
	ended     chan struct{}
	opened    int // 1: initialize, 2: and initialized
	questions int
	replies   map[int]chan struct{}
}

func (w *world) hire(random *rand.Rand) *actor {
	w.servers++
	a := &actor{
		fake: w.startDeaf(), w: w, number: w.servers, random: w.random(10_000 + w.servers), say: make(chan string, 1000),
		ended: make(chan struct{}), replies: map[int]chan struct{}{},
	}
	go a.read()
	go a.write()
	if random.IntN(4) == 0 {
		time.AfterFunc(upTo(random, 60*time.Millisecond), a.end)
	}
	return a
}

func (a *actor) end() {
	a.w.locked(func() {
		select {
		case <-a.ended:
		default:
			close(a.ended)
		}
	})
	a.die()
}

// retire is what the keeper does with a server whose successor serves.
func (a *actor) retire(patience time.Duration) {
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	a.link.Finish(ctx)
	a.link.Fail(Reason{Code: "token_expired"})
	a.end()
}

func (a *actor) write() {
	for {
		select {
		case line := <-a.say:
			if _, err := io.WriteString(a.out, line+"\n"); err != nil {
				return
			}
		case <-a.ended:
			return
		}
	}
}

func (a *actor) read() {
	for lines := bufio.NewReader(a.stdin); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			a.t.Errorf("server %d got %q: %v", a.number, line, err)
		}
		pause := time.Duration(0)
		a.w.locked(func() {
			a.hear(m)
			if a.random.IntN(60) == 0 {
				pause = upTo(a.random, 100*time.Millisecond)
			}
		})
		time.Sleep(pause)
	}
}

func (a *actor) hear(m message) {
	raw, _ := json.Marshal(m.ID)
	own := strings.HasPrefix(m.key(), "bearerd-")
	switch {
	case m.Method == "notifications/initialized":
		a.opened++
	case m.Method == "initialize":
		a.opened = 1
		a.give(m)
		a.answer(fmt.Sprintf(`{"id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{},"by":%d}}`, raw, a.number), 0)
	case m.Method == "" && m.Result != nil:
		if m.Result.By != a.number || fmt.Sprint(m.Result.For) != m.key() {
			a.t.Errorf("server %d got the answer of server %d's question %d to its %s", a.number, m.Result.By, m.Result.For, m.key())
		}
		if reply := a.replies[m.Result.For]; reply != nil {
			delete(a.replies, m.Result.For)
			close(reply)
		}
	case m.Method == "notifications/cancelled", m.Method == "":
	default:
		if a.opened != 2 {
			a.t.Errorf("server %d got %s before the session was open (%d)", a.number, m.Method, a.opened)
		}
		a.give(m)
		questions := 0
		if !own && a.random.IntN(4) == 0 {
			questions = 1
		}
		a.answer(fmt.Sprintf(`{"id":%s,"result":{"by":%d}}`, raw, a.number), questions)
	}
}

func (a *actor) give(m message) {
	if a.w.given[m.key()] == nil {
		a.w.given[m.key()] = map[int]bool{}
	}
	a.w.given[m.key()][a.number] = true
}

// answer answers after a while, and after the answer to a question of its own.
func (a *actor) answer(line string, questions int) {
	delay := upTo(a.random, 20*time.Millisecond)
	var reply chan struct{}
	id := a.questions
	withdraws := a.random.IntN(4) == 0
	if questions > 0 {
		a.questions++
		reply = make(chan struct{})
		a.replies[id] = reply
	}
	go func() {
		if questions > 0 {
			a.say <- fmt.Sprintf(`{"id":%d,"method":"roots/list","params":{"by":%d,"for":%d}}`, id, a.number, id)
			select {
			case <-reply:
			case <-time.After(5 * time.Millisecond):
				if withdraws {
					a.say <- fmt.Sprintf(`{"method":"notifications/cancelled","params":{"requestId":%d}}`, id)
				}
			case <-a.ended:
				return
			}
		}
		select {
		case <-time.After(delay):
			a.say <- line
		case <-a.ended:
		}
	}()
}
